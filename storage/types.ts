/**
 * What the storage engine promises to the parts above (raft, server, the library).
 *
 * @module
 */

import type { RecordBatch } from "./record_batch.ts";

/**
 * When an append resolves: `each`: after the sync that covers it; `{ ms }`: after the write, a sync
 * follows at least every `ms` milliseconds; `none`: after the write.
 */
export type Durability = "each" | "none" | { ms: number };

/** A run of records that was read, and where it stands. */
export interface ReadResult extends RecordBatch {
  /** Position of the first record (counts records of both kinds). */
  readonly firstPosition: number;
  /** Offset of the first entry in the run (counts entries only). */
  readonly firstOffset: number;
  /** With `wholeFrames`: the run's last batch, which was appended as one, goes on behind it. */
  readonly goesOn: boolean;
}

/** Bounds of a read. At least one record comes, whatever `maxBytes`, unless there is none. */
export interface ReadLimits {
  maxBytes: number;
  maxRecords?: number;
  /**
   * No frame is cut, except where `maxRecords` or the log ends: the run ends where an append ended, unless
   * `goesOn` says otherwise. A frame that goes over `maxBytes` still comes where it is the first.
   */
  wholeFrames?: boolean;
  /**
   * Memory that the read may use instead of new one: the result may be a view of it. Large new memory is
   * dear, as the system zeroes it and takes it back each time.
   */
  window?: Uint8Array;
}

/**
 * One named log. *Positions* count records of both kinds, *offsets* count entries only; both are dense
 * from 0. `startPosition ≤ durablePosition ≤ endPosition`.
 */
export interface Log {
  readonly name: string;
  /** First record that is still there; grows with `trimHead`. */
  readonly startPosition: number;
  readonly startOffset: number;
  /** One past the last record that was accepted; grows within `append`, before any I/O. */
  readonly endPosition: number;
  readonly endOffset: number;
  /** One past the last record that is on disk, synced (in modes other than `each`: see `sync`). */
  readonly durablePosition: number;
  readonly durableOffset: number;
  /** Payload bytes between start and end, for display and limits. */
  readonly payloadBytes: number;
  /** Runs that can't be read because a frame is rotten; empty in a healthy log. */
  readonly damage: readonly DamagedRange[];
  /**
   * False when records that were acknowledged may be missing: an unclean stop in a mode other than
   * `each` (unless the boot id shows that only the process died), or damage found. DESIGN.md §6, "Certain".
   */
  readonly certain: boolean;

  /**
   * Appends all records of the batch, atomically, and resolves with the position of the first when they
   * are as durable as the log's mode says. `endPosition` has grown when the call returns: calls made one
   * after another stand in that order, and resolve in it. The bytes are copied before it returns.
   *
   * When memory for what waits is short, the call still accepts; look at `LogStore.backlogged` first and
   * wait for `LogStore.drained()`.
   *
   * @throws {LogClosedError | StoreFailedError | DiskFullError | TooLargeError} as rejections. After a
   * rejection for a full disk all accepted, not yet durable appends of this log are rejected too, and
   * `endPosition` is back at `durablePosition`.
   */
  append(batch: RecordBatch): Promise<number>;
  /**
   * Reads records of both kinds from `position` on, up to `endPosition` of what was written (an append
   * that has not resolved may or may not be seen; callers bound by what they know is committed).
   *
   * @throws {OutOfRangeError | CorruptionError}
   */
  read(position: number, limits: ReadLimits): Promise<ReadResult>;
  /**
   * The last control record, or `null` where there is none: how an owner that keeps its state in control
   * records finds it again. Costs one read, not a scan: the position of the last frame that has one is
   * known.
   */
  lastControl(): Promise<{ position: number; payload: Uint8Array } | null>;
  /** The position of the entry with that offset (control records are passed over). */
  positionOfOffset(offset: number): Promise<number>;
  /** Cuts everything from `position` on, durably. Waits for appends in flight. */
  truncateTail(position: number): Promise<void>;
  /** Gives back what is before `position` (whole extents only), durably. */
  trimHead(position: number): Promise<void>;
  /** Everything accepted so far is synced when it resolves, whatever the mode. */
  sync(): Promise<void>;
}

/** A run of positions that a rotten frame made unreadable. */
export interface DamagedRange {
  firstPosition: number;
  /** One past the last. */
  endPosition: number;
  file: string;
  fileOffset: number;
}

/** What recovery found. */
export interface RecoveryReport {
  /** The last process marked the directory clean. */
  clean: boolean;
  /** It did not, and the machine may have stopped with it: what was written and not synced may be gone. */
  powerMayHaveFailed: boolean;
  logs: number;
  bytes: number;
  bytesScanned: number;
  /** After an unclean stop: what no sync was known to cover, written once more and synced. */
  bytesWrittenBack: number;
  durationMs: number;
  /** Torn tails that were cut: nothing valid of the log stood behind. */
  torn: { log: string; position: number; file: string; fileOffset: number }[];
  damaged: ({ log: string } & DamagedRange)[];
}

/** Live counters of a store. Cheap to read. */
export interface StoreStats {
  appends: number;
  records: number;
  payloadBytes: number;
  commits: number;
  syncs: number;
  /** Bytes of files on disk. */
  fileBytes: number;
  files: number;
  /** Bytes that wait for a commit. */
  pendingBytes: number;
  /** Of the last commits: how long write + sync took, milliseconds. */
  commitLatencyMsP50: number;
  commitLatencyMsP99: number;
}

/** Options of one log. */
export interface LogOptions {
  /** The store's, unless given. */
  durability?: Durability;
}

/** Many logs in shared files with one commit cycle. Made by `openLogStore(disk, clock, options)`. */
export interface LogStore {
  readonly recovery: RecoveryReport;
  readonly stats: StoreStats;
  /** Set once a sync failed or an invariant broke: every later append is refused with it. */
  readonly failure: Error | null;
  /** More bytes wait for a commit than the limit allows: wait for `drained` before the next append. */
  readonly backlogged: boolean;
  drained(): Promise<void>;
  /** Resolves when `failure` is set. */
  readonly failed: Promise<Error>;

  get(name: string): Log | undefined;
  /**
   * Makes a new log (1 to 600 bytes of UTF-8 name) and returns it at once; it is durable with its first
   * append or `sync`. @throws {LogExistsError} @throws {TooLargeError} @throws {IllFormedTextError}
   */
  create(name: string, options?: LogOptions): Log;
  /** All logs, in order of creation. */
  list(): Log[];
  /**
   * Removes the log and gives its space back, durably. After a {@link DiskFullError} the log is gone for this
   * process, but may be there again after a crash: call it again when there is room.
   *
   * @throws {DiskFullError}
   */
  delete(name: string): Promise<void>;
  /** Syncs, writes the index checkpoint, marks the directory clean and lets go of it. */
  close(): Promise<void>;
}
