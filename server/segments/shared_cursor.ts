/**
 * The cursor that all plain `GET`s of a topic share, on the leader of the topic's open segment.
 *
 * A take is answered when the cursor's move behind it is committed. Takes that wait are served by
 * one read and one move record. ⛔ A move is appended only after the entries before it were read: were it
 * the other way round, a read that fails behind a durable move would skip entries for ever.
 *
 * @module
 */

import { batchOf, RecordBatchBuilder, RecordReader } from "../../storage/mod.ts";
import { encodeCursors } from "./control_record.ts";
import type { Entries, EntrySource } from "./entry_source.ts";
import type { SegmentEmitter } from "./segment_events.ts";
import type { SegmentWriter } from "./segment_writer.ts";
import { READ_BYTES_MAX, TAKE_ENTRIES_MAX } from "../config.ts";

/** What one take brought: up to as many entries as were asked for. */
export interface Taken extends Entries {
  /** Fewer came because no more is committed (and not because the answer was full). */
  readonly isExhausted: boolean;
}

interface Take {
  count: number;
  resolve: (taken: Taken) => void;
  reject: (error: unknown) => void;
}

/** Served takes of one read, which wait for their move. */
interface Served {
  take: Take;
  taken: Taken;
}

/** Of a copy whose length is not known before; it grows. */
const COPY_BYTES_FIRST = 64 * 1024;
const NOTHING: Taken = { bytes: new Uint8Array(0), count: 0, isExhausted: true };

/** One per open segment that this node leads. */
export class SharedCursor {
  readonly #writer: SegmentWriter;
  readonly #source: EntrySource;
  readonly #baseOffset: number;
  readonly #emit: SegmentEmitter;
  readonly #firstOffset: () => number;
  /** Next entry to hand out; ahead of `#committed` by the move in flight. */
  #next: number;
  #committed: number;
  #waiting: Take[] = [];
  #isServing = false;
  /** The move in flight; there is at most one. */
  #moving: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(parts: {
    writer: SegmentWriter;
    source: EntrySource;
    /** Offset of the segment's first entry in the topic. */
    baseOffset: number;
    /** Where the cursor stood when the segment was opened here. */
    position: number;
    emit?: SegmentEmitter;
    /** Offset of the first entry of the topic that was not trimmed. */
    firstOffset: () => number;
  }) {
    this.#writer = parts.writer;
    this.#source = parts.source;
    this.#baseOffset = parts.baseOffset;
    this.#emit = parts.emit;
    this.#firstOffset = parts.firstOffset;
    this.#next = this.#committed = parts.position;
  }

  /** The last committed place. Final once the writer is closed and `settled` has resolved. */
  get committed(): number {
    return this.#committed;
  }

  /**
   * Resolves when the move in flight, if any, has had its effect here. ⛔ A seal waits for it: the writer is
   * drained in the same turn in which the last move is committed, before `committed` knows of it, and a cursor
   * carried on from there would hand out the same entries again.
   */
  async settled(): Promise<void> {
    await this.#moving;
  }

  /**
   * Takes up to `count` entries for one consumer.
   *
   * @throws {SegmentClosedError | NotLeaderError} nothing was taken; ask the next leader.
   * @throws storage's and the source's errors; nothing was taken unless a move's outcome is unknown.
   */
  take(count: number): Promise<Taken> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ count, resolve, reject });
      if (!this.#isServing) this.#serveAll();
    });
  }

  async #serveAll(): Promise<void> {
    this.#isServing = true;
    try {
      while (this.#waiting.length > 0) await this.#serveWaiting();
    } finally {
      this.#isServing = false;
    }
  }

  /**
   * One read for everybody who waits, then one move for all of them. The read overlaps the move before
   * it; moves follow each other, so that a commit cycle carries one move record however many consumers
   * there are.
   */
  async #serveWaiting(): Promise<void> {
    const takes = this.#waiting;
    this.#waiting = [];
    let reading = Infinity;
    try {
      this.#writer.mustAccept();
      // What was trimmed before anybody took it is passed over; the next move says so durably.
      const from = this.#next = Math.max(this.#next, this.#firstOffset());
      const committedEnd = this.#baseOffset + this.#writer.committedOffset;
      const wanted = takes.reduce((sum, take) => sum + take.count, 0);
      const count = Math.min(wanted, committedEnd - from, TAKE_ENTRIES_MAX);
      if (count <= 0) return takes.forEach((take) => take.resolve(NOTHING));
      reading = from;
      const entries = await this.#source.read(from, { count, maxBytes: READ_BYTES_MAX });
      reading = Infinity;
      this.#emit?.({ kind: "take", offset: from, batch: entries });
      await this.#moving;
      // The move before failed: what it handed out is free again, and what was read behind it is void.
      if (this.#next !== from) throw this.#failure;
      this.#next += entries.count;
      const served = share(entries, takes, { isAll: this.#next === committedEnd });
      this.#waiting = takes.slice(served.length).concat(this.#waiting);
      this.#moving = this.#move(served);
    } catch (error) {
      if (this.#firstOffset() > reading) {
        // Trimmed while it was read: who waits is served from what is left.
        this.#waiting = takes.concat(this.#waiting);
        return;
      }
      for (const take of takes) take.reject(error);
    }
  }

  /** Never rejects with the takes' error: they got it. */
  async #move(served: Served[]): Promise<void> {
    const offset = this.#next;
    try {
      const record = batchOf(encodeCursors([{ name: "", offset }]), "control");
      await this.#writer.appendControl(record);
      this.#committed = offset;
      for (const { take, taken } of served) take.resolve(taken);
    } catch (error) {
      this.#failure = error;
      this.#next = this.#committed;
      for (const { take } of served) take.reject(error);
    }
  }
}

/**
 * Deals out entries to takes in order. The last one served may get fewer than it asked for; those behind
 * it are left for the next read, or come away empty where `isAll` says that there is no more.
 */
function share(entries: Entries, takes: readonly Take[], options: { isAll: boolean }): Served[] {
  const reader = new RecordReader(entries.bytes);
  const served: Served[] = [];
  let left = entries.count;
  for (const take of takes) {
    if (left === 0 && !options.isAll) break;
    const count = Math.min(take.count, left);
    left -= count;
    const start = reader.end;
    for (let i = 0; i < count; i++) reader.next();
    const bytes = entries.bytes.subarray(start, reader.end);
    const isExhausted = options.isAll && count < take.count;
    served.push({ take, taken: { bytes, count, isExhausted } });
  }
  return served;
}

/** Copies the entries of a run that may hold control records too, from `skip` entries on. */
export function entriesOf(
  run: Uint8Array,
  options: { skip: number; count: number; maxBytes: number },
): Entries {
  const capacityBytes = Math.min(run.length, options.maxBytes, COPY_BYTES_FIRST);
  const builder = new RecordBatchBuilder(capacityBytes + 64);
  const reader = new RecordReader(run);
  let skip = options.skip;
  while (builder.count < options.count && reader.next()) {
    if (reader.isControl || skip-- > 0) continue;
    if (builder.count > 0 && builder.lengthBytes + reader.end - reader.start > options.maxBytes) {
      break;
    }
    builder.add(run, reader.start, reader.end);
  }
  return { bytes: builder.bytes, count: builder.count };
}
