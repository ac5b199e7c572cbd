/**
 * Where appended bytes wait for their cycle: buffers in which each log's batches stand one behind the
 * other with room for the frame's header before them, so that most frames go to disk from where their
 * bytes were copied once.
 *
 * @module
 */

import { assert, DIRECT_BLOCK_BYTES, type Disk } from "../world/mod.ts";
import {
  FRAME_ALIGN_BYTES,
  FRAME_HEADER_BYTES,
  type FrameBuffer,
  frameBytes,
  TERMINATOR_BYTES,
} from "./frame.ts";
import type { StorageLimits } from "./limits.ts";
import { type RecordBatch, RecordReader } from "./record_batch.ts";

/** One staging buffer. */
export class Chunk implements FrameBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes given out, a multiple of 8. */
  used = 0;
  /** Who needs what is in it: see {@link ChunkPool.release}. */
  holds = 0;
  /** Made by the pool, so that it can be used again. */
  isOurs = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/** Staging buffers that wait to be used again. */
export class ChunkPool {
  readonly #disk: Pick<Disk, "newBuffer">;
  readonly #limits: StorageLimits;
  readonly #idle: Chunk[] = [];

  constructor(disk: Pick<Disk, "newBuffer">, limits: StorageLimits) {
    this.#disk = disk;
    this.#limits = limits;
  }

  /** A buffer with room for at least `bytes`, that nobody holds. */
  take(bytes: number): Chunk {
    const { chunkBytes } = this.#limits;
    const idle = bytes <= chunkBytes ? this.#idle.pop() : undefined;
    if (idle !== undefined) return idle;
    const chunk = new Chunk(this.#disk.newBuffer(alignBlock(Math.max(bytes, chunkBytes))));
    chunk.isOurs = true;
    return chunk;
  }

  /** Bytes that came from elsewhere, as a buffer with one holder. */
  hold(bytes: Uint8Array): Chunk {
    const chunk = new Chunk(bytes);
    chunk.holds = 1;
    return chunk;
  }

  /** One holder less; the last one gives the buffer back. */
  release(chunk: Chunk): void {
    chunk.holds--;
    assert(chunk.holds >= 0, "a buffer is released by those who hold it");
    if (chunk.holds > 0) return;
    // Buffers made for one large batch go back to the system.
    const keeps = chunk.isOurs && chunk.bytes.length === this.#limits.chunkBytes &&
      this.#idle.length < this.#limits.chunksKept;
    if (!keeps) return;
    chunk.used = 0;
    this.#idle.push(chunk);
  }
}

/** Consecutive batches of one log, in one buffer: a frame in the making. Used again and again. */
export class Piece {
  chunk: Chunk;
  /** Where the header's room begins; the body follows it. */
  start = 0;
  /** Where the body ends. */
  end = 0;
  count = 0;
  entryCount = 0;
  /** Its batch goes on in the next piece. */
  goesOn = false;
  /** The rest of its last block in the buffer is nobody else's. */
  ownsBlock = false;

  constructor(chunk: Chunk) {
    this.chunk = chunk;
  }

  /** Begins anew. */
  reset(chunk: Chunk, start: number): void {
    this.chunk = chunk;
    this.start = start;
    this.end = start + FRAME_HEADER_BYTES;
    this.count = this.entryCount = 0;
    this.goesOn = this.ownsBlock = false;
  }

  get bodyBytes(): number {
    return this.end - this.bodyStart;
  }
  get bodyStart(): number {
    return this.start + FRAME_HEADER_BYTES;
  }
}

/** Who has pieces in a cycle. */
export interface PieceOwner {
  /** Pieces in the cycle that is being filled, in order; {@link NO_PIECES} while there are none. */
  pieces: readonly Piece[];
  /**
   * Where in a block of its file its next frame will stand, if its pieces are to go there as they are; −1: they
   * are not. The buffer's blocks are the file's then, and the disk takes them without a copy.
   */
  readonly lead: number;
}

/** What owners without pieces share. */
export const NO_PIECES: readonly Piece[] = Object.freeze([]);

/** Pieces and lists that are kept for the next cycles; more are left to the garbage collector. */
const SPARES_MAX = 16 * 1024;

/** The bytes of one cycle. */
export class Staging {
  readonly chunks: Chunk[] = [];
  readonly #pool: ChunkPool;
  readonly #limits: StorageLimits;
  #chunk: Chunk | null = null;
  /** The newest piece: the only one that can grow. */
  #open: Piece | null = null;
  #openOwner: PieceOwner | null = null;
  /** Where in its block the next piece begins; −1: anywhere. */
  #lead = -1;
  readonly #spareLists: Piece[][] = [];
  readonly #noChunk = new Chunk(new Uint8Array(0));
  readonly #sparePieces: Piece[] = [];

