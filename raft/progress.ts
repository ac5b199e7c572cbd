/**
 * What the leader knows about one follower, and how fast it may send to it.
 *
 * - *probe*: where the logs agree is not known; one message, then wait for its answer.
 * - *replicate*: messages are pipelined within a window, `next` runs ahead of the answers (thesis §10.2.1).
 * - *snapshot*: the entries that it needs are compacted; it gets the snapshot in pieces.
 *
 * @module
 */

import type { CoreLimits } from "./limits.ts";
import type { Snapshot } from "./messages.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  state: ProgressState = "probe";
  /** Last entry known to be durable there and equal to ours. */
  match: number;
  /** Next entry to send. */
  next: number;
  /** In *probe*: a message is out; its answer, or that of a heartbeat, allows the next. */
  probeSent = false;
  /** Heard from it since the last check of the quorum. */
  recentlyActive = true;
  /** Last heartbeat round that it answered. */
  ackedRound = 0;
  /** The committed index that it was last told. */
  sentCommitted = 0;
  /** In *snapshot*: what is sent, and from where. */
  snapshot: Snapshot | null = null;
  snapshotOffset = 0;
  /** Ticks since the last piece left. */
  chunkAgeTicks = 0;
  readonly inflight: InflightWindow;

  constructor(options: { next: number; match: number; limits: CoreLimits }) {
    this.next = options.next;
    this.match = options.match;
    this.inflight = new InflightWindow(options.limits);
  }

  get paused(): boolean {
    if (this.state === "probe") return this.probeSent;
    return this.state === "snapshot" || this.inflight.full;
  }

  becomeProbe(next: number): void {
    this.state = "probe";
    this.next = Math.max(next, this.match + 1);
    this.probeSent = false;
    this.snapshot = null;
    this.inflight.clear();
  }

  becomeReplicate(): void {
    this.state = "replicate";
    this.next = this.match + 1;
    this.snapshot = null;
    this.inflight.clear();
  }

  becomeSnapshot(snapshot: Snapshot): void {
    this.state = "snapshot";
    this.snapshot = snapshot;
    this.snapshotOffset = 0;
    this.chunkAgeTicks = 0;
    this.inflight.clear();
  }

  /** Entries up to `index` are there. True when that is news. */
  maybeMatch(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    return true;
  }
}

/** Append messages that are out, oldest first, bounded by count and bytes. */
export class InflightWindow {
  /** Last index and size of each message. */
  #messages: { lastIndex: number; bytes: number }[] = [];
  #bytes = 0;
  #limits: CoreLimits;

  constructor(limits: CoreLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#messages.length;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get full(): boolean {
    return this.#messages.length >= this.#limits.inflightMessages ||
      this.#bytes >= this.#limits.inflightBytes;
  }

  add(lastIndex: number, bytes: number): void {
    this.#messages.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Messages that end at or before `index` have arrived. */
  freeTo(index: number): void {
    let count = 0;
    while (count < this.#messages.length && this.#messages[count]!.lastIndex <= index) {
      this.#bytes -= this.#messages[count]!.bytes;
      count++;
    }
    if (count > 0) this.#messages.splice(0, count);
  }

  /** The oldest one may be lost: make room for one message, so that its answer tells. */
  freeOldest(): void {
    const oldest = this.#messages.shift();
    if (oldest) this.#bytes -= oldest.bytes;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}
