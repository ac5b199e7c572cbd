/**
 * What the read buffers of all connections together may keep for the next long frame. Idle connections are to
 * be cheap, however busy they once were.
 *
 * @module
 */

/** Longest buffer that one connection keeps. */
const RETAINED_BYTES_MAX = 512 * 1024;

/** One per listener. */
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
