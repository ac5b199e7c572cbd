/**
 * The writes of one cycle, in objects that are used again.
 *
 * @module
 */

import type { DiskWrite } from "../world/mod.ts";
import type { DataFile } from "./data_file.ts";

const NO_BYTES = new Uint8Array(0);

/** What goes to disk in this cycle. */
export class WriteList {
  readonly writes: DiskWrite[] = [];
  /**
   * The files that are written, each once: few. (A set that is cleared for each cycle points from its old table
   * to its new one: once one of them is old, the collector takes all that follow for reachable.)
   */
  readonly touched: DataFile[] = [];
  readonly #spare: DiskWrite[] = [];
  #cycle = 0;

  /** Starts a cycle. */
  clear(): void {
    for (const write of this.writes) {
      write.buffer = NO_BYTES; // its chunk may be one that goes back to the system
      this.#spare.push(write);
    }
    this.writes.length = 0;
    this.touched.length = 0;
    this.#cycle++;
  }

  /** Adds a write, or makes the last one longer where this one follows it in memory and on disk. */
  add(file: DataFile, place: Omit<DiskWrite, "file">): DiskWrite {
    const disk = file.disk!;
    if (file.listedIn !== this.#cycle) {
      file.listedIn = this.#cycle;
      this.touched.push(file);
    }
    const { throughCache = false } = place;
    const last = this.writes.at(-1);
    if (
      last !== undefined && last.file === disk && last.buffer === place.buffer &&
      last.bufferOffset + last.length === place.bufferOffset &&
      last.fileOffset + last.length === place.fileOffset &&
      last.throughCache === throughCache
    ) {
      last.length += place.length;
      return last;
    }
    const spare = this.#spare.pop();
    const write = spare === undefined
      ? { file: disk, throughCache, ...place }
      : Object.assign(spare, place, { file: disk, throughCache });
    this.writes.push(write);
    return write;
  }

  /** Bytes of all writes. */
  get lengthBytes(): number {
    let bytes = 0;
    for (const write of this.writes) bytes += write.length;
    return bytes;
  }
}
