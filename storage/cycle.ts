/**
 * What one commit cycle carries: the bytes, who waits for them, and what changes in the catalog.
 *
 * @module
 */

import type { CatalogRecord } from "./catalog_record.ts";
import type { ByteRange } from "./extent.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import type { RecordBatch } from "./record_batch.ts";
import { type ChunkPool, NO_PIECES, type Piece, Staging } from "./staging.ts";

type Resolve = (position: number) => void;
type Reject = (error: Error) => void;

/** One cycle, first while it is filled, then while it is in flight. Used again and again. */
export class Cycle {
  readonly staging: Staging;
  /** Logs with bytes in this cycle, and beside it their pieces once the cycle has taken off. */
  readonly dirty: LogState[] = [];
  readonly pieces: (readonly Piece[])[] = [];
  readonly records: CatalogRecord[] = [];
  /** Given back once the records are synced. */
  readonly releases: ByteRange[] = [];
  /** Logs that are to come home in this cycle, and whether all are. */
  readonly homing = new Set<LogState>();
  mustHomeAll = false;
  /** It carries nothing: it only brings more home of what the cycle before it left. */
  isHoming = false;
  /** Everything written so far is to be synced, whatever the logs' modes. */
  mustSync = false;
  pendingBytes = 0;
  /** Of its logs some are to be synced. */
  isAnySynced = false;
  /** As durable as it was to be: who waits for it is answered, and not rejected any more. */
  isDurable = false;
  /** Nobody waits for it any more. */
  isOver = false;
  /** Who has been answered. */
  #answered = 0;
  // One column each: an object per waiting append would be the dearest part of it.
  readonly #resolves: Resolve[] = [];
  readonly #rejects: Reject[] = [];
  readonly #positions: number[] = [];
  readonly #logs: (LogState | null)[] = [];
  #watchers: { resolve: () => void; reject: Reject }[] = [];

  constructor(pool: ChunkPool, limits: StorageLimits) {
    this.staging = new Staging(pool, limits);
  }

  get hasWork(): boolean {
    return this.dirty.length > 0 || this.mustSync || this.mustHomeAll || this.#watchers.length > 0;
  }

  /** Appends that wait for it. */
  get waiters(): number {
    return this.#resolves.length;
  }

  /** Copies the batch and moves the log's end. */
  add(log: LogState, batch: RecordBatch): void {
    if (!log.isDirty) {
      log.isDirty = true;
      log.wake();
      this.dirty.push(log);
      this.isAnySynced ||= log.durability === "each";
    }
    this.staging.add(log, batch);
    this.pendingBytes += batch.bytes.length;
  }

  /** From here on appends go to the other cycle. */
  takeOff(): void {
    for (const log of this.dirty) {
      this.pieces.push(log.pieces);
      log.pieces = NO_PIECES;
      log.isDirty = false;
    }
  }

  /** Somebody waits for the log's newest batch. */
  addWaiter(log: LogState, position: number, settle: { resolve: Resolve; reject: Reject }): void {
    this.#resolves.push(settle.resolve);
    this.#rejects.push(settle.reject);
    this.#positions.push(position);
    this.#logs.push(log);
  }

  /** Resolves or rejects with the whole cycle. */
  done(): Promise<void> {
    return new Promise((resolve, reject) => this.#watchers.push({ resolve, reject }));
  }

  /** Answers up to `count` of those who wait, in order. True: more wait. */
  resolveSome(count: number): boolean {
    const end = Math.min(this.#answered + count, this.#resolves.length);
    for (let index = this.#answered; index < end; index++) {
      if (this.#logs[index] !== null) this.#resolves[index]!(this.#positions[index]!);
    }
    this.#answered = end;
    if (end < this.#resolves.length) return true;
    this.isOver = true;
    for (const { resolve } of this.#watchers.splice(0)) resolve();
    return false;
  }

  rejectAll(error: Error): void {
    this.isOver = true;
    for (let index = 0; index < this.#rejects.length; index++) {
      if (this.#logs[index] !== null) this.#rejects[index]!(error);
    }
    for (const { reject } of this.#watchers) reject(error);
  }

  /** Rejects what waits for one log, and takes the log's bytes out while they are still being gathered. */
  rejectLog(log: LogState, error: Error): void {
    for (let index = 0; index < this.#logs.length; index++) {
      if (this.#logs[index] !== log) continue;
      this.#logs[index] = null;
      this.#rejects[index]!(error);
    }
  }

  /** Takes a log out of a cycle that is being filled. */
  dropLog(log: LogState): void {
    if (!log.isDirty) return;
    log.isDirty = false;
    for (const piece of log.pieces) this.pendingBytes -= piece.bodyBytes;
    log.pieces = NO_PIECES;
    this.dirty.splice(this.dirty.indexOf(log), 1);
    this.staging.closeOpen();
  }

  /** Ready to be filled again. */
  clear(): void {
    this.staging.clear();
    for (const pieces of this.pieces) this.staging.recycle(pieces);
    this.dirty.length =
      this.pieces.length =
      this.records.length =
      this.releases.length =
        0;
    this.#resolves.length = this.#rejects.length = 0;
    this.#positions.length = this.#logs.length = 0;
    this.#watchers = [];
    if (this.homing.size > 0) this.homing.clear();
    this.mustHomeAll = this.isHoming = this.mustSync = false;
    this.pendingBytes = 0;
    this.isAnySynced = this.isDurable = this.isOver = false;
    this.#answered = 0;
  }
}
