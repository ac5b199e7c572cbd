/**
 * A Raft node's state on disk: the log `raft/log` of storage, in which nothing is ever overwritten.
 * Each `Persist` of the core is one append, so one frame: all of it or nothing survives a crash (a
 * snapshot that is too large for one append goes before it in pieces, which mean nothing without the
 * marker). All numbers are little-endian; u64 fields hold at most 2^53 − 1.
 *
 * | bytes | field of an entry record |
 * | ----- | ----- |
 * | 1 | 1 |
 * | 1 | kind: 0 command, 1 noop, 2 config |
 * | 8 | index: not above the last one's, it replaces that entry and all behind it |
 * | 8 | term |
 * | rest | data |
 *
 * | bytes | field of a hard state record |
 * | ----- | ----- |
 * | 1 | 2 |
 * | 8 | term |
 * | 4 | vote, 0 for none |
 * | 8 | committed |
 *
 * | bytes | field of a snapshot piece |
 * | ----- | ----- |
 * | 1 | 3 |
 * | 8 | index of the snapshot |
 * | 8 | offset of this piece; 0 begins anew |
 * | rest | data |
 *
 * | bytes | field of a snapshot marker: the pieces before it are a snapshot |
 * | ----- | ----- |
 * | 1 | 4 |
 * | 1 | 1 when it came from a leader: all entries before this record are void |
 * | 8 | index |
 * | 8 | term |
 * | 8 | total bytes |
 * | 6 + 4 n | configuration (membership.ts) |
 *
 * After a snapshot the log's head is given back up to its first piece, or up to the first entry that is
 * still wanted if that stands before it. A hard state record always follows a marker, so one is left.
 *
 * @module
 */

import {
  assert,
  ByteWriter,
  type Clock,
  type Logger,
  MalformedError,
  type Timer,
} from "../world/mod.ts";
import { DiskFullError, LogClosedError } from "../storage/errors.ts";
import { type RecordBatch, RecordBatchBuilder, RecordReader } from "../storage/record_batch.ts";
import type { Log, LogStore } from "../storage/types.ts";
import type { RestoredState } from "./core_state.ts";
import { RaftLogCorruptError } from "./errors.ts";
import {
  DurableReplay,
  RECORD_ENTRY,
  RECORD_HARD_STATE,
  RECORD_SNAPSHOT_MARKER,
  RECORD_SNAPSHOT_PIECE,
} from "./durable_replay.ts";
import { writeConfiguration } from "./membership.ts";
import { ENTRY_KINDS } from "./message_codec.ts";
import type { Entry, HardState, Persist, PersistSnapshot, Snapshot } from "./messages.ts";

/** The log's name in the store. */
export const RAFT_LOG_NAME = "raft/log";
/** Bytes of a snapshot in one record, and about the largest append. */
const SNAPSHOT_PIECE_BYTES = 512 * 1024;
/** How long after a full disk the writes are tried again. */
const FULL_DISK_RETRY_MS = 500;
const READ_BYTES = 4 * 1024 * 1024;

/** One `Persist` on its way to the disk. */
interface Job {
  /** Appended one after another; the last one is the `Persist` itself. */
  readonly batches: readonly RecordBatch[];
  readonly persist: Persist;
  /** In which record of the last batch the first entry stands. */
  readonly firstEntryRecord: number;
  resolve(): void;
  reject(error: unknown): void;
}

