/**
 * One topic: its log, where its reader stands, and who waits for its next entry.
 *
 * @module
 */

import type { RecordBatch } from "../record_batch.ts";
import type { Log } from "../types.ts";
import type { CursorLog } from "./cursor_log.ts";
import type { LibraryLimits, ReadConsistency } from "./options.ts";
import type { ReadAhead } from "./read_ahead.ts";

/** What all topics of a Walrus share. */
export interface TopicHost {
  readonly cursors: CursorLog;
  readonly ahead: ReadAhead;
  readonly limits: LibraryLimits;
  readonly consistency: ReadConsistency;
}

/** A topic's state. */
export class Topic {
  readonly name: string;
  readonly log: Log;
  readonly #host: TopicHost;
  /** Offset of the next entry to hand out. */
  #next: number;
  /** Up to where the durable read position stands, or will when its move is through. */
  #moved: number;
  /** Moves that are through. */
  #persisted: number;
  /** One past the last entry that was answered as appended: what lies behind may not be readable yet. */
  #readable: number;
  #readBytes = 0;
  #reclaiming: Promise<void> | null = null;
  /** Reads come one after another; what they wait for in the end they wait for together. */
  #turn: Promise<void> = Promise.resolve();
  #waiters: (() => void)[] = [];

  constructor(name: string, log: Log, host: TopicHost) {
    this.name = name;
    this.log = log;
    this.#host = host;
    // A position beyond the end: entries that were read and never durable are gone; the next ones count.
    this.#next = Math.max(log.startOffset, Math.min(host.cursors.get(name), log.endOffset));
    this.#moved = this.#persisted = this.#next;
    this.#readable = log.endOffset;
  }

  /** Offset of the entry that comes next. */
  get next(): number {
    return this.#next;
  }

  async append(batch: RecordBatch): Promise<number> {
    const { endOffset } = this.log;
    const { entryCount } = batch;
    await this.log.append(batch);
    this.#readable = Math.max(this.#readable, endOffset + entryCount);
    this.#wake();
    return endOffset;
  }

  /** Entries from the read position on: one, or as many as `maxBytes` allows and at least one. */
  async read(
    { maxBytes, checkpoint }: { maxBytes: number | null; checkpoint: boolean },
  ): Promise<Uint8Array[]> {
    const taken = await this.#inTurn(() => this.#take({ maxBytes, checkpoint }));
    // Those whose turn comes next need not wait until this move is on disk.
    if (taken.moved !== null) {
      await taken.moved;
      this.#maybeReclaim();
    }
    return taken.entries;
  }

  /** Resolves at the next append, or at once when the entry with that offset is there. */
  async waitFor(offset: number, signal?: AbortSignal): Promise<void> {
    if (offset < this.#readable) return;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        this.#waiters = this.#waiters.filter((waiter) => waiter !== wake);
        reject(signal!.reason);
      };
      this.#waiters.push(wake);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Makes the read position durable, and gives back what is before it. */
  async settle(): Promise<void> {
    await this.#turn;
    if (this.#moved < this.#next) await this.#move();
    await this.#reclaiming;
    await this.#reclaim();
  }

  /** Everybody who waits looks again. */
  wake(): void {
    this.#wake();
  }

  async #take(
    { maxBytes, checkpoint }: { maxBytes: number | null; checkpoint: boolean },
  ): Promise<{ entries: Uint8Array[]; moved: Promise<void> | null }> {
    const entries: Uint8Array[] = [];
    let bytes = 0;
    this.#maybeGoBack();
    let offset = this.#next;
    for (;;) {
      const entry = this.#host.ahead.tryTake(this.log, offset);
      if (entry === null) {
        const isThere = await this.#host.ahead.load(this.log, offset);
        if (this.#maybeGoBack()) {
          entries.length = bytes = 0;
          offset = this.#next;
        } else if (!isThere) break;
        continue;
      }
      const isOver = maxBytes !== null && bytes + entry.length > maxBytes;
      if (isOver && entries.length > 0) {
        this.#host.ahead.forget(this.log);
        break;
      }
      entries.push(entry);
      bytes += entry.length;
      offset++;
      if (maxBytes === null || bytes >= maxBytes) break;
    }
    if (!checkpoint) {
      this.#host.ahead.forget(this.log);
      return { entries, moved: null };
    }
    this.#next = offset;
    this.#readBytes += bytes;
    return { entries, moved: entries.length > 0 && this.#isDue() ? this.#move() : null };
  }

  #isDue(): boolean {
    const { consistency } = this.#host;
    return consistency === "strictlyAtOnce" ||
      this.#next - this.#moved >= consistency.atLeastOnce.persistEvery;
  }

  async #move(): Promise<void> {
    const offset = this.#moved = this.#next;
    try {
      await this.#host.cursors.move(this.name, offset);
      this.#persisted = Math.max(this.#persisted, offset);
    } catch (error) {
      this.#maybeGoBack();
      throw error;
    }
  }

  /**
   * ⛔ To before the first entry whose move was refused: it was not handed out, so it comes again. Those who read on
   * meanwhile, from behind it, were refused with it, or have not moved yet: they must not do it from there. True:
   * the position is another one.
   */
  #maybeGoBack(): boolean {
    const offset = Math.max(this.log.startOffset, this.#host.cursors.get(this.name));
    if (offset >= this.#moved) return false;
    this.#next = this.#moved = offset;
    return true;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    let done!: () => void;
    this.#turn = new Promise((resolve) => done = resolve);
    await before;
    try {
      return await work();
    } finally {
      done();
    }
  }

  #maybeReclaim(): void {
    if (this.#readBytes < this.#host.limits.reclaimEveryBytes || this.#reclaiming !== null) return;
    this.#reclaiming = this.#reclaim().catch(() => {
      // Space stays taken until the next time; a store that failed says so at the next append.
    }).finally(() => this.#reclaiming = null);
  }

  /** Only what a durable read position has passed. */
  async #reclaim(): Promise<void> {
    this.#readBytes = 0;
    const { log } = this;
    const offset = Math.min(this.#persisted, log.durableOffset);
    if (offset <= log.startOffset) return;
    const position = offset === log.endOffset
      ? log.endPosition
      : await log.positionOfOffset(offset);
    await log.trimHead(Math.min(position, log.durablePosition));
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
