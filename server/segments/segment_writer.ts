/**
 * The one writer of an open segment: it owns the segment's tail, and everybody asks it.
 *
 * @module
 */

import { type Log, type LogStore, type RecordBatch, RecordReader } from "../../storage/mod.ts";
import { assert } from "../../world/mod.ts";
import { NotLeaderError, SegmentClosedError } from "../errors.ts";
import { CommitTracker } from "./commit_tracker.ts";
import type { Leases } from "./leases.ts";

/** What a writer is made from. */
export interface SegmentWriterParts {
  /** For messages: `topic/number`. */
  name: string;
  nodeId: number;
  replicas: readonly number[];
  /** This node's replica; everything in it is committed when the writer is made. */
  log: Log;
  store: LogStore;
  leases: Leases;
  limits: { entries: number; bytes: number };
  /** Called once, when the segment closed itself because it is full. */
  onFull: () => void;
}

/** Appends in order, tells what is committed, and closes for ever. */
export class SegmentWriter {
  readonly log: Log;
  readonly #parts: SegmentWriterParts;
  readonly #tracker: CommitTracker;
  #isClosed = false;
  /** Appends that were accepted and neither committed nor refused. */
  #inFlight = 0;
  #drained: (() => void) | null = null;

  constructor(parts: SegmentWriterParts) {
    this.log = parts.log;
    this.#parts = parts;
    this.#tracker = new CommitTracker(parts.replicas, {
      position: parts.log.endPosition,
      offset: parts.log.endOffset,
    });
  }

  /** Committed entries of this segment. */
  get committedOffset(): number {
    return this.#tracker.offset;
  }

  /** One past the last committed record of this segment. */
  get committedPosition(): number {
    return this.#tracker.position;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isFull(): boolean {
    const { entries, bytes } = this.#parts.limits;
    return this.log.endOffset >= entries || this.log.payloadBytes >= bytes;
  }

  /**
   * Appends entries, as many as the segment still takes, and resolves with how many those were when they
   * are committed. The rest belongs in the next segment.
   *
   * @throws {NotLeaderError | SegmentClosedError} nothing of the batch was appended.
   * @throws storage's errors (disk full, failed): nothing of the batch is committed here.
   */
  async append(batch: RecordBatch): Promise<number> {
    this.mustAccept();
    while (this.#parts.store.backlogged) {
      await this.#parts.store.drained();
      this.mustAccept();
    }
    const room = Math.max(1, this.#parts.limits.entries - this.log.endOffset);
    const fitting = batch.entryCount <= room ? batch : prefixOf(batch, room);
    const committed = this.#append(fitting);
    if (this.isFull) this.#closeBecauseFull();
    await committed;
    return fitting.entryCount;
  }

  /** Appends control records; allowed in a full segment as long as it is open. */
  appendControl(batch: RecordBatch): Promise<void> {
    assert(batch.entryCount === 0, "control records only");
    if (this.#isClosed) return Promise.reject(this.#closedError());
    return this.#append(batch);
  }

  /**
   * No append is accepted from here on, ever. Resolves when everything that was accepted is committed or
   * refused: from then on `committedOffset` is final. ⛔ Nothing is acknowledged after it (DESIGN.md §6).
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#drained;
      this.#drained = () => {
        before?.();
        resolve();
      };
    });
  }

  async #append(batch: RecordBatch): Promise<void> {
    this.#inFlight++;
    try {
      // After a failed append the log has taken back all that was not durable, and starts there again.
      this.#tracker.retract(this.log.endPosition);
      const durable = this.log.append(batch);
      const end = this.log.endPosition;
      this.#tracker.appended(end, this.log.endOffset);
      await durable;
      this.#tracker.acknowledge(this.#parts.nodeId, end);
      if (this.#tracker.position < end) await this.#tracker.reached(end);
    } finally {
      if (--this.#inFlight === 0) {
        this.#drained?.();
        this.#drained = null;
      }
    }
  }

  /** @throws {NotLeaderError | SegmentClosedError} when nothing may be appended here and now. */
  mustAccept(): void {
    if (this.#isClosed) throw this.#closedError();
    if (!this.#parts.leases.isValid) {
      throw new NotLeaderError(
        `node ${this.#parts.nodeId} holds no lease for ${this.#parts.name}: it has not heard from a majority lately`,
      );
    }
  }

  #closeBecauseFull(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.onFull();
  }

  #closedError(): SegmentClosedError {
    return new SegmentClosedError(`${this.#parts.name} is closed: the next segment takes appends`);
  }
}

/** The first `count` entries of a batch of entries: a view. */
function prefixOf(batch: RecordBatch, count: number): RecordBatch {
  assert(batch.count === batch.entryCount, "clients' batches hold entries only");
  const reader = new RecordReader(batch.bytes);
  for (let i = 0; i < count; i++) reader.next();
  return { bytes: batch.bytes.subarray(0, reader.end), count, entryCount: count };
}