  constructor(pool: ChunkPool, limits: StorageLimits) {
    this.#pool = pool;
    this.#limits = limits;
  }

  /** Copies a batch to the end of the owner's pieces. */
  add(owner: PieceOwner, batch: RecordBatch): void {
    const { bytes, count, entryCount } = batch;
    if (bytes.length > this.#limits.frameBytesTarget && count > 1) {
      return this.#addLarge(owner, batch);
    }
    const piece = this.#openOwner === owner && this.#fits(this.#open!, bytes.length)
      ? this.#open!
      : this.#begin(owner, bytes.length);
    piece.chunk.bytes.set(bytes, piece.end);
    piece.end += bytes.length;
    piece.count += count;
    piece.entryCount += entryCount;
  }

  /** Copies a part of a large batch to a piece of its own. */
  addPart(owner: PieceOwner, part: RecordBatch & { goesOn: boolean }): void {
    const piece = this.#begin(owner, part.bytes.length);
    piece.chunk.bytes.set(part.bytes, piece.end);
    piece.end += part.bytes.length;
    piece.count = part.count;
    piece.entryCount = part.entryCount;
    piece.goesOn = part.goesOn;
  }

  /** Merges small pieces that stand apart, so that a log has as few frames in a cycle as it can. */
  gather(owner: PieceOwner): void {
    const { pieces } = owner;
    if (pieces.length < 2) return;
    const merged: Piece[] = [];
    for (const piece of pieces) {
      const last = merged.at(-1);
      const joins = last !== undefined && !last.goesOn && !piece.goesOn &&
        last.bodyBytes + piece.bodyBytes <= this.#limits.frameBytesTarget;
      if (joins) merged[merged.length - 1] = this.#join(last, piece);
      else merged.push(piece);
    }
    owner.pieces = merged;
  }

  /** The newest piece does not grow any more: its owner gave it up. */
  closeOpen(): void {
    this.#close();
    this.#open = this.#openOwner = null;
    // What is next may be another log's: keep room for the end's zeroes.
    if (this.#chunk !== null) this.#chunk.used += TERMINATOR_BYTES;
  }

  /** The next piece begins in a block of its own, `lead` bytes behind its beginning. */
  startBlock(lead: number): void {
    if (this.#open !== null) this.closeOpen();
    this.#lead = lead;
    const chunk = this.#chunk;
    if (chunk === null) return;
    const used = alignBlock(chunk.used) + lead;
    if (used <= chunk.bytes.length) chunk.used = used;
    else this.#chunk = null;
  }

  /** The newest piece is whole, and the rest of its last block is its own. */
  endBlock(): void {
    const piece = this.#open;
    if (piece === null) return;
    piece.ownsBlock = true;
    this.closeOpen();
    piece.chunk.used = Math.min(piece.chunk.bytes.length, alignBlock(piece.chunk.used));
  }

  /** Takes back pieces that nobody needs any more. */
  recycle(pieces: readonly Piece[]): void {
    if (pieces === NO_PIECES || this.#spareLists.length >= SPARES_MAX) return;
    const list = pieces as Piece[];
    for (const piece of list) {
      piece.chunk = this.#noChunk; // a large batch's goes back to the system
      this.#sparePieces.push(piece);
    }
    list.length = 0;
    this.#spareLists.push(list);
  }

  /** Gives the buffers back. */
  clear(): void {
    for (const chunk of this.chunks.splice(0)) this.#pool.release(chunk);
    this.#chunk = this.#open = this.#openOwner = null;
    this.#lead = -1;
  }

  /** A reader of one record should not have to check all of a large batch: it becomes several pieces. */
  #addLarge(owner: PieceOwner, { bytes }: RecordBatch): void {
    const reader = new RecordReader(bytes);
    let start = 0, end = 0, count = 0, entryCount = 0;
    const flush = (goesOn: boolean) => {
      this.addPart(owner, { bytes: bytes.subarray(start, end), count, entryCount, goesOn });
      start = end;
      count = entryCount = 0;
    };
    while (reader.next()) {
      if (count > 0 && reader.end - start > this.#limits.frameBytesTarget) flush(true);
      end = reader.end;
      count++;
      if (!reader.isControl) entryCount++;
    }
    flush(false);
  }

  #fits(piece: Piece, bytes: number): boolean {
    return !piece.goesOn && piece.bodyBytes + bytes <= this.#limits.frameBytesTarget &&
      roomFor(piece.end + bytes) <= piece.chunk.bytes.length;
  }

  #begin(owner: PieceOwner, bodyBytes: number): Piece {
    const isSameOwner = this.#openOwner === owner;
    this.#close();
    if (this.#lead < 0 && owner.lead >= 0 && owner.pieces === NO_PIECES) this.#skipTo(owner.lead);
    const lead = this.#lead;
    this.#lead = -1;
    const need = roomFor(FRAME_HEADER_BYTES + bodyBytes);
    const chunk = this.#chunkWith(isSameOwner ? need : need + TERMINATOR_BYTES, {
      // One log's frames go on in the next buffer as in this one.
      lead: lead < 0 && isSameOwner ? this.#chunk!.used % DIRECT_BLOCK_BYTES : Math.max(0, lead),
    });
    // Frames of one log stand without a gap, as they will on disk; others leave room for the end's zeroes.
    if (!isSameOwner && chunk.used > 0 && lead < 0) chunk.used += TERMINATOR_BYTES;
    const piece = this.#sparePieces.pop() ?? new Piece(chunk);
    piece.reset(chunk, chunk.used);
    // All lists but the shared one are this object's, until they are recycled.
    const pieces = owner.pieces as Piece[];
    if (pieces !== NO_PIECES) pieces.push(piece);
    else owner.pieces = this.#listOf(piece);
    this.#open = piece;
    this.#openOwner = owner;
    return piece;
  }