export class DurableRaftLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #builder = new RecordBatchBuilder(64 * 1024);
  readonly #writer = new ByteWriter(64 * 1024);
  /** Not durable yet, in order: kept so that they can be written again after a full disk. */
  #jobs: Job[] = [];
  #retry: Timer | null = null;
  /** Where the log ended after the last job that was written. */
  #endPosition = 0;
  #closed = false;
  /** Where each entry stands in the log: `#positions[i]` for entry `#firstIndex + i`. */
  #positions: number[] = [];
  #firstIndex = 1;

  private constructor(log: Log, options: { clock: Clock; logger: Logger }) {
    this.#log = log;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /**
   * Opens what the store holds, or begins an empty one (`state: null`).
   *
   * @throws {RaftLogCorruptError} when what is there can't be trusted.
   */
  static async open(
    store: LogStore,
    options: { clock: Clock; logger: Logger },
  ): Promise<{ log: DurableRaftLog; state: RestoredState | null }> {
    const log = store.get(RAFT_LOG_NAME) ?? store.create(RAFT_LOG_NAME, { durability: "each" });
    // A torn tail makes a log uncertain too. It is what every power loss within a write leaves, was never
    // told to anybody as durable, and is cut: a group whose members all lost power must come back.
    if (log.damage.length > 0) {
      throw new RaftLogCorruptError(
        "The Raft log on disk is damaged, so this node may have forgotten a vote. Remove it from the " +
          "cluster, empty its data directory and add it again.",
      );
    }
    const durable = new DurableRaftLog(log, options);
    return { log: durable, state: await durable.#recover() };
  }

  /** Records that are held on disk, for display. */
  get records(): number {
    return this.#log.endPosition - this.#log.startPosition;
  }
  get payloadBytes(): number {
    return this.#log.payloadBytes;
  }
  /** Writes that are not durable yet. */
  get pending(): number {
    return this.#jobs.length;
  }

  /** Makes the state of a new group durable, in an empty log. */
  begin(state: RestoredState): Promise<void> {
    assert(this.#log.endPosition === 0 && state.snapshot === null, "only an empty log begins");
    const last = state.entries[state.entries.length - 1]!;
    return this.persist({
      hardState: state.hardState,
      entries: state.entries,
      snapshot: null,
      completion: { term: last.term, index: last.index, indexTerm: last.term },
    });
  }

  /**
   * Makes it durable, behind everything that was given before. A full disk is waited out; any other error
   * is final.
   *
   * @throws {StoreFailedError | LogClosedError}
   */
  persist(persist: Persist): Promise<void> {
    if (this.#closed) return Promise.reject(new LogClosedError("The Raft log is closed."));
    return new Promise((resolve, reject) => {
      const job = { ...this.#encode(persist), persist, resolve, reject };
      this.#jobs.push(job);
      if (this.#retry === null) this.#write(job);
    });
  }

  /** What is not durable by now is left to its fate. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#fail(new LogClosedError("The Raft log was closed before the write was durable."));
  }

  #encode(persist: Persist): { batches: RecordBatch[]; firstEntryRecord: number } {
    const batches: RecordBatch[] = [];
    const builder = this.#builder;
    builder.clear();
    if (persist.snapshot !== null) {
      for (const piece of this.#snapshotPieces(persist.snapshot.snapshot)) {
        if (builder.lengthBytes > 0 && builder.lengthBytes + piece.length > SNAPSHOT_PIECE_BYTES) {
          batches.push(builder.copy());
          builder.clear();
        }
        builder.add(piece);
      }
      builder.add(this.#marker(persist.snapshot));
    }
    if (persist.hardState !== null) builder.add(this.#hardState(persist.hardState));
    const firstEntryRecord = builder.count;
    for (const entry of persist.entries) builder.add(this.#entry(entry));
    batches.push(builder.copy());
    return { batches, firstEntryRecord };
  }

  #write(job: Job): void {
    const start = this.#log.endPosition;
    // The log went back: a full disk has rejected what is before this job, and the news is on its way. Were
    // this one written now, it could be durable without the others.
    if (start < this.#endPosition) return;
    // All in one turn: they are durable in order, and the last one is durable when all are.
    const appends = job.batches.map((batch) => this.#log.append(batch));
    const lastStart = start +
      job.batches.slice(0, -1).reduce((sum, batch) => sum + batch.count, 0);
    this.#notePositions(job, lastStart + job.firstEntryRecord);
    const trimTo = this.#trimPosition(job, start);
    this.#endPosition = this.#log.endPosition;
    Promise.all(appends).then(
      () => this.#onDurable(job, trimTo),
      (error) => this.#onFailed(error),
    ).catch((error) => this.#fail(error));
  }

  #notePositions(job: Job, firstEntryPosition: number): void {
    const { entries, snapshot } = job.persist;
    const first = entries[0]?.index ?? 0;
    if (snapshot?.installed || (first > 0 && first < this.#firstIndex)) this.#positions = [];
    if (entries.length === 0) return;
    if (this.#positions.length === 0) this.#firstIndex = first;
    this.#positions.length = first - this.#firstIndex;
    for (let i = 0; i < entries.length; i++) this.#positions.push(firstEntryPosition + i);
  }

  /**
   * Up to where the log may go when the job's snapshot is durable. Reckoned when the job is handed in: a
   * later one may replace entries before it is durable itself, and if it then never is, the old ones are
   * still wanted.
   */
  #trimPosition(job: Job, snapshotPosition: number): number {
    const { snapshot } = job.persist;
    if (snapshot === null) return 0;
    const drop = Math.min(
      Math.max(snapshot.keepFrom - this.#firstIndex, 0),
      this.#positions.length,
    );
    this.#positions.splice(0, drop);
    this.#firstIndex += drop;
    return Math.min(snapshotPosition, this.#positions[0] ?? snapshotPosition);
  }

  #onDurable(job: Job, trimTo: number): void {
    if (this.#closed) return;
    assert(this.#jobs[0] === job, "writes become durable in order");
    this.#jobs.shift();
    // Only now that the snapshot is durable may go what it stands for.
    if (trimTo > this.#log.startPosition) {
      this.#log.trimHead(trimTo).catch((error) => {
        this.#logger.log("warn", "raft log: could not give back space", { error: String(error) });
      });
    }
    job.resolve();
  }

  #onFailed(error: unknown): void {
    if (this.#closed || this.#retry !== null) return;
    if (!(error instanceof DiskFullError)) return this.#fail(error);
    // The store has rejected everything that was not durable: all jobs, in order, are tried again.
    this.#logger.log("warn", "raft log: the disk is full, trying again", {
      retryMs: FULL_DISK_RETRY_MS,
      waiting: this.#jobs.length,
    });
    this.#retry = this.#clock.after(FULL_DISK_RETRY_MS, () => {
      this.#retry = null;
      this.#endPosition = 0;
      for (const job of [...this.#jobs]) this.#write(job);
    });
  }

  #fail(error: unknown): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    this.#closed = true;
    for (const job of jobs) job.reject(error);
  }

  *#snapshotPieces(snapshot: Snapshot): Generator<Uint8Array> {
    const { data, index } = snapshot;
    for (let offset = 0; offset === 0 || offset < data.length; offset += SNAPSHOT_PIECE_BYTES) {
      const piece = data.subarray(offset, offset + SNAPSHOT_PIECE_BYTES);
      yield this.#record(RECORD_SNAPSHOT_PIECE).u64(index).u64(offset).raw(piece).view;
    }
  }

  #marker({ snapshot, installed }: PersistSnapshot): Uint8Array {
    const writer = this.#record(RECORD_SNAPSHOT_MARKER).bool(installed);
    writer.u64(snapshot.index).u64(snapshot.term).u64(snapshot.data.length);
    writeConfiguration(writer, snapshot.config);
    return writer.view;
  }

  #hardState(hardState: HardState): Uint8Array {
    const { term, vote, committed } = hardState;
    return this.#record(RECORD_HARD_STATE).u64(term).u32(vote).u64(committed).view;
  }

  #entry(entry: Entry): Uint8Array {
    const { kind, index, term, data } = entry;
    const writer = this.#record(RECORD_ENTRY).u8(ENTRY_KINDS.indexOf(kind));
    return writer.u64(index).u64(term).raw(data).view;
  }

  /** The next record, begun. */
  #record(type: number): ByteWriter {
    return this.#writer.clear().u8(type);
  }

  async #recover(): Promise<RestoredState | null> {
    const replay = new DurableReplay();
    let position = this.#log.startPosition;
    if (position === this.#log.endPosition) return null;
    while (position < this.#log.endPosition) {
      const run = await this.#log.read(position, { maxBytes: READ_BYTES });
      const records = new RecordReader(run.bytes);
      position = run.firstPosition;
      while (records.next()) {
        try {
          replay.onRecord(records.payload(), position);
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error;
          throw new RaftLogCorruptError(
            `The Raft log's record ${position} is not understood: ${error.message}.`,
          );
        }
        position++;
      }
    }
    const state = replay.finish();
    if (state !== null) {
      this.#positions = replay.positions();
      this.#firstIndex = replay.firstIndex;
    }
    return state;
  }
}
