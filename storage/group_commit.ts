/**
 * The commit cycle: one is in flight at a time; it writes each dirty log's frames with one call to the
 * disk, syncs, and then answers everybody who waited. What arrives meanwhile is the next cycle.
 *
 * @module
 */

import { assert, type Clock, type Disk, DiskError, type Logger, type Timer } from "../world/mod.ts";
import { Cycle } from "./cycle.ts";
import type { DataFile } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { copyPoint } from "./extent.ts";
import { DiskFullError, StoreFailedError } from "./errors.ts";
import { type FrameWriter, NeedsSpace } from "./frame_writer.ts";
import { LatencyWindow } from "./latency_window.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import type { RecordBatch } from "./record_batch.ts";
import { ChunkPool, type Piece } from "./staging.ts";

/** Unsynced records of a log that make the next cycle sync. */
const UNSYNCED_RECORDS_MAX = 2 ** 30;

/** What happens around a cycle. */
export interface CycleHooks {
  /** A cycle is done; nothing is in flight. May do I/O of its own before the next. */
  afterCycle(cycle: Cycle): Promise<void> | undefined;
  /** A write found no room: the frames of the cycle may be on disk or not. Makes that not matter. */
  restart(cycle: Cycle): Promise<void>;
}

/** Runs the cycles of one store. */
export class GroupCommit {
  readonly latency = new LatencyWindow();
  commits = 0;
  syncs = 0;
  appends = 0;
  records = 0;
  payloadBytes = 0;
  /** Bytes of frames since the start. */
  frameBytes = 0;
  catalogBytes = 0;
  failure: Error | null = null;
  readonly failed: Promise<Error>;
  /** Made so that an append has nothing to make but its promise. */
  readonly #keepSettle: (
    resolve: (position: number) => void,
    reject: (error: Error) => void,
  ) => void;
  readonly #settle: { resolve: (position: number) => void; reject: (error: Error) => void } = {
    resolve: () => {},
    reject: () => {},
  };
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #files: DataFiles;
  readonly #writer: FrameWriter;
  readonly #limits: StorageLimits;
  readonly #catalog: LogState;
  readonly #hooks: CycleHooks;
  readonly #unsynced = new Set<LogState>();
  readonly #catalogDirty = new Set<DataFile>();
  #onFailed!: (error: Error) => void;
  #filling: Cycle;
  #spare: Cycle;
  #inFlight: Cycle | null = null;
  #isRunning = false;
  #needsRestart = false;
  #syncTimer: Timer | null = null;
  #syncAtMs = 0;
  #drainWaiters: (() => void)[] = [];
  #idleWaiters: (() => void)[] = [];
  #cycleWaiters: (() => void)[] = [];

  constructor(options: {
    disk: Disk;
    clock: Clock;
    logger: Logger;
    files: DataFiles;
    writer: FrameWriter;
    limits: StorageLimits;
    catalog: LogState;
    hooks: CycleHooks;
  }) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#files = options.files;
    this.#writer = options.writer;
    this.#limits = options.limits;
    this.#catalog = options.catalog;
    this.#hooks = options.hooks;
    const pool = new ChunkPool(options.limits);
    this.#filling = new Cycle(pool, options.limits);
    this.#spare = new Cycle(pool, options.limits);
    this.failed = new Promise((resolve) => this.#onFailed = resolve);
    this.#keepSettle = (resolve, reject) => {
      this.#settle.resolve = resolve;
      this.#settle.reject = reject;
    };
  }

  /** The cycle that takes what comes now. */
  get filling(): Cycle {
    return this.#filling;
  }
  get pendingBytes(): number {
    return this.#filling.pendingBytes + (this.#inFlight?.pendingBytes ?? 0);
  }
  get isBacklogged(): boolean {
    return this.pendingBytes > this.#limits.pendingBytesMax;
  }

  /** Accepts a batch; resolves with its first position when it is as durable as the log's mode says. */
  append(log: LogState, batch: RecordBatch): Promise<number> {
    const position = log.end.position;
    const promise = new Promise<number>(this.#keepSettle);
    const cycle = this.#filling;
    const payload = batch.bytes.length - 4 * batch.count;
    cycle.add(log, batch);
    cycle.addWaiter(log, position, this.#settle);
    log.end.position = position + batch.count;
    log.end.offset += batch.entryCount;
    log.end.payload += payload;
    this.appends++;
    this.records += batch.count;
    this.payloadBytes += payload;
    if (!this.#isRunning) this.kick();
    return promise;
  }

  /** Sees to it that what the filling cycle has gets its turn. */
  kick(): void {
    if (this.#isRunning || this.failure !== null) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Everything accepted so far is synced when it resolves. */
  sync(): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.#refusal());
    this.#filling.mustSync = true;
    const done = this.#filling.done();
    this.kick();
    return done;
  }

  /** Resolves when less waits than the limit allows. */
  drained(): Promise<void> {
    if (!this.isBacklogged || this.failure !== null) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Resolves when no cycle is in flight and none waits. */
  idle(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Resolves when the cycle that is in flight, if any, is over. */
  async inFlightOver(): Promise<void> {
    const cycle = this.#inFlight;
    while (cycle !== null && this.#inFlight === cycle) {
      await new Promise<void>((resolve) => this.#cycleWaiters.push(resolve));
    }
  }
  stop(): void {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
  }

  /** Syncs what was written without it. Between cycles only. */
  async syncDirtyFiles(): Promise<void> {
    const dirty = [...this.#files.all()].filter((file) => file.isDirty);
    if (dirty.length > 0) {
      await this.#disk.commit([], dirty.map((file) => file.disk!));
      this.syncs += dirty.length;
    }
    for (const file of dirty) file.isDirty = false;
    this.#catalogDirty.clear();
    for (const log of this.#unsynced) copyPoint(log.synced, log.written);
    this.#unsynced.clear();
    copyPoint(this.#catalog.synced, this.#catalog.written);
  }

  /** No append is taken any more, and everybody who waits is told. */
  fail(cause: unknown): void {
    if (this.failure !== null) return;
    this.failure = cause instanceof StoreFailedError ? cause : new StoreFailedError(
      `The store takes no more appends: ${cause instanceof Error ? cause.message : cause} ` +
        `Restart the process; what was acknowledged is recovered from disk.`,
      { cause },
    );
    this.stop();
    this.#logger.log("error", "the store failed", { error: String(cause) });
    this.#inFlight?.rejectAll(this.failure);
    this.#filling.rejectAll(this.failure);
    this.#filling.takeOff();
    this.#filling.clear();
    this.#wake(this.#drainWaiters);
    this.#onFailed(this.failure);
  }

  async #run(): Promise<void> {
    // Appends that are made in the same turn share the first cycle.
    await undefined;
    try {
      while (this.#filling.hasWork && this.failure === null) {
        await this.#runCycle();
        // Those who were answered append again before the next cycle takes off.
        await new Promise<void>((resolve) => this.#clock.soon(resolve));
      }
    } catch (error) {
      this.fail(error);
    }
    this.#isRunning = false;
    this.#wake(this.#cycleWaiters);
    this.#wake(this.#idleWaiters);
  }

  async #runCycle(): Promise<void> {
    const cycle = this.#inFlight = this.#filling;
    this.#filling = this.#spare;
    cycle.takeOff();
    try {
      if (this.#needsRestart) await this.#restart(cycle);
      await this.#layOut(cycle);
      await this.#commit(cycle);
    } catch (error) {
      await this.#handleFailure(cycle, error);
    }
    if (this.failure === null) {
      const after = this.#hooks.afterCycle(cycle);
      if (after !== undefined) await after;
    }
    this.#inFlight = null;
    cycle.clear();
    this.#spare = cycle;
    if (!this.isBacklogged) this.#wake(this.#drainWaiters);
    this.#wake(this.#cycleWaiters);
  }

  async #layOut(cycle: Cycle): Promise<void> {
    this.#writer.begin(cycle.staging, cycle.records);
    const refused = new Set<LogState>();
    for (const [index, log] of cycle.dirty.entries()) {
      try {
        const pieces = cycle.pieces[index]!;
        // Room is there nearly always: no promise for it then.
        if (!this.#maybeLayOut(log, pieces)) {
          await this.#withRoom(() => this.#writer.layOut(log, pieces));
        }
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        this.rejectLog(log, diskFull(log.name, error));
        refused.add(log);
      }
    }
    if (refused.size > 0) cycle.keepDirty((log) => !refused.has(log));
    if (cycle.records.length > 0) {
      await this.#withRoom(() => this.#writer.layOutCatalog(this.#catalog, cycle.records));
    }
  }

  #maybeLayOut(log: LogState, pieces: Piece[]): boolean {
    try {
      this.#writer.layOut(log, pieces);
      return true;
    } catch (error) {
      if (error instanceof NeedsSpace) return false;
      throw error;
    }
  }

  /** Tries again with another file where the files have no room. */
  async #withRoom(layOut: () => void): Promise<void> {
    for (;;) {
      try {
        return layOut();
      } catch (error) {
        if (!(error instanceof NeedsSpace)) throw error;
        try {
          await this.#files.grow(error.bytes);
        } catch (failure) {
          if (!isNoSpace(failure)) throw failure;
          return this.#withLeastRoom(layOut, failure);
        }
      }
    }
  }

  /** The disk is full, but there may be a hole in the files that is large enough. */
  #withLeastRoom(layOut: () => void, failure: unknown): void {
    this.#writer.acceptsLeast = true;
    try {
      layOut();
    } catch (error) {
      throw error instanceof NeedsSpace ? failure : error;
    } finally {
      this.#writer.acceptsLeast = false;
    }
  }

  async #commit(cycle: Cycle): Promise<void> {
    const { writes, touched } = this.#writer;
    for (const file of touched) file.isDirty = true;
    const catalogMoved = cycle.records.length > 0;
    if (catalogMoved) {
      for (const extent of this.#catalog.extents) {
        if (touched.has(extent.file)) this.#catalogDirty.add(extent.file);
      }
    }
    const syncs = this.#filesToSync(cycle);
    if (writes.length > 0 || syncs.length > 0) {
      const startMs = this.#clock.nowMs();
      await this.#disk.commit(writes, syncs.map((file) => file.disk!));
      this.latency.add(this.#clock.nowMs() - startMs);
      this.commits++;
      this.syncs += syncs.length;
    }
    for (const file of syncs) file.isDirty = false;
    this.#promote(cycle, catalogMoved);
    cycle.resolveAll();
  }

  /** With any log that must be durable, so must be the catalog that says where it stands. */
  #filesToSync(cycle: Cycle): DataFile[] {
    if (cycle.mustSync) return [...this.#files.all()].filter((file) => file.isDirty);
    const files = new Set<DataFile>();
    for (const log of cycle.dirty) {
      if (log.durability !== "each") continue;
      for (let index = log.extents.length - 1; index >= 0; index--) {
        const extent = log.extents[index]!;
        files.add(extent.file);
        if (!extent.isNew) break;
      }
    }
    if (files.size > 0) { for (const file of this.#catalogDirty) files.add(file); }
    return [...files];
  }

  #promote(cycle: Cycle, catalogMoved: boolean): void {
    let bytes = 0;
    let isAnySynced = cycle.mustSync;
    for (const write of this.#writer.writes) bytes += write.length;
    this.frameBytes += bytes;
    for (const log of cycle.dirty) {
      const isSynced = cycle.mustSync || log.durability === "each";
      isAnySynced ||= isSynced;
      log.promote(isSynced);
      if (!isSynced) this.#noteUnsynced(log);
    }
    if (catalogMoved) {
      this.catalogBytes += this.#catalog.laid.payload - this.#catalog.written.payload;
      this.#catalog.promote(isAnySynced);
    }
    if (isAnySynced) {
      this.#catalogDirty.clear();
      copyPoint(this.#catalog.synced, this.#catalog.written);
    }
    if (!cycle.mustSync) return;
    for (const log of this.#unsynced) copyPoint(log.synced, log.written);
    this.#unsynced.clear();
    this.stop();
  }

  #noteUnsynced(log: LogState): void {
    this.#unsynced.add(log);
    if (log.written.position - log.synced.position > UNSYNCED_RECORDS_MAX) {
      this.#filling.mustSync = true;
    }
    if (typeof log.durability !== "object") return;
    const atMs = this.#clock.nowMs() + log.durability.ms;
    if (this.#syncTimer !== null && this.#syncAtMs <= atMs) return;
    this.stop();
    this.#syncAtMs = atMs;
    this.#syncTimer = this.#clock.after(log.durability.ms, () => {
      this.#syncTimer = null;
      this.#filling.mustSync = true;
      this.kick();
    });
  }

  async #handleFailure(cycle: Cycle, error: unknown): Promise<void> {
    if (!isNoSpace(error)) return this.fail(error);
    const full = diskFull("", error);
    this.#rollBack(cycle);
    cycle.rejectAll(full);
    for (const log of [...cycle.dirty]) this.#rejectFilling(log, full);
    this.#needsRestart = true;
    await this.#restart(cycle).catch((failure) => {
      if (!isNoSpace(failure)) this.fail(failure);
    });
  }

  /**
   * After a write that found no room, frames that were refused may stand on disk with every mark of being
   * right. A new run makes them somebody else's.
   */
  async #restart(cycle: Cycle): Promise<void> {
    await this.#hooks.restart(cycle);
    this.#needsRestart = false;
  }

  #rollBack(cycle: Cycle): void {
    for (const log of [...cycle.dirty, this.#catalog]) {
      for (const extent of log.rollBack()) this.#files.give(extent.range);
    }
  }

  /** Rejects all of a log that is accepted and not written: its end is where it was. */
  rejectLog(log: LogState, error: Error): void {
    this.#inFlight?.rejectLog(log, error);
    this.#rejectFilling(log, error);
  }

  #rejectFilling(log: LogState, error: Error): void {
    this.#filling.rejectLog(log, error);
    this.#filling.dropLog(log);
    copyPoint(log.end, log.written);
  }

  #refusal(): Error {
    assert(this.failure !== null, "a store refuses when it failed");
    return this.failure;
  }

  #wake(waiters: (() => void)[]): void {
    for (const wake of waiters.splice(0)) wake();
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof DiskError && error.code === "NoSpace" && error.op !== "sync";
}

function diskFull(log: string, cause: unknown): DiskFullError {
  const what = log === "" ? "An append" : `An append to log ${log}`;
  return new DiskFullError(
    `${what} found no room on disk. What was acknowledged is safe; make room and try again.`,
    { cause },
  );
}
