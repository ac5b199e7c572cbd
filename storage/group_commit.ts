/**
 * The commit cycle: one is in flight at a time; it writes each dirty log's frames with one call to the
 * disk, syncs, and then answers everybody who waited. What arrives meanwhile is the next cycle.
 *
 * @module
 */

import type { Clock, Disk, Logger, Timer } from "../world/mod.ts";
import { Answers } from "./answers.ts";
import { Cycle } from "./cycle.ts";
import { type CycleLayout, isNoSpace } from "./cycle_layout.ts";
import type { DataFile } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { copyPoint } from "./extent.ts";
import { DiskFullError, StoreFailedError } from "./errors.ts";
import { type AwayFrame, type AwayPool, NOTHING_AWAY } from "./journal.ts";
import { LatencyWindow } from "./latency_window.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import type { RecordBatch } from "./record_batch.ts";
import type { ChunkPool } from "./staging.ts";

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
  /** Bytes of records in the journal since the start. */
  journalBytes = 0;
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
  readonly #layout: CycleLayout;
  readonly #pool: ChunkPool;
  readonly #awayPool: AwayPool;
  readonly #limits: StorageLimits;
  readonly #journal: LogState;
  readonly #hooks: CycleHooks;
  readonly #unsynced = new Set<LogState>();
  readonly #journalDirty: DataFile[] = [];
  readonly #awayLogs = new Set<LogState>();
  #awayBytes = 0;
  /** Something of the cycle that is in flight may be on disk. */
  #hasWritten = false;
  #onFailed!: (error: Error) => void;
  #filling: Cycle;
  readonly #spares: Cycle[] = [];
  #inFlight: Cycle | null = null;
  readonly #answers: Answers;
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
    layout: CycleLayout;
    pool: ChunkPool;
    awayPool: AwayPool;
    limits: StorageLimits;
    journal: LogState;
    hooks: CycleHooks;
  }) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#files = options.files;
    this.#layout = options.layout;
    this.#pool = options.pool;
    this.#awayPool = options.awayPool;
    this.#limits = options.limits;
    this.#journal = options.journal;
    this.#hooks = options.hooks;
    this.#filling = new Cycle(options.pool, options.limits);
    this.#answers = new Answers({
      clock: options.clock,
      limits: options.limits,
      filling: () => this.#filling,
      onOver: (cycle) => {
        if (cycle !== this.#inFlight) this.#putAway(cycle);
      },
    });
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
    const { position } = log.end;
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

  /** The run could not begin for want of room: the next cycle tries again. */
  beginLater(): void {
    this.#needsRestart = true;
  }

  /** Sees to it that what the filling cycle has gets its turn. */
  kick(): void {
    if (this.#isRunning || this.failure !== null) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Everything accepted so far is synced when it resolves. */
  sync(): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    this.#filling.mustSync = true;
    const done = this.#filling.done();
    this.kick();
    return done;
  }

  /** Resolves when everything of the log that was written so far is in its own extents. */
  home(log: LogState): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    this.#filling.homing.add(log);
    return this.sync();
  }

  /** In the next cycle all logs come home. */
  homeAll(): void {
    this.#filling.mustHomeAll = this.#filling.mustSync = true;
    this.kick();
  }

  /** Bytes in the journal that are not at home. */
  get awayBytes(): number {
    return this.#awayBytes;
  }
  get awayLogs(): ReadonlySet<LogState> {
    return this.#awayLogs;
  }

  /** Takes frames as away: found at recovery, or written to the journal of a new run. */
  adopt(log: LogState, frames: AwayFrame[]): void {
    this.dropAway(log);
    if (frames.length === 0) return;
    log.away = frames;
    for (const { bodyStart, end } of frames) log.awayBytes += end - bodyStart;
    this.#awayBytes += log.awayBytes;
    this.#awayLogs.add(log);
  }

  /** Frames that were laid out and did not get to be away. */
  letGo(frames: readonly AwayFrame[]): void {
    for (const { chunk } of frames) this.#pool.release(chunk);
  }

  /** Forgets what is away of a log. */
  dropAway(log: LogState): void {
    if (log.away.length === 0) return;
    for (const frame of log.away) {
      this.#pool.release(frame.chunk);
      this.#awayPool.give(frame);
    }
    this.#awayBytes -= log.awayBytes;
    log.away = NOTHING_AWAY;
    log.awayBytes = 0;
    this.#awayLogs.delete(log);
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
    this.#noteAllSynced();
  }

  #noteAllSynced(): void {
    this.#journalDirty.length = 0;
    for (const log of this.#unsynced) {
      log.noteSynced();
      log.maybeRest();
    }
    if (this.#unsynced.size > 0) this.#unsynced.clear();
    this.#journal.noteSynced();
  }

  /** No append is taken any more, and everybody who waits is told. */
  fail(cause: unknown): void {
    if (this.failure !== null) return;
    this.failure = cause instanceof StoreFailedError ? cause : new StoreFailedError(
      `The store takes no more appends: ${cause instanceof Error ? cause.message : cause} ` +
        `Look at the disk, then restart the process; what was acknowledged is recovered from disk.`,
      { cause },
    );
    this.stop();
    this.#logger.log("error", "the store failed", { error: String(cause) });
    for (const cycle of [this.#inFlight, this.#filling]) {
      if (cycle === null || cycle.isDurable) continue;
      cycle.rejectAll(this.failure);
      for (const log of cycle.dirty) copyPoint(log.end, log.written);
    }
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
        await this.#runCycle(this.#takeFilling());
        while (this.#layout.moreToHome && this.failure === null) {
          await this.#runCycle(this.#newHomingCycle());
        }
      }
    } catch (error) {
      this.fail(error);
    }
    this.#inFlight = null;
    this.#isRunning = false;
    this.#wake(this.#cycleWaiters);
    this.#wake(this.#idleWaiters);
  }

  #takeFilling(): Cycle {
    const cycle = this.#filling;
    this.#filling = this.#newCycle();
    return cycle;
  }

  #newCycle(): Cycle {
    return this.#spares.pop() ?? new Cycle(this.#pool, this.#limits);
  }

  /**
   * ⛔ Nothing is appended between cycles that bring all logs home, and only the last of them syncs: frames at
   * home that are synced must not stand behind others that are not. What they bring is durable in the journal.
   */
  #newHomingCycle(): Cycle {
    const cycle = this.#newCycle();
    cycle.mustHomeAll = cycle.isHoming = true;
    return cycle;
  }

  async #runCycle(cycle: Cycle): Promise<void> {
    this.#inFlight = cycle;
    cycle.takeOff();
    try {
      this.#hasWritten = false;
      this.#layout.begin();
      if (this.#needsRestart) await this.#restart(cycle);
      await this.#layout.layOut(cycle, this.#awayLogs);
      await this.#commit(cycle);
    } catch (error) {
      await this.#handleFailure(cycle, error);
    }
    await this.#answers.give(cycle);
    if (this.failure === null) {
      const after = this.#hooks.afterCycle(cycle);
      if (after !== undefined) await after;
    }
    this.#inFlight = null;
    if (cycle.isOver) this.#putAway(cycle);
    this.#wake(this.#cycleWaiters);
  }

  #putAway(cycle: Cycle): void {
    cycle.clear();
    this.#spares.push(cycle);
    if (!this.isBacklogged) this.#wake(this.#drainWaiters);
  }

  async #commit(cycle: Cycle): Promise<void> {
    if (cycle.isHoming) cycle.mustSync = !this.#layout.moreToHome;
    const { writes, touched } = this.#layout.list;
    for (const file of touched) file.isDirty = true;
    if (this.#layout.journalMoved) {
      const dirty = this.#journalDirty;
      for (const { file } of this.#journal.extents) {
        if (touched.includes(file) && !dirty.includes(file)) dirty.push(file);
      }
    }
    const syncs = this.#filesToSync(cycle);
    if (writes.length > 0 || syncs.length > 0) {
      const startMs = this.#clock.nowMs();
      this.#hasWritten = true;
      await this.#disk.commit(writes, syncs.map((file) => file.disk!));
      this.latency.add(this.#clock.nowMs() - startMs);
      this.commits++;
      this.syncs += syncs.length;
    }
    for (const file of syncs) file.isDirty = false;
    this.#promote(cycle);
    cycle.isDurable = true;
    cycle.staging.clear();
  }

  /** With any log that must be durable, so must be the journal that says where it stands. */
  #filesToSync(cycle: Cycle): DataFile[] {
    if (cycle.mustSync) return [...this.#files.all()].filter((file) => file.isDirty);
    if (cycle.isHoming) return [];
    const files = new Set<DataFile>();
    let isAnyEach = false;
    for (const { log } of this.#layout.home) {
      if (log.durability !== "each") continue;
      isAnyEach = true;
      for (let index = log.extents.length - 1; index >= 0; index--) {
        const extent = log.extents[index]!;
        files.add(extent.file);
        if (!extent.isNew) break;
      }
    }
    isAnyEach ||= this.#layout.data.some(({ log }) => log.durability === "each");
    if (isAnyEach) { for (const file of this.#journalDirty) files.add(file); }
    return [...files];
  }

  #promote(cycle: Cycle): void {
    const { home, away, data, list, journalMoved } = this.#layout;
    this.frameBytes += list.lengthBytes;
    let isAnySynced = cycle.mustSync;
    for (const { log } of home) {
      const isSynced = cycle.mustSync || (!cycle.isHoming && log.durability === "each");
      isAnySynced ||= isSynced;
      log.goesHome = log.away.length === 0;
      log.comeHome(isSynced);
      this.dropAway(log);
      if (isSynced) log.maybeRest();
      else this.#noteUnsynced(log);
    }
    for (let index = 0; index < away.length; index++) {
      const { log } = data[index]!;
      const frame = away[index]!;
      const isSynced = cycle.mustSync || log.durability === "each";
      isAnySynced ||= isSynced;
      log.goAway(frame, isSynced);
      if (log.away.length === 1) this.#awayLogs.add(log);
      this.#awayBytes += frame.end - frame.bodyStart;
      if (!isSynced) this.#noteUnsynced(log);
    }
    if (journalMoved) {
      this.journalBytes += this.#journal.laid.payload - this.#journal.homed.payload;
      this.#journal.comeHome(false);
    }
    if (isAnySynced) {
      this.#journalDirty.length = 0;
      this.#journal.noteSynced();
    }
    if (!cycle.mustSync) return;
    this.#noteAllSynced();
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
    this.#layout.moreToHome = false;
    const { away } = this.#layout;
    const given = this.#layout.undo(cycle, { hasWritten: this.#hasWritten });
    this.letGo(away);
    away.length = 0;
    if (given !== null && !this.#needsRestart) {
      // Nothing reached the disk: what is to be noted is noted by the next cycle.
      this.#filling.records.unshift(...given);
      // The sync that it was to make is owed all the same, and what came home without one before it.
      if (cycle.mustSync || cycle.isHoming) await this.syncDirtyFiles();
    } else {
      this.#needsRestart = true;
      await this.#restart(cycle).catch((failure) => {
        if (!isNoSpace(failure)) return this.fail(failure);
        this.#filling.releases.push(...cycle.releases.splice(0));
      });
    }
    const full = new DiskFullError(
      "An append found no room on disk. What was acknowledged is safe; make room and try again.",
      { cause: error },
    );
    cycle.rejectAll(full);
    for (const log of [...cycle.dirty]) this.#rejectFilling(log, full);
  }

  /**
   * After a write that found no room, frames that were refused may stand on disk with every mark of being
   * right. A new run makes them somebody else's.
   */
  async #restart(cycle: Cycle): Promise<void> {
    await this.#hooks.restart(cycle);
    this.#needsRestart = false;
  }

  #rejectFilling(log: LogState, error: Error): void {
    this.#filling.rejectLog(log, error);
    this.#filling.dropLog(log);
    copyPoint(log.end, log.written);
  }

  #wake(waiters: (() => void)[]): void {
    for (const wake of waiters.splice(0)) wake();
  }
}
