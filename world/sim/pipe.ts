/**
 * One direction of a simulated byte stream.
 *
 * @module
 */

import type { Clock, Timer } from "../clock.ts";
import { NetworkError } from "../network.ts";
import type { Random } from "../random.ts";

/** What a pipe knows of the wire that it runs over. */
export interface PipeOptions {
  clock: Clock;
  random: Random;
  windowBytes: number;
  splitProbability: number;
  giveUpMs: number;
  latencyMs: () => number;
  /** Whether something may start towards the reader now. */
  passes: () => boolean;
  /** Whether something may start towards the writer now (acknowledgements, resets). */
  passesBack: () => boolean;
}

interface PendingWrite {
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * Bytes from a writer to a reader. They stand in one of three places: queued at the writer's side (the
 * link is cut), under way, or arrived and unread. The window bounds their sum.
 */
export class Pipe {
  /** Told once, when this direction is reset. */
  onReset: (reason: string) => void = () => {};
  readonly #options: PipeOptions;
  #queued: (Uint8Array | null)[] = []; // null is the end of the stream
  #arrived: Uint8Array[] = [];
  #arrivedStart = 0;
  #heldBytes = 0;
  /** When the newest chunk under way arrives: a later one never overtakes it. */
  #lastArrivalMs = 0;
  #ended = false;
  #endArrived = false;
  #resetReason: string | null = null;
  #readerGone = false;
  #writerGone = false;
  #reader:
    | { into: Uint8Array; resolve: (got: number | null) => void; reject: PendingReject }
    | null = null;
  #writers: PendingWrite[] = [];
  #giveUp: Timer | null = null;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#resetReason !== null) return Promise.reject(broken(this.#resetReason));
    if (this.#writerGone) return new Promise(() => {}); // its program does not run any more
    const { random, splitProbability } = this.#options;
    const isSplit = bytes.length > 1 && random.nextU32() < splitProbability * 2 ** 32;
    const middle = isSplit ? 1 + random.below(bytes.length - 1) : bytes.length;
    this.#queued.push(bytes.slice(0, middle));
    if (isSplit) this.#queued.push(bytes.slice(middle));
    this.#heldBytes += bytes.length;
    this.wake();
    if (this.#heldBytes <= this.#options.windowBytes) return Promise.resolve();
    return new Promise((resolve, reject) => this.#writers.push({ resolve, reject }));
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#readerGone) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      this.#reader = { into, resolve, reject };
      this.#serveReader();
    });
  }

  /** The writer closes: the reader gets what was written and then the end. */
  end(): void {
    if (this.#ended || this.#resetReason !== null) return;
    this.#ended = true;
    const error = broken("it was closed");
    for (const writer of this.#writers.splice(0)) writer.reject(error);
    this.#queued.push(null);
    this.wake();
  }

  /** The writer's program is gone; with `tellPeer` its machine resets the connection. */
  abandonWriter(options: { tellPeer: boolean }): void {
    this.#writerGone = true;
    this.#queued = [];
    this.#writers = [];
    if (options.tellPeer && this.#options.passes()) this.#resetAfterLatency();
  }

  /** The reader's side closed or is gone: what still comes is answered with a reset. */
  abandonReader(): void {
    this.#readerGone = true;
    this.#reader?.resolve(null);
    this.#reader = null;
    this.#arrived = [];
  }

  /** Both sides see a broken connection from now on. */
  reset(reason: string): void {
    if (this.#resetReason !== null) return;
    this.#resetReason = reason;
    this.#queued = [];
    this.#arrived = [];
    this.#giveUp?.cancel();
    const error = broken(reason);
    for (const writer of this.#writers.splice(0)) writer.reject(error);
    this.#reader?.reject(error);
    this.#reader = null;
    this.onReset(reason);
  }

  /** The link may have changed: sends what it now lets through. */
  wake(): void {
    const { clock, giveUpMs, passes, latencyMs } = this.#options;
    if (this.#writers.length > 0) this.#releaseWriters();
    if (this.#queued.length === 0 || this.#resetReason !== null) return;
    if (!passes()) {
      this.#giveUp ??= clock.after(giveUpMs, () => this.reset("no acknowledgement for too long"));
      return;
    }
    this.#giveUp?.cancel();
    this.#giveUp = null;
    for (const chunk of this.#queued.splice(0)) {
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, clock.nowMs() + latencyMs());
      clock.after(this.#lastArrivalMs - clock.nowMs(), () => this.#onArrival(chunk));
    }
  }

  #onArrival(chunk: Uint8Array | null): void {
    if (this.#resetReason !== null || this.#writerGone && this.#readerGone) return;
    if (this.#readerGone) {
      if (chunk !== null && this.#options.passesBack()) this.#resetAfterLatency();
      return;
    }
    if (chunk === null) this.#endArrived = true;
    else this.#arrived.push(chunk);
    this.#serveReader();
  }

  #resetAfterLatency(): void {
    this.#options.clock.after(
      this.#options.latencyMs(),
      () => this.reset("reset by the other side"),
    );
  }

  #serveReader(): void {
    const reader = this.#reader;
    if (reader === null) return;
    const chunk = this.#arrived[0];
    if (chunk === undefined) {
      if (this.#resetReason !== null) {
        this.#finishRead(() => reader.reject(broken(this.#resetReason!)));
      } else if (this.#endArrived) this.#finishRead(() => reader.resolve(null));
      return;
    }
    const count = Math.min(chunk.length - this.#arrivedStart, reader.into.length);
    reader.into.set(chunk.subarray(this.#arrivedStart, this.#arrivedStart + count));
    this.#arrivedStart += count;
    if (this.#arrivedStart === chunk.length) {
      this.#arrived.shift();
      this.#arrivedStart = 0;
    }
    this.#heldBytes -= count;
    this.#finishRead(() => reader.resolve(count));
    this.#releaseWriters();
  }

  #finishRead(answer: () => void): void {
    this.#reader = null;
    answer();
  }

  #releaseWriters(): void {
    // The window opens by acknowledgements, which need the way back.
    if (this.#heldBytes > this.#options.windowBytes || !this.#options.passesBack()) return;
    for (const writer of this.#writers.splice(0)) writer.resolve();
  }
}

type PendingReject = (error: Error) => void;

function broken(reason: string): NetworkError {
  return new NetworkError("Other", `The connection broke: ${reason}.`);
}