  #listOf(piece: Piece): Piece[] {
    const pieces = this.#spareLists.pop() ?? [];
    pieces.push(piece);
    return pieces;
  }

  #close(): void {
    const piece = this.#open;
    if (piece !== null) piece.chunk.used = piece.start + frameBytes(piece.bodyBytes);
  }

  /** The next piece begins so far behind a block's beginning, and leaves room for the end's zeroes before it. */
  #skipTo(lead: number): void {
    this.#lead = lead;
    const chunk = this.#chunk;
    if (chunk === null || chunk.used === 0 && lead === 0) return;
    const from = chunk.used + TERMINATOR_BYTES - lead;
    const used = alignBlock(from) + lead;
    if (used <= chunk.bytes.length) chunk.used = used;
    else this.#chunk = null;
  }

  #chunkWith(bytes: number, { lead }: { lead: number }): Chunk {
    const chunk = this.#chunk;
    if (chunk !== null && chunk.used + bytes <= chunk.bytes.length) return chunk;
    const next = this.#pool.take(lead + bytes);
    next.holds++;
    next.used = lead;
    this.chunks.push(next);
    return this.#chunk = next;
  }

  #join(first: Piece, second: Piece): Piece {
    const isOpen = this.#open === first && this.#fits(first, second.bodyBytes);
    const target = isOpen ? first : this.#copyOf(first, second.bodyBytes);
    const from = second.start + FRAME_HEADER_BYTES;
    target.chunk.bytes.set(second.chunk.bytes.subarray(from, second.end), target.end);
    target.end += second.bodyBytes;
    target.count += second.count;
    target.entryCount += second.entryCount;
    return target;
  }

  #copyOf(piece: Piece, moreBytes: number): Piece {
    const owner: PieceOwner = { pieces: NO_PIECES, lead: piece.start % DIRECT_BLOCK_BYTES };
    const copy = this.#begin(owner, piece.bodyBytes + moreBytes);
    const from = piece.start + FRAME_HEADER_BYTES;
    copy.chunk.bytes.set(piece.chunk.bytes.subarray(from, piece.end), copy.end);
    copy.end += piece.bodyBytes;
    copy.count = piece.count;
    copy.entryCount = piece.entryCount;
    return copy;
  }
}

/** Bytes up to the end of a frame's padding and the zeroes behind it, for a body that ends at `end`. */
function roomFor(end: number): number {
  return Math.ceil(end / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES + TERMINATOR_BYTES;
}

function alignBlock(bytes: number): number {
  return Math.ceil(bytes / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;
}
