/**
 * What all connections of a node together may hold: read buffers that are kept for the next long frame, since idle
 * connections are to be cheap, however busy they once were; and large answers, which a client may never read.
 *
 * @module
 */

/** Longest buffer that one connection keeps. */
const RETAINED_BYTES_MAX = 512 * 1024;

/** What the sessions of one listener share. */
export interface SessionBudgets {
  reads: BufferBudget;
  answers: BufferBudget;
}

/** Bytes that are taken and given back. */
export class BufferBudget {
  #leftBytes: number;

  constructor(totalBytes: number) {
    this.#leftBytes = totalBytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

/** One connection's part of a budget. */
export class RetainedBuffer {
  readonly #budget: BufferBudget;
  #bytes = 0;

  constructor(budget: BufferBudget) {
    this.#budget = budget;
  }

  /** Whether a buffer of that length may be kept while it is empty. */
  mayRetain(bytes: number): boolean {
    if (bytes <= this.#bytes) return true;
    if (bytes <= RETAINED_BYTES_MAX && this.#budget.take(bytes - this.#bytes)) {
      this.#bytes = bytes;
      return true;
    }
    this.release();
    return false;
  }

  release(): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }
}
