/**
 * Many logs in shared files: brings the commit cycle, the catalog, the checkpoints and the files together.
 *
 * @module
 */

import { assert, type Clock, type Disk, type Logger, type Random } from "../world/mod.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { DataRecord } from "./catalog_record.ts";
import type { Crc32c } from "./crc32c.ts";
import type { Cycle } from "./cycle.ts";
import { CycleLayout, isNoSpace } from "./cycle_layout.ts";
import type { DataFiles } from "./data_files.ts";
import { Deletions } from "./deletions.ts";
import {
  DiskFullError,
  LogClosedError,
  LogExistsError,
  OutOfRangeError,
  TooLargeError,
} from "./errors.ts";
import { copyPoint, type Extent } from "./extent.ts";
import { ExtentSource } from "./extent_source.ts";
import { FrameSealer, FrameWriter } from "./frame_writer.ts";
import { GroupCommit } from "./group_commit.ts";
import { AwayFrame, AwayPool, Journal, NOTHING_AWAY } from "./journal.ts";
import type { StorageLimits } from "./limits.ts";
import { mustBeLogName, mustDifferInName } from "./log_name.ts";
import { LogReader } from "./log_reader.ts";
import { LogState } from "./log_state.ts";
import { isWhole, type RecordBatch } from "./record_batch.ts";
import type { FoundCheckpoint, Recovered } from "./recovery.ts";
import { RunKeeper, type RunKeeperOptions } from "./run_keeper.ts";
import { ChunkPool } from "./staging.ts";
import { CATALOG_LOG_ID, FIRST_USER_LOG_ID, type LogImage, newLogImage } from "./store_image.ts";
import type {
  Durability,
  Log,
  LogOptions,
  LogStore,
  ReadLimits,
  ReadResult,
  RecoveryReport,
  StoreStats,
} from "./types.ts";
import { Reserve, type ReserveOptions } from "./reserve.ts";
import { type LogHost, WalLog } from "./wal_log.ts";
import { WriteList } from "./write_list.ts";
import { ZeroAhead } from "./zero_ahead.ts";

/** What a store is made from. */
export interface WalStoreOptions {
  disk: Disk;
  clock: Clock;
  random: Random;
  logger: Logger;
  crc: Crc32c;
  limits: StorageLimits;
  durability: Durability;
  bootId: string;
  files: DataFiles;
  recovered: Recovered;
  reserve: ReserveOptions | null;
  /** The index that it was recovered from; `null` for a new store. */
  checkpoint: FoundCheckpoint["file"];
}

