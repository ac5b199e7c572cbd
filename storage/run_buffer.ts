/**
 * The journal's newest bytes as they stand on disk, block for block: so that its writes are whole blocks
 * (which may pass by the page cache) although its frames are not. The last block, partly filled, is
 * written again by the next cycle with more in it.
 *
 * @module
 */

import { assert, DIRECT_BLOCK_BYTES } from "../world/mod.ts";
import { TERMINATOR_BYTES } from "./frame.ts";
import type { Chunk, ChunkPool } from "./staging.ts";

/** A range of a buffer that belongs at a place of the run, both in whole blocks. */
export interface BlockWrite {
  chunk: Chunk;
  start: number;
  length: number;
  /** In the extent. */
  place: number;
}

/** Bytes that are appended to a run of blocks on disk. */
export class RunBuffer {
  readonly #pool: ChunkPool;
  #chunk: Chunk | null = null;
  /** Where the run ends, in the buffer and in the extent: the same within a block. */
  #end = 0;
  #place = 0;
  /** What is not on disk yet begins here, at a block's beginning. */
  #dirtyFrom = 0;
  /** Left behind in this cycle: the disk may be reading from them. */
  readonly #retired: Chunk[] = [];

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** A new cycle begins: nothing is in flight. */
  settle(): void {
    for (const chunk of this.#retired.splice(0)) this.#pool.release(chunk);
  }

  /** Goes on at the beginning of an extent. What was not written yet must have been taken. */
  startExtent(): void {
    this.#release();
    this.#place = 0;
  }

  /** Room for `bytes` behind the end: in which buffer, and where. The run ends behind it then. */
  extend(bytes: number, writes: BlockWrite[]): { chunk: Chunk; start: number } {
    const need = bytes + DIRECT_BLOCK_BYTES + TERMINATOR_BYTES;
    if (this.#chunk === null || this.#end + need > this.#chunk.bytes.length) {
      this.#nextChunk(need, writes);
    }
    const chunk = this.#chunk!;
    const start = this.#end;
    this.#end += bytes;
    this.#place += bytes;
    chunk.used = this.#end;
    return { chunk, start };
  }

  /** What has to be written, zeroes behind the end included, and counts as written from here on. */
  take(writes: BlockWrite[], extentBytes: number): void {
    const chunk = this.#chunk;
    if (chunk === null || this.#end === this.#dirtyFrom) return;
    let end = alignBlock(this.#end);
    const over = end - this.#end;
    // The zeroes that say "no more" may need one more block.
    if (over < TERMINATOR_BYTES && this.#place + over < extentBytes) end += DIRECT_BLOCK_BYTES;
    chunk.bytes.fill(0, this.#end, end);
    this.#push(writes, end);
    this.#dirtyFrom = this.#end - this.#end % DIRECT_BLOCK_BYTES;
  }

  /** After a cycle that failed: nothing of this run is to be trusted. */
  reset(): void {
    this.#release();
    this.#place = 0;
  }

  #nextChunk(need: number, writes: BlockWrite[]): void {
    const before = this.#chunk;
    const lead = this.#end % DIRECT_BLOCK_BYTES;
    const chunk = this.#pool.take(lead + need);
    chunk.holds++;
    if (before !== null) {
      const blockAt = this.#end - lead;
      chunk.bytes.set(before.bytes.subarray(blockAt, this.#end), 0);
      if (blockAt > this.#dirtyFrom) this.#push(writes, blockAt);
      this.#retired.push(before);
    }
    this.#chunk = chunk;
    this.#end = lead;
    this.#dirtyFrom = 0;
  }

  #push(writes: BlockWrite[], end: number): void {
    const start = this.#dirtyFrom;
    const place = this.#place - (this.#end - start);
    assert(place % DIRECT_BLOCK_BYTES === 0, "a run is written in whole blocks");
    writes.push({ chunk: this.#chunk!, start, length: end - start, place });
  }

  #release(): void {
    if (this.#chunk !== null) this.#retired.push(this.#chunk);
    this.#chunk = null;
    this.#end = this.#dirtyFrom = 0;
  }
}

function alignBlock(bytes: number): number {
  return Math.ceil(bytes / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;
}
