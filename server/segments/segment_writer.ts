/**
 * The one writer of an open segment: it owns the segment's tail, and everybody asks it.
 *
 * @module
 */

import {
  DiskFullError,
  type Log,
  type LogStore,
  type RecordBatch,
  RecordReader,
} from "../../storage/mod.ts";
import { assert, type Clock } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { NotLeaderError, OutcomeUnknownError, SegmentClosedError } from "../errors.ts";
import type { AppendMeter } from "./append_meter.ts";
import { CommitTracker } from "./commit_tracker.ts";
import type { Leases } from "./leases.ts";
import type { SegmentEmitter } from "./segment_events.ts";

/**
 * How long accepted records may go without any of them being committed before the segment is given up,
 * milliseconds. A replica that became uncertain is silent for as long as the segment is open: with too few
 * others only a recovery, and the next segment, take appends again.
 */
export const STALLED_MS = 3000;

/** How long a segment that others hold as well stays with a node whose disk takes nothing, milliseconds. */
export const FULL_PATIENCE_MS = 2000;

assert(STALLED_MS < REQUEST_TIMEOUT_MS, "a stall is noticed while its first request waits");

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
  clock: Clock;
  meter: AppendMeter;
  limits: { entries: number; bytes: number };
  /** A batch was accepted at this position and goes to the other replicas. */
  onAppended: (position: number, batch: RecordBatch) => void;
  /** This node's log can be read that much further. */
  onDurable: () => void;
  /** More entries of the segment can be read here: so many in all (see `readableOffset`). */
  onReadable: (offset: number) => void;
  /** Called once, when the segment closed itself because it is full. */
  onFull: () => void;
  /** Called once, when the writer had to give up: a recovery must seal the segment. */
  onAbandoned: (reason: Error) => void;
  emit?: SegmentEmitter;
}

/** What of a batch a segment took. */
export interface Accepted {
  entries: number;
  /** Of the first of them, counted from the segment's first entry. */
  firstOffset: number;
}

