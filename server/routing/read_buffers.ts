/**
 * Memory for reads whose bytes are sent on and then forgotten.
 *
 * @module
 */

/** Holds a read of the usual limit, with what a read loads besides. */
const BUFFER_BYTES = 1024 * 1024 + 384 * 1024;
/** Reads that ask for more than so much bring their own. */
const READ_BYTES_MAX = 1024 * 1024;
/** What is read is copied to where it is sent from if it is no longer than so: the memory is free again at once. */
const COPIED_BYTES_MAX = 32 * 1024;
/** Else reads of less than so much are not worth a large buffer for as long as they wait to be sent. */
const READ_BYTES_MIN = 128 * 1024;
/** Kept while nobody reads. */
const IDLE_BUFFERS_MAX = 16;
/** Reads at the same time: each loads whole frames, however little is asked for. The others wait. */
const READS_MAX = 32;

/** One per node. */
export class ReadBuffers {
  readonly #idle: Uint8Array[] = [];
  #reads = 0;
  readonly #queue: (() => void)[] = [];

  /** Before a read: nothing where it may begin now, else what resolves when it may. */
  begin(): Promise<void> | undefined {
    if (this.#reads < READS_MAX) {
      this.#reads++;
      return undefined;
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** After each read that has begun: its turn goes to the next one. */
  end(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#reads--;
    else next();
  }

  /** Memory for a read of so many bytes, or nothing where it should get its own. */
  take(maxBytes: number): Uint8Array | undefined {
    const isInBetween = maxBytes > COPIED_BYTES_MAX && maxBytes < READ_BYTES_MIN;
    if (isInBetween || maxBytes > READ_BYTES_MAX) return undefined;
    return this.#idle.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  /** Nobody looks at it any more. */
  give(buffer: Uint8Array): void {
    if (this.#idle.length < IDLE_BUFFERS_MAX) this.#idle.push(buffer);
  }
}
