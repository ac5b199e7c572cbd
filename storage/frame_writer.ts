/**
 * Gives a log's frames their places in its own extents, and seals them. Does no I/O.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import type { CatalogRecord } from "./catalog_record.ts";
import { type ExtentSource, NeedsSpace } from "./extent_source.ts";
import { type Extent, FrameIndex } from "./extent.ts";
import {
  FRAME_HEADER_BYTES,
  frameBytes,
  type FrameKey,
  newFrameHeader,
  sealFrame,
  TERMINATOR_BYTES,
} from "./frame.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";
import type { Chunk, Piece } from "./staging.ts";
import type { WriteList } from "./write_list.ts";

/** Records of a log that may be written without a sync; the field has 32 bits. */
const LAG_MAX = 0xffffffff;

/** A body that stands in a buffer with room for its header before it. */
export interface FrameBody {
  chunk: Chunk;
  /** Where the header's room begins. */
  start: number;
  bodyBytes: number;
  count: number;
  entryCount: number;
  goesOn: boolean;
}

/** Seals frames for one store and keeps their logs' books. */
export class FrameSealer {
  readonly #header = newFrameHeader();
  readonly #key: FrameKey;
  readonly #indexStrideBytes: number;

  constructor({ key, limits }: { key: FrameKey; limits: StorageLimits }) {
    this.#key = key;
    this.#indexStrideBytes = limits.indexStrideBytes;
  }

  /** Makes the body the log's next frame, at the end of what is laid in the extent. Returns its place. */
  seal(log: LogState, extent: Extent, body: FrameBody): number {
    const header = this.#header;
    const { laid } = log;
    header.bodyBytes = body.bodyBytes;
    header.goesOn = body.goesOn;
    header.logId = log.id;
    header.run = extent.run;
    header.generation = extent.generation;
    header.count = body.count;
    header.entryCount = body.entryCount;
    header.lag = laid.position - log.homeSynced;
    assert(header.lag >= 0 && header.lag <= LAG_MAX, "a log is synced before its lag overflows");
    header.firstPosition = laid.position;
    header.firstOffset = laid.offset;
    sealFrame(body.chunk, body.start, { header, key: this.#key });
    const bytes = frameBytes(body.bodyBytes);
    const bodyEnd = body.start + FRAME_HEADER_BYTES + body.bodyBytes;
    body.chunk.bytes.fill(0, bodyEnd, body.start + bytes);
    const place = extent.laidBytes;
    extent.index ??= FrameIndex.NO_POINTS;
    if (place - extent.index.lastPlace >= this.#indexStrideBytes) {
      if (extent.index === FrameIndex.NO_POINTS) extent.index = new FrameIndex();
      extent.index.add(laid, place);
    }
    if (body.count > body.entryCount) extent.laidControl = laid.position;
    extent.laidBytes += bytes;
    laid.position += body.count;
    laid.offset += body.entryCount;
    laid.payload += body.bodyBytes - body.count * RECORD_HEADER_BYTES;
    return place;
  }
}

/** Lays out logs at home. */
export class FrameWriter {
  readonly #source: ExtentSource;
  readonly #sealer: FrameSealer;
  readonly #list: WriteList;

  constructor(
    options: {
      source: ExtentSource;
      sealer: FrameSealer;
      list: WriteList;
    },
  ) {
    this.#source = options.source;
    this.#sealer = options.sealer;
    this.#list = options.list;
  }

  /**
   * Lays out a log's pieces, all or none. Records of new extents are added to `records`.
   *
   * @throws {NeedsSpace} when the files have no room: nothing of the log was laid out then.
   */
  layOut(log: LogState, pieces: readonly Piece[], records: CatalogRecord[]): void {
    const { tail } = log;
    const sizeBytes = tail?.sizeBytes ?? 0;
    const needs: CatalogRecord[] = [];
    const placed: { extent: Extent; piece: Piece; place: number }[] = [];
    let rest = 0;
    for (const piece of pieces) rest += frameBytes(piece.bodyBytes);
    try {
      for (const piece of pieces) {
        const bytes = frameBytes(piece.bodyBytes);
        const extent = this.#extentFor(log, { bytes, rest, records: needs });
        placed.push({ extent, piece, place: this.#sealer.seal(log, extent, piece) });
        rest -= bytes;
      }
    } catch (error) {
      if (error instanceof NeedsSpace) this.#source.undo(log, { tail, sizeBytes });
      throw error;
    }
    for (const record of needs) records.push(record);
    for (const { extent, piece, place } of placed) {
      this.#list.add(extent.file, {
        fileOffset: extent.start + place,
        buffer: piece.chunk.bytes,
        bufferOffset: piece.start,
        length: frameBytes(piece.bodyBytes),
        // What comes home in small frames goes on in the middle of a block the next time.
        throughCache: piece.ownsBlock,
      });
    }
    this.#terminate(log.tail!, pieces.at(-1)!);
  }

  #extentFor(
    log: LogState,
    { bytes, rest, records }: { bytes: number; rest: number; records: CatalogRecord[] },
  ): Extent {
    const { tail } = log;
    const fits = tail !== undefined && tail.run === this.#source.run.run &&
      tail.laidBytes + bytes <= tail.sizeBytes;
    if (fits) return tail;
    const { extent, record } = this.#source.add(log, {
      least: bytes,
      rest,
      tailBytes: tail?.laidBytes ?? 0,
      first: log.laid,
    });
    records.push(record);
    return extent;
  }

  /** Zeroes behind the last frame say that it is the last, where older bytes may follow. */
  #terminate(extent: Extent, piece: Piece): void {
    const end = piece.start + frameBytes(piece.bodyBytes);
    // To the block's end where the buffer has it, so that what follows in both may be one write with it.
    const room = piece.ownsBlock ? alignExtent(end + TERMINATOR_BYTES) - end : TERMINATOR_BYTES;
    const length = Math.min(room, extent.sizeBytes - extent.laidBytes);
    piece.chunk.bytes.fill(0, end, end + length);
    const write = this.#list.writes.at(-1)!;
    assert(write.bufferOffset + write.length === end, "the last write is the last frame's");
    write.length += length;
  }
}