/** Appends in order, tells what is committed, and closes for ever. */
export class SegmentWriter {
  readonly log: Log;
  readonly #parts: SegmentWriterParts;
  readonly #tracker: CommitTracker;
  /** Entries that this node's log has written. */
  #writtenOffset: number;
  #readableOffset: number;
  #isClosed = false;
  #abandoned: Error | null = null;
  /** Appends to this node's log that are on their way to its disk. */
  #inFlight = 0;
  /** What was committed when records were first seen to wait behind it, and when that was. */
  #stalled: { position: number; sinceMs: number } | null = null;
  /** When the disk refused an append first, since it took one last. */
  #fullSinceMs: number | null = null;
  #closing: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(parts: SegmentWriterParts) {
    this.log = parts.log;
    this.#parts = parts;
    this.#tracker = new CommitTracker(parts.replicas, {
      position: parts.log.endPosition,
      offset: parts.log.endOffset,
    });
    this.#writtenOffset = this.#readableOffset = parts.log.endOffset;
  }

  /** Committed entries of this segment. */
  get committedOffset(): number {
    return this.#tracker.offset;
  }

  /**
   * Committed entries that stand in this node's own log. It may be a moment behind: a majority of others is faster
   * than this node's disk now and then.
   */
  get readableOffset(): number {
    return this.#readableOffset;
  }

  /** One past the last committed record of this segment. */
  get committedPosition(): number {
    return this.#tracker.position;
  }

  /** It had to be abandoned: a recovery must seal the segment. */
  get isAbandoned(): boolean {
    return this.#abandoned !== null;
  }

  /**
   * Whether what is committed here is all that is, up to a lease's length ago. Without a lease others may have sealed
   * the segment and gone on in the next one.
   */
  get hasLease(): boolean {
    return this.#parts.leases.isValid;
  }

  /**
   * Whether the topic ends here, as far as a leader can know. Not once the segment is closed, lease or no lease: its
   * own seal may have been committed, and others have gone on behind it, before this node hears of that.
   */
  get isEnd(): boolean {
    return this.hasLease && !this.#isClosed;
  }

  get isFull(): boolean {
    const { entries, bytes } = this.#parts.limits;
    return this.log.endOffset >= entries || this.log.payloadBytes >= bytes;
  }

  /**
   * Appends entries, as many as the segment still takes, and resolves with which those were when they are
   * committed. The rest belongs in the next segment.
   *
   * @param ends Where the batch may be divided: after so many entries of it, rising, the last one after all of
   * them. What stands between two of them is never in two segments, even if the segment gets longer than
   * wished by it. `null`: anywhere.
   * @throws {NotLeaderError | SegmentClosedError} nothing of the batch was appended.
   * @throws {OutcomeUnknownError} no majority confirmed it in time, a recovery took over, or this node's disk
   * failed it when other replicas may hold it already.
   * @throws storage's errors (disk full, failed): nothing of the batch is kept. Of a segment that only this node
   * holds, or where the log refused it at once.
   */
  async append(batch: RecordBatch, ends: readonly number[] | null = null): Promise<Accepted> {
    this.mustAccept();
    while (this.#parts.store.backlogged) {
      await this.#parts.store.drained();
      this.mustAccept();
    }
    const room = Math.max(1, this.#parts.limits.entries - this.log.endOffset);
    const fitting = fittingOf(batch, ends, room);
    const acceptedMs = this.#parts.clock.nowMs();
    const firstOffset = this.log.endOffset;
    const committed = this.#append(fitting);
    if (this.isFull) this.#closeBecauseFull();
    await committed;
    this.#parts.meter.add(fitting, this.#parts.clock.nowMs() - acceptedMs);
    return { entries: fitting.entryCount, firstOffset };
  }

  /** Appends control records; allowed in a full segment as long as it is open. */
  async appendControl(batch: RecordBatch): Promise<void> {
    assert(batch.entryCount === 0, "control records only");
    this.mustAccept();
    await this.#append(batch);
  }

  /** @throws {NotLeaderError | SegmentClosedError} when nothing may be appended here and now. */
  mustAccept(): void {
    if (this.#isClosed) {
      throw new SegmentClosedError(
        `${this.#parts.name} is closed: the next segment takes appends`,
      );
    }
    if (!this.#parts.leases.isValid) {
      throw new NotLeaderError(
        `node ${this.#parts.nodeId} holds no lease for ${this.#parts.name}: ` +
          `it has not heard from a majority lately`,
      );
    }
  }

  /** How many records each replica lacks. */
  lagOf(replica: number): number {
    return this.log.endPosition - this.#tracker.durableOn(replica);
  }

  /** Another replica has everything before `position` on its disk. */
  acknowledge(replica: number, position: number): void {
    this.#acknowledge(replica, position);
    this.#maybeClosed();
  }

  /** Who waits too long for a majority is told so. Where nothing is committed for long, it is given up. */
  expire(nowMs: number): void {
    this.#maybeGiveUp(nowMs);
    this.#tracker.expire(nowMs, () =>
      new OutcomeUnknownError(
        `too few replicas of ${this.#parts.name} confirmed it within ${REQUEST_TIMEOUT_MS} ms ` +
          `(nodes ${this.#parts.replicas.join(", ")}): it may or may not be kept`,
      ));
  }

  /**
   * No append is accepted from here on, ever. Resolves when everything that was accepted is committed or
   * refused: from then on `committedOffset` is final. ⛔ Nothing is acknowledged after it (DESIGN.md §6).
   *
   * @throws when the writer had to be abandoned meanwhile.
   */
  close(): Promise<void> {
    if (!this.#isClosed) this.#parts.emit?.({ kind: "close" });
    this.#isClosed = true;
    return new Promise((resolve, reject) => {
      this.#closing.push({ resolve, reject });
      this.#maybeClosed();
    });
  }

  /**
   * ⛔ Nothing is accepted or acknowledged from here on: a recovery seals the segment, or this node's own
   * log failed below records that other replicas hold.
   */
  abandon(reason: string): void {
    if (this.#abandoned) return;
    this.#parts.emit?.({ kind: "abandon" });
    this.#isClosed = true;
    this.#abandoned = new OutcomeUnknownError(
      `${this.#parts.name} was taken from its leader (${reason}): it may or may not be kept`,
    );
    this.#tracker.fail(this.#abandoned);
    this.#maybeClosed();
    this.#parts.onAbandoned(this.#abandoned);
  }

  #maybeGiveUp(nowMs: number): void {
    const { position } = this.#tracker;
    if (position === this.log.endPosition || this.#parts.replicas.length === 1) {
      this.#stalled = null;
    } else if (this.#stalled?.position !== position) {
      this.#stalled = { position, sinceMs: nowMs };
    } else if (nowMs - this.#stalled.sinceMs >= STALLED_MS) {
      this.abandon(`no majority confirmed anything for ${STALLED_MS} ms`);
    }
  }

  #acknowledge(replica: number, position: number): void {
    const before = this.#tracker.position;
    this.#tracker.acknowledge(replica, position);
    const length = this.#tracker.position;
    if (length > before) this.#parts.emit?.({ kind: "commit", length });
    const readable = Math.min(this.#tracker.offset, this.#writtenOffset);
    if (readable <= this.#readableOffset) return;
    this.#readableOffset = readable;
    this.#parts.onReadable(readable);
  }

  async #append(batch: RecordBatch): Promise<void> {
    // After a failed append the log has taken back all that was not durable, and starts there again.
    this.#tracker.retract(this.log.endPosition);
    const position = this.log.endPosition;
    const durable = this.log.append(batch);
    const end = this.log.endPosition;
    // Refused at once (a store that failed, a batch that is too large): nothing is on its way.
    if (end === position) return await this.#refusedAtOnce(durable);
    // Not a move of the cursor: those are taken on a full disk too.
    if (batch.entryCount > 0) this.#fullSinceMs = null;
    const endOffset = this.log.endOffset;
    this.#tracker.appended(end, endOffset);
    this.#parts.emit?.({ kind: "append", position, batch });
    this.#parts.onAppended(position, batch);
    await this.#locally(durable, { position: end, offset: endOffset });
    if (this.#tracker.position >= end) return;
    await this.#tracker.reached(end, this.#parts.clock.nowMs() + REQUEST_TIMEOUT_MS);
  }

  /** A full disk is another node's chance, but not at once: where all are full, segments would change hands all the time. */
  async #refusedAtOnce(refused: Promise<number>): Promise<void> {
    try {
      await refused;
    } catch (error) {
      if (error instanceof DiskFullError && this.#parts.replicas.length > 1) {
        const nowMs = this.#parts.clock.nowMs();
        this.#fullSinceMs ??= nowMs;
        const isPatient = nowMs - this.#fullSinceMs < FULL_PATIENCE_MS;
        if (!isPatient) this.abandon("this node's disk is full");
      }
      throw error;
    }
  }

  /** Waits for this node's own disk, which then counts as one replica. */
  async #locally(
    durable: Promise<number>,
    end: { position: number; offset: number },
  ): Promise<void> {
    this.#inFlight++;
    try {
      await durable;
      if (this.#abandoned) throw this.#abandoned;
      this.#writtenOffset = end.offset;
      this.#parts.emit?.({ kind: "acknowledge", length: end.position });
      this.#acknowledge(this.#parts.nodeId, end.position);
      this.#parts.onDurable();
    } catch (error) {
      this.#parts.emit?.({ kind: "takeBack", length: this.log.endPosition });
      if (this.#parts.replicas.length === 1) throw error;
      // ⛔ Others may hold what this log has taken back: a position must not be written twice, and a recovery may
      // commit it, so that whoever waits must not be told that it certainly was not done.
      this.abandon(`this node's disk failed an append (${(error as Error).message})`);
      throw this.#abandoned ?? error;
    } finally {
      this.#inFlight--;
      this.#maybeClosed();
    }
  }

  #closeBecauseFull(): void {
    if (this.#isClosed) return;
    this.#parts.emit?.({ kind: "close" });
    this.#isClosed = true;
    this.#parts.onFull();
  }

  #maybeClosed(): void {
    if (this.#closing.length === 0) return;
    const abandoned = this.#abandoned;
    if (abandoned) { for (const { reject } of this.#closing.splice(0)) reject(abandoned); }
    const isDrained = this.#inFlight === 0 && this.#tracker.position === this.log.endPosition;
    if (isDrained) { for (const { resolve } of this.#closing.splice(0)) resolve(); }
  }
}

/** What of the batch goes into a segment that wants `room` entries more. */
function fittingOf(
  batch: RecordBatch,
  ends: readonly number[] | null,
  room: number,
): RecordBatch {
  if (batch.entryCount <= room) return batch;
  const count = ends === null ? room : ends.find((end) => end >= room);
  assert(count !== undefined, "a batch may be divided behind its last entry");
  return count === batch.entryCount ? batch : prefixOf(batch, count);
}

/** The first `count` entries of a batch of entries: a view. */
function prefixOf(batch: RecordBatch, count: number): RecordBatch {
  assert(batch.count === batch.entryCount, "clients' batches hold entries only");
  const reader = new RecordReader(batch.bytes);
  for (let i = 0; i < count; i++) reader.next();
  return { bytes: batch.bytes.subarray(0, reader.end), count, entryCount: count };
}
