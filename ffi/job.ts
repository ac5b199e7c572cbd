/**
 * One commit or one batch of reads, packed for the shim (the layout is in shim.c's head).
 *
 * @module
 */

import { assert } from "../world/mod.ts";

const HEADER_DOUBLES = 4;
const TRANSFER_DOUBLES = 5;
const LENGTH_FIELD = 3;

/** What failed first in a job. */
export interface JobFailure {
  op: "write" | "sync" | "read";
  errno: number;
  /** Of the transfer, or of the sync, in the order in which they were added. */
  index: number;
}

/** Filled, given to a ring, read out, and filled again: nothing is allocated once it has its size. */
export class Job {
  #doubles: Float64Array<ArrayBuffer>;
  #end = HEADER_DOUBLES;
  #transfers = 0;
  #syncs = 0;
  readonly #addressOf: (buffer: ArrayBufferLike) => number;
  /** A cycle's writes mostly come from one staging buffer. */
  #lastBuffer: ArrayBufferLike | null = null;
  #lastAddress = 0;

  constructor(addressOf: (buffer: ArrayBufferLike) => number, capacity = 64) {
    this.#addressOf = addressOf;
    this.#doubles = new Float64Array(HEADER_DOUBLES + capacity * TRANSFER_DOUBLES);
  }

  get doubles(): Float64Array<ArrayBuffer> {
    return this.#doubles;
  }
  get transfers(): number {
    return this.#transfers;
  }
  get syncs(): number {
    return this.#syncs;
  }

  clear(): void {
    this.#end = HEADER_DOUBLES;
    this.#transfers = this.#syncs = 0;
    this.#lastBuffer = null;
  }

  /**
   * The caller keeps `buffer` referenced until the job is done. `directFd`: the same file's descriptor for
   * writes around the page cache, which the shim uses where it pays.
   */
  addTransfer(
    { fd, directFd }: { fd: number; directFd?: number | null },
    { fileOffset, buffer, bufferOffset, length }: {
      fileOffset: number;
      buffer: Uint8Array;
      bufferOffset: number;
      length: number;
    },
  ): void {
    assert(this.#syncs === 0, "transfers are added before syncs");
    assert(
      fileOffset >= 0 && bufferOffset >= 0 && length >= 0 && bufferOffset + length <= buffer.length,
      "a transfer lies inside of its buffer",
    );
    const at = this.#reserve(TRANSFER_DOUBLES);
    const doubles = this.#doubles;
    doubles[at] = fd;
    doubles[at + 1] = fileOffset;
    doubles[at + 2] = this.#address(buffer) + bufferOffset;
    doubles[at + LENGTH_FIELD] = length;
    doubles[at + 4] = directFd ?? -1;
    this.#transfers++;
  }

  addSync(fd: number): void {
    this.#doubles[this.#reserve(1)] = fd;
    this.#syncs++;
  }

  /** After the run: what was not transferred of the transfer with that index. */
  remaining(index: number): number {
    return this.#doubles[HEADER_DOUBLES + index * TRANSFER_DOUBLES + LENGTH_FIELD]!;
  }

  /** After the run: what failed first, or `null`. */
  failure(): JobFailure | null {
    const [what, errno, index] = this.#doubles;
    if (what === 0) return null;
    return {
      op: what === 1 ? "write" : what === 2 ? "sync" : "read",
      errno: errno!,
      index: index!,
    };
  }

  /** Where the first byte of `bytes` stands in memory. */
  #address(bytes: Uint8Array): number {
    if (bytes.buffer !== this.#lastBuffer) {
      this.#lastAddress = this.#addressOf(bytes.buffer);
      this.#lastBuffer = bytes.buffer;
    }
    return this.#lastAddress + bytes.byteOffset;
  }

  #reserve(count: number): number {
    const at = this.#end;
    this.#end += count;
    if (this.#end > this.#doubles.length) {
      const grown = new Float64Array(this.#end * 2);
      grown.set(this.#doubles);
      this.#doubles = grown;
    }
    return at;
  }
}
