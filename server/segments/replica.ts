/**
 * This node's replica of a segment that another node writes, or that nobody writes any more.
 *
 * It appends only at exactly its own end, and says what is durable. ⛔ Once fenced it acknowledges nothing
 * to the writer, not even entries that it holds (DESIGN.md §6 has the schedule that goes wrong).
 *
 * @module
 */

import {
  type Durability,
  type Log,
  type LogStore,
  type RecordBatch,
  RecordReader,
} from "../../storage/mod.ts";
import { assert } from "../../world/mod.ts";
import type { SegmentEmitter } from "./segment_events.ts";
import { openSegmentLog, segmentLogName } from "./segment_name.ts";

/** A run of records at its place in a segment's log. */
export interface PlacedBatch {
  /** Position of the first record. */
  position: number;
  batch: RecordBatch;
}

/** What a writer streams. */
export interface StreamedBatch extends PlacedBatch {
  /** Entries of the segment that were committed when it was sent. */
  committed: number;
}

/** How far a replica is. Positions count records of both kinds. */
export interface ReplicaExtent {
  /** One past the last record that is held. */
  end: number;
  /** One past the last record that is as durable as the node's mode promises. */
  durable: number;
}

/** One per segment that this node holds and does not write. */
export class Replica {
  readonly topic: string;
  readonly segment: number;
  readonly #store: LogStore;
  readonly #durability: Durability | null;
  readonly #emit: SegmentEmitter;
  #log: Log | undefined;
  /** What was durable when this object was made, or has been since. */
  #durable = 0;
  /** Entries that are committed, as the writer said last. */
  #committed = 0;
  /** What recovery found is synced before any of it is acknowledged. */
  #opening: Promise<void> | null = null;
  /** Changes of the log's end other than the writer's appends follow each other. */
  #repairs: Promise<unknown> = Promise.resolve();

  constructor(
    store: LogStore,
    parts: {
      topic: string;
      segment: number;
      durability: Durability | null;
      emit?: SegmentEmitter;
    },
  ) {
    this.#store = store;
    this.topic = parts.topic;
    this.segment = parts.segment;
    this.#durability = parts.durability;
    this.#emit = parts.emit;
    this.#log = store.get(segmentLogName(parts.topic, parts.segment));
  }

  /** The log, where there is one: a replica that never got an entry has none. */
  get log(): Log | undefined {
    return this.#log;
  }

  get extent(): ReplicaExtent {
    return { end: this.#log?.endPosition ?? 0, durable: this.#durable };
  }

  /** Entries that are here and committed, as far as the writer has said. */
  get committedEntries(): number {
    return Math.min(this.#committed, this.entries);
  }

  /** The writer says that so many entries are committed. What is committed stays so. */
  learnCommitted(entries: number): void {
    this.#committed = Math.max(this.#committed, entries);
  }

  /** Entries before the end. */
  get entries(): number {
    return this.#log?.endOffset ?? 0;
  }

  /**
   * Syncs what is there and resolves with how far that is. Appends that are on their way when it is called
   * are waited for.
   */
  async settle(): Promise<ReplicaExtent> {
    if (this.#log) {
      await this.#log.sync();
      this.#durable = Math.max(
        this.#durable,
        Math.min(this.#log.durablePosition, this.#log.endPosition),
      );
    }
    return this.extent;
  }

  /**
   * Appends what of `placed` is new, if it begins at or before the end, and resolves when it is durable. A
   * gap changes nothing: the answer says where the end is. `copiedFrom`: not from the writer, but from that
   * node's replica.
   */
  async append(
    placed: PlacedBatch,
    options: { copiedFrom?: number } = {},
  ): Promise<ReplicaExtent> {
    // Synchronously up to the append, so that batches which arrive in order are appended in order.
    if (this.#opening === null && this.#log && this.#durable < this.#log.endPosition) {
      this.#opening = this.settle().then(() => {});
      // Nobody may be waiting for it yet, and the next append tries again: a full disk gets room.
      this.#opening.catch(() => this.#opening = null);
    }
    const opening = this.#opening;
    const log = this.#log ??= openSegmentLog(this.#store, this, this.#durability);
    const known = log.endPosition - placed.position;
    if (known < 0) return this.extent;
    if (known >= placed.batch.count) {
      await this.settle();
      return this.extent;
    }
    const fresh = known === 0 ? placed.batch : behind(placed.batch, known);
    const end = log.endPosition + fresh.count;
    const appended = log.append(fresh);
    const isTaken = log.endPosition === end;
    if (isTaken) this.#emitAppend(end - fresh.count, fresh, options.copiedFrom);
    try {
      await appended;
    } catch (error) {
      // Refused at once (a log that was deleted, a store that failed): there is nothing to take back.
      if (isTaken) this.#emit?.({ kind: "takeBack", length: log.endPosition });
      throw error;
    }
    await opening;
    this.#durable = Math.max(this.#durable, end);
    return { end: log.endPosition, durable: this.#durable };
  }

  /**
   * Runs `work`, which changes the end of the log for a recovery or behind a seal, when all such work
   * before it is done.
   */
  repair<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#repairs.then(work);
    this.#repairs = result.catch(() => {});
    return result;
  }

  /** Deletes the log, to begin anew. Only within `repair`, and only where others hold the segment whole. */
  async discard(): Promise<void> {
    this.#emit?.({ kind: "discard" });
    await this.#store.delete(segmentLogName(this.topic, this.segment));
    this.#emit?.({ kind: "deleted" });
    this.#log = undefined;
    this.#durable = 0;
    this.#opening = null;
  }

  /** Cuts what was never part of the sealed segment. Only within `repair`. */
  async cut(position: number): Promise<void> {
    if (this.#log === undefined || this.#log.endPosition <= position) return;
    await this.#log.truncateTail(position);
    this.#emit?.({ kind: "cut", length: position });
    this.#durable = Math.min(this.#durable, position);
  }

  #emitAppend(position: number, batch: RecordBatch, from: number | undefined): void {
    if (from === undefined) this.#emit?.({ kind: "replicaAppend", position, batch });
    else this.#emit?.({ kind: "copy", position, batch, from });
  }
}

/** What is left behind the first `count` records: a view. */
function behind(batch: RecordBatch, count: number): RecordBatch {
  const reader = new RecordReader(batch.bytes);
  let entries = 0;
  for (let i = 0; i < count; i++) {
    assert(reader.next(), "a batch holds as many records as it says");
    if (!reader.isControl) entries++;
  }
  return {
    bytes: batch.bytes.subarray(reader.end),
    count: batch.count - count,
    entryCount: batch.entryCount - entries,
  };
}