/** {@link LogStore} on a disk. Made by `openLogStore`. */
export class WalStore implements LogStore, LogHost {
  readonly recovery: RecoveryReport;
  /** Without what was recovered: it would be a second copy of everything. */
  readonly #options: Omit<WalStoreOptions, "recovered" | "checkpoint"> & {
    storeId: string;
    salt: number;
    isNew: boolean;
  };
  readonly #files: DataFiles;
  readonly #logs = new Map<string, WalLog>();
  readonly #deletions = new Deletions();
  readonly #commit: GroupCommit;
  readonly #keeper: RunKeeper;
  readonly #reader: LogReader;
  readonly #reserve: Reserve;
  readonly #pool: ChunkPool;
  #nextLogId: number;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  constructor(options: WalStoreOptions) {
    const { recovered, checkpoint, ...world } = options;
    const { disk, crc, files, limits } = world;
    const { image } = recovered;
    const { storeId, salt } = image;
    this.#options = { ...world, storeId, salt, isNew: checkpoint === null };
    this.#files = files;
    this.recovery = recovered.report;
    this.#nextLogId = Math.max(image.nextLogId, FIRST_USER_LOG_ID);
    mustDifferInName(image.logs.filter(({ id }) => id !== CATALOG_LOG_ID));
    for (const log of image.logs) if (log.id !== CATALOG_LOG_ID) this.#add(log);
    for (const { state } of this.#logs.values()) {
      for (const extent of state.extents) files.claim(extent.range);
    }
    const key = { crc, salt: image.salt };
    this.#reader = new LogReader({ disk, key, limits });
    this.#reserve = new Reserve(world, world.reserve);
    this.#pool = new ChunkPool(disk, limits);
    // ⛔ Of the run before nothing is needed once this run's checkpoints are written, and all of it until then:
    // a power loss in between has the next start read the old journal again.
    const last = image.logs.find(({ id }) => id === CATALOG_LOG_ID) ??
      newLogImage(CATALOG_LOG_ID, "catalog", null);
    const log = new LogState(last, { files, durability: "each" });
    log.wake();
    for (const extent of log.extents) files.claim(extent.range);
    const run = { run: 0, nextGeneration: image.nextGeneration };
    const source = new ExtentSource({ files, limits, run });
    const sealer = new FrameSealer({ key, limits });
    const list = new WriteList();
    const zeroAhead = new ZeroAhead({ disk, limits, list });
    const pool = this.#pool;
    const awayPool = new AwayPool();
    const journal = new Journal({ log, source, sealer, list, limits, zeroAhead, pool, awayPool });
    const writer = new FrameWriter({ source, sealer, list });
    const layout = new CycleLayout({ list, source, files, writer, journal, limits });
    const checkpointer = new Checkpointer({ disk, crc, sequence: image.sequence });
    this.#keeper = new RunKeeper({
      ...world,
      checkpoint,
      held: recovered.held,
      run,
      journal,
      layout,
      checkpointer,
      reserve: this.#reserve,
      describe: () => this.#describe(),
    });
    this.#commit = new GroupCommit({
      ...world,
      layout,
      pool,
      awayPool,
      journal: log,
      hooks: {
        afterCycle: (cycle) => this.#keeper.afterCycle(cycle),
        restart: (cycle) => this.#keeper.restart(cycle),
      },
    });
    this.#keeper.commit = this.#commit;
    if (recovered.away.size === 0) return;
    const byId = new Map([...this.#logs.values()].map(({ state }) => [state.id, state]));
    for (const [logId, data] of recovered.away) this.#adopt(byId.get(logId)!, data);
  }

  get failure(): Error | null {
    return this.#commit.failure;
  }
  get failed(): Promise<Error> {
    return this.#commit.failed;
  }
  get backlogged(): boolean {
    return this.#commit.isBacklogged;
  }
  get stats(): StoreStats {
    const commit = this.#commit;
    return {
      appends: commit.appends,
      records: commit.records,
      payloadBytes: commit.payloadBytes,
      commits: commit.commits,
      syncs: commit.syncs,
      fileBytes: this.#files.totalBytes,
      files: this.#files.count,
      pendingBytes: commit.pendingBytes,
      commitLatencyMsP50: commit.latency.quantileMs(0.5),
      commitLatencyMsP99: commit.latency.quantileMs(0.99),
    };
  }

  drained(): Promise<void> {
    return this.#commit.drained();
  }

  get(name: string): Log | undefined {
    return this.#logs.get(name);
  }

  list(): Log[] {
    return [...this.#logs.values()];
  }

  create(name: string, options: LogOptions = {}): Log {
    this.#mustBeOpen();
    mustBeLogName(name);
    if (this.#logs.has(name)) throw new LogExistsError(`There is a log named ${name} already.`);
    const { records } = this.#commit.filling;
    const gone = this.#deletions.unnoted(name);
    if (gone !== undefined) records.push({ kind: "deleted", logId: gone });
    const durability = options.durability ?? null;
    const logId = this.#nextLogId++;
    records.push({ kind: "created", logId, name, durability });
    return this.#add(newLogImage(logId, name, durability));
  }

  async delete(name: string): Promise<void> {
    this.#mustBeOpen();
    const entry = this.#logs.get(name);
    if (entry !== undefined) this.#logs.delete(name);
    await this.#deletions.finish(name, {
      begun: entry === undefined ? null : this.#delete(name, entry.state),
      sync: () => this.#reserve.watch(null, this.#commit.sync()),
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // What logs ask for.

  append(log: LogState, batch: RecordBatch): Promise<number> {
    const refusal = this.#refusal(log, batch);
    if (refusal !== null) return Promise.reject(refusal);
    if (batch.count === 0) return Promise.resolve(log.end.position);
    const appended = this.#commit.append(log, batch);
    return this.#reserve.isVital(log.name) ? this.#reserve.watch(log.name, appended) : appended;
  }

  read(log: LogState, position: number, limits: ReadLimits): Promise<ReadResult> {
    return this.#reader.read(log, position, limits);
  }

  lastControl(log: LogState): Promise<{ position: number; payload: Uint8Array } | null> {
    return this.#reader.lastControl(log);
  }

  positionOfOffset(log: LogState, offset: number): Promise<number> {
    return this.#reader.positionOfOffset(log, offset);
  }

  async sync(log: LogState): Promise<void> {
    this.#mustNotHaveFailed();
    // An empty log may not even be created on disk yet.
    if (log.end.position > 0 && log.synced.position === log.end.position) return;
    await this.#commit.sync();
  }

  async truncateTail(log: LogState, position: number): Promise<void> {
    for (;;) {
      this.#mustTakeChanges(log);
      // What stays must be durable before the cut is: recovery does not look before it.
      await this.#commit.sync();
      this.#mustTakeChanges(log);
      if (position === log.end.position) return;
      mustHold(log, position);
      if (log.away.length > 0) {
        const end = log.written.position;
        await this.#commit.home(log);
        this.#mustBeHome(log, end);
        continue;
      }
      const cut = await this.#reader.pointAt(log, position);
      const lastExtent = log.extents[cut.extentIndex];
      const lastControl = lastExtent === undefined || lastExtent.lastControl < 0
        ? -1
        : await this.#reader.lastControlFrame(log, lastExtent, position);
      // Appends that came meanwhile stand behind the cut: they must be written first.
      const isStill = log.end.position === log.homed.position && !log.isDirty &&
        log.extents[cut.extentIndex] === lastExtent && !log.isClosed;
      if (!isStill) continue;
      return await this.#cutTail(log, { ...cut, lastControl });
    }
  }

  async trimHead(log: LogState, position: number): Promise<void> {
    for (;;) {
      this.#mustTakeChanges(log);
      if (position <= log.start.position) return;
      if (position > log.written.position) await this.#commit.sync();
      mustHold(log, position);
      if (position > log.homed.position) {
        await this.#commit.home(log);
        this.#mustBeHome(log, position);
        continue;
      }
      const { point, extentIndex } = await this.#reader.pointAt(log, position);
      this.#mustTakeChanges(log);
      if (position <= log.start.position) return; // another trim was faster
      // The extents may have moved while the disk was read. Behind what is at home may be new ones, laid out and
      // not written yet: the position is in none of those before them.
      const isStill = log.extentAt(position) === extentIndex ||
        position === log.homed.position || position === log.written.position;
      if (isStill) return await this.#trimHead(log, point);
      // What moves them is a cycle: without a wait for it nothing else would get its turn.
      await this.#commit.inFlightOver();
    }
  }

  // How it works inside.

  /**
   * Begins this process's run. Nothing may be appended before. Where the disk is full, the first append
   * that finds room begins it; until then reads go on and appends are refused.
   *
   * @throws {DiskError}
   */
  async begin(): Promise<void> {
    if (this.#options.isNew) await this.#keeper.writeFirst();
    await this.#keeper.start();
    await this.#reserve.begin();
  }

  async #delete(name: string, state: LogState): Promise<void> {
    state.isClosed = true;
    this.#deletions.begin(name, state.id);
    const error = new LogClosedError(`Log ${name} was deleted.`);
    this.#commit.filling.rejectLog(state, error);
    this.#commit.filling.dropLog(state);
    await this.#commit.inFlightOver();
    this.#mustNotHaveFailed();
    const { filling } = this.#commit;
    this.#commit.dropAway(state);
    filling.records.push({ kind: "deleted", logId: state.id });
    this.#deletions.note(name, state.id);
    this.#release(filling, state.extents.splice(0));
    await this.#reserve.watch(null, this.#commit.sync());
  }

  #add(image: LogImage): WalLog {
    const { files, durability } = this.#options;
    const state = new LogState(image, { files, durability });
    const log = new WalLog(state, this);
    this.#logs.set(image.name, log);
    return log;
  }

  #refusal(log: LogState, batch: RecordBatch): Error | null {
    if (this.#commit.failure !== null) return this.#commit.failure;
    if (log.isClosed || this.#isClosed) return new LogClosedError(`Log ${log.name} is closed.`);
    const { bytes } = batch;
    const { batchBytesMax } = this.#options.limits;
    if (bytes.length > batchBytesMax) {
      return new TooLargeError(
        `A batch of ${bytes.length} bytes is over the limit of ${batchBytesMax}. Append it in parts.`,
      );
    }
    assert(isWhole(batch), "a batch is whole records, as many as it says");
    return this.#reserve.refusal(log.name, batch);
  }

  async #cutTail(
    log: LogState,
    cut: {
      point: { position: number; offset: number; payload: number };
      extentIndex: number;
      usedBytes: number;
      lastControl: number;
    },
  ): Promise<void> {
    const { point, extentIndex, usedBytes, lastControl } = cut;
    const { filling } = this.#commit;
    // A cut at an extent's very beginning leaves nothing of it.
    const kept = usedBytes === 0 ? extentIndex : extentIndex + 1;
    this.#release(filling, log.extents.splice(kept));
    const { tail } = log;
    if (tail !== undefined) {
      const before = tail.range;
      if (usedBytes > 0) {
        tail.usedBytes = tail.laidBytes = usedBytes;
        tail.lastControl = tail.laidControl = lastControl;
        tail.index?.cut(point.position);
      }
      // Old frames behind the cut are still good ones: the extent ends here, and takes no more.
      tail.sizeBytes = tail.usedBytes;
      const start = tail.start + tail.range.length;
      const length = before.length - tail.range.length;
      if (length > 0) filling.releases.push({ file: tail.file, start, length });
    }
    for (const at of [log.laid, log.homed, log.written, log.synced, log.end]) copyPoint(at, point);
    log.homeSynced = point.position;
    log.damage = log.damage.filter(({ first }) => first.position < point.position);
    filling.records.push({
      kind: "tailCut",
      logId: log.id,
      end: { ...point },
      extents: log.extents.length,
      sizeBytes: tail?.sizeBytes ?? 0,
      usedBytes: tail?.usedBytes ?? 0,
      lastControl: tail?.lastControl ?? -1,
    });
    await this.#commit.sync();
  }

  async #trimHead(
    log: LogState,
    point: { position: number; offset: number; payload: number },
  ): Promise<void> {
    const { filling } = this.#commit;
    const isAll = point.position === log.homed.position && log.laid.position === point.position;
    const keptFrom = isAll && !log.isDirty ? log.extents.length : log.extentAt(point.position);
    this.#release(filling, log.extents.splice(0, keptFrom));
    log.start = { ...point };
    log.damage = log.damage.filter(({ next }) => next.position > point.position);
    filling.records.push({
      kind: "headTrimmed",
      logId: log.id,
      start: { ...point },
      extents: keptFrom,
    });
    await this.#commit.sync();
  }

  #release(cycle: Cycle, extents: Extent[]): void {
    for (const extent of extents) {
      extent.isGone = true;
      cycle.releases.push(extent.range);
    }
  }

  #describe(): ReturnType<RunKeeperOptions["describe"]> {
    const { storeId, salt, bootId, durability } = this.#options;
    return {
      storeId,
      salt,
      nextLogId: this.#nextLogId,
      bootId,
      durability,
      logs: [...this.#logs.values()].map(({ state }) => state.toImage()),
    };
  }

  /** What recovery found in the journal and not at home. */
  #adopt(log: LogState, data: readonly DataRecord[]): void {
    const frames = data.map((record) => {
      const chunk = this.#pool.hold(record.bytes);
      return new AwayFrame(chunk).set({ chunk, bodyStart: 0, end: record.bytes.length }, record);
    });
    log.wake();
    for (const frame of frames) log.goAway(frame, true);
    copyPoint(log.end, log.written);
    log.away = NOTHING_AWAY;
    log.awayBytes = 0;
    this.#commit.adopt(log, frames);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#commit.failure === null) {
      this.#commit.homeAll();
      await this.#commit.sync().catch(() => {});
      await this.#commit.idle();
    }
    this.#commit.stop();
    await this.#keeper.idle();
    if (this.#commit.failure === null) {
      await this.#commit.syncDirtyFiles();
      // What found no room at home is in the journal: the next start reads it there.
      if (this.#commit.awayBytes === 0) await this.#markClean();
    }
    await this.#files.close();
  }

  /** Where there is no room for it, the next start recovers as after a kill. */
  async #markClean(): Promise<void> {
    try {
      await this.#keeper.writeClean();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.#options.logger.log("warn", "the disk is full: the directory can't be marked clean");
    }
  }

  /** A log that found no room at home can't be cut or trimmed there. */
  #mustBeHome(log: LogState, position: number): void {
    if (log.homed.position >= position || log.isClosed) return;
    throw new DiskFullError(
      `Log ${log.name} can't be cut: there is no room on disk. Make room first.`,
    );
  }

  #mustBeOpen(): void {
    this.#mustNotHaveFailed();
    if (this.#isClosed) throw new LogClosedError("The store is closed.");
  }

  #mustNotHaveFailed(): void {
    if (this.#commit.failure !== null) throw this.#commit.failure;
  }

  #mustTakeChanges(log: LogState): void {
    this.#mustBeOpen();
    if (log.isClosed) throw new LogClosedError(`Log ${log.name} is closed.`);
  }
}

function mustHold(log: LogState, position: number): void {
  if (position >= log.start.position && position <= log.end.position) return;
  throw new OutOfRangeError(
    `Log ${log.name} has records ${log.start.position} to ${log.end.position}, not ${position}.`,
  );
}
