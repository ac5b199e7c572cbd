/**
 * Many logs in shared files: brings the commit cycle, the catalog, the checkpoints and the files together.
 *
 * @module
 */

import { assert, type Clock, type Disk, type Logger, type Random } from "../world/mod.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { Crc32c } from "./crc32c.ts";
import type { Cycle } from "./cycle.ts";
import type { DataFiles } from "./data_files.ts";
import { LogClosedError, LogExistsError, OutOfRangeError, TooLargeError } from "./errors.ts";
import { copyPoint, Extent } from "./extent.ts";
import { FrameWriter, LINK_BYTES, type WriterRun } from "./frame_writer.ts";
import { GroupCommit } from "./group_commit.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";
import { LogReader } from "./log_reader.ts";
import { LogState } from "./log_state.ts";
import { countRecords, type RecordBatch } from "./record_batch.ts";
import type { Recovered } from "./recovery.ts";
import {
  CATALOG_LOG_ID,
  FIRST_USER_LOG_ID,
  type LogImage,
  newLogImage,
  type StoreImage,
} from "./store_image.ts";
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
import { type LogHost, WalLog } from "./wal_log.ts";

/** Longest name of a log, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 600;

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
}

interface Entry {
  state: LogState;
  face: WalLog;
}

/** {@link LogStore} on a disk. Made by `openLogStore`. */
export class WalStore implements LogStore, LogHost {
  readonly recovery: RecoveryReport;
  readonly #options: WalStoreOptions;
  readonly #files: DataFiles;
  readonly #logs = new Map<string, Entry>();
  readonly #catalog: LogState;
  readonly #checkpointer: Checkpointer;
  readonly #commit: GroupCommit;
  readonly #reader: LogReader;
  readonly #run: WriterRun;
  #nextLogId: number;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  /** The catalog's last extent when the newest checkpoint was taken: the older one needs what is before. */
  #checkpointTail: Extent | null = null;
  /** Catalog extents of earlier runs: free once both checkpoints speak of this one. */
  readonly #oldCatalog: Extent[] = [];
  #frameBytesAtCheckpoint = 0;
  #catalogBytesAtCheckpoint = 0;
  #background: Promise<void> = Promise.resolve();

  constructor(options: WalStoreOptions) {
    const { disk, crc, files, limits, recovered } = options;
    const { image } = recovered;
    this.#options = options;
    this.#files = files;
    this.recovery = recovered.report;
    this.#nextLogId = Math.max(image.nextLogId, FIRST_USER_LOG_ID);
    this.#run = { run: 0, nextGeneration: image.nextGeneration };
    for (const log of image.logs) if (log.id !== CATALOG_LOG_ID) this.#add(log);
    const catalog = image.logs.find(({ id }) => id === CATALOG_LOG_ID) ??
      newLogImage(CATALOG_LOG_ID, "catalog", null);
    // Of the run before; nothing of it is needed once this run's checkpoints are written.
    this.#catalog = new LogState({ ...catalog, extents: [] }, { files, durability: "each" });
    for (const { state } of this.#logs.values()) {
      for (const extent of state.extents) files.claim(extent.range);
    }
    const key = { crc, salt: image.salt };
    this.#checkpointer = new Checkpointer({ disk, crc, sequence: image.sequence });
    this.#reader = new LogReader({ disk, key, limits });
    this.#commit = new GroupCommit({
      ...options,
      writer: new FrameWriter({ files, limits, key, run: this.#run }),
      catalog: this.#catalog,
      hooks: {
        afterCycle: (cycle) => this.#afterCycle(cycle),
        restart: (cycle) => this.#restart(cycle),
      },
    });
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
    return this.#logs.get(name)?.face;
  }

  list(): Log[] {
    return [...this.#logs.values()].map(({ face }) => face);
  }

  create(name: string, options: LogOptions = {}): Log {
    this.#mustBeOpen();
    const nameBytes = new TextEncoder().encode(name).length;
    if (nameBytes === 0 || nameBytes > NAME_BYTES_MAX) {
      throw new TooLargeError(`A log's name has 1 to ${NAME_BYTES_MAX} bytes, not ${nameBytes}.`);
    }
    if (this.#logs.has(name)) throw new LogExistsError(`There is a log named ${name} already.`);
    const durability = options.durability ?? null;
    const logId = this.#nextLogId++;
    this.#commit.filling.records.push({ kind: "created", logId, name, durability });
    return this.#add(newLogImage(logId, name, durability)).face;
  }

  async delete(name: string): Promise<void> {
    this.#mustBeOpen();
    const entry = this.#logs.get(name);
    if (entry === undefined) return;
    const { state } = entry;
    this.#logs.delete(name);
    state.isClosed = true;
    const error = new LogClosedError(`Log ${name} was deleted.`);
    this.#commit.filling.rejectLog(state, error);
    this.#commit.filling.dropLog(state);
    await this.#commit.inFlightOver();
    this.#mustNotHaveFailed();
    const { filling } = this.#commit;
    filling.records.push({ kind: "deleted", logId: state.id });
    this.#release(filling, state.extents.splice(0));
    await this.#commit.sync();
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
    return this.#commit.append(log, batch);
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
      const cut = await this.#reader.pointAt(log, position);
      const lastExtent = log.extents[cut.extentIndex];
      const lastControl = lastExtent === undefined || lastExtent.lastControl < 0
        ? -1
        : await this.#reader.lastControlFrame(log, lastExtent, position);
      // Appends that came meanwhile stand behind the cut: they must be written first.
      const isStill = log.end.position === log.written.position && !log.isDirty &&
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
      const { point, extentIndex } = await this.#reader.pointAt(log, position);
      this.#mustTakeChanges(log);
      // The extents may have moved while the disk was read.
      const isStill = log.extentAt(position) === extentIndex ||
        point.position === log.written.position;
      if (!isStill) continue;
      return await this.#trimHead(log, point);
    }
  }

  // How it works inside.

  /** Begins this process's run. Nothing may be appended before. @throws {DiskError} */
  async begin(): Promise<void> {
    const { image, report } = this.#options.recovered;
    const isNew = image.sequence === 0;
    // What a killed process wrote is read back from the page cache: the checkpoint may not call it durable
    // before it is.
    if (!report.clean) { for (const file of this.#files.all()) file.isDirty = true; }
    // Data files without an index are taken for a broken store: the index comes first.
    if (isNew) await this.#checkpointer.write(this.#image({ isClean: false }));
    await this.#beginRun(null);
    this.#deleteUnused();
  }

  #add(image: LogImage): Entry {
    const { files, durability } = this.#options;
    const state = new LogState(image, { files, durability });
    const entry = { state, face: new WalLog(state, this) };
    this.#logs.set(image.name, entry);
    return entry;
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
    const counted = countRecords(bytes);
    assert(
      counted !== null && counted.count === batch.count && counted.entryCount === batch.entryCount,
      "a batch is whole records, as many as it says",
    );
    return null;
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
    for (const at of [log.laid, log.written, log.synced, log.end]) copyPoint(at, point);
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
    const isAll = point.position === log.written.position && log.laid.position === point.position;
    const keptFrom = isAll && !log.isDirty ? log.extents.length : log.extentAt(point.position);
    this.#release(filling, log.extents.splice(0, keptFrom));
    copyPoint(log.start, point);
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

  #afterCycle(cycle: Cycle): Promise<void> | undefined {
    if (cycle.releases.length > 0) this.#giveBack(cycle);
    const { limits } = this.#options;
    const { frameBytes, catalogBytes } = this.#commit;
    const every = Math.max(limits.checkpointEveryBytes, this.#checkpointer.lengthBytes * 16);
    const isDue = frameBytes - this.#frameBytesAtCheckpoint > every ||
      catalogBytes - this.#catalogBytesAtCheckpoint > limits.checkpointEveryCatalogBytes;
    if (!isDue || this.#checkpointer.isWriting) return undefined;
    return this.#checkpoint();
  }

  #giveBack(cycle: Cycle): void {
    for (const range of cycle.releases) this.#files.give(range);
    cycle.releases.length = 0;
    this.#deleteUnused();
  }

  #deleteUnused(): void {
    for (const file of this.#files.takeUnused()) {
      this.#background = this.#background.then(() => this.#files.remove(file)).catch((error) =>
        this.#options.logger.log("warn", "an empty data file could not be deleted", {
          file: file.name,
          error: String(error),
        })
      );
    }
  }

  /** Takes a checkpoint; it is written while the next cycles run. */
  async #checkpoint(): Promise<void> {
    await this.#commit.syncDirtyFiles();
    const catalogTail = this.#catalog.tail ?? null;
    const olderTail = this.#checkpointTail;
    this.#noteCheckpoint();
    void this.#checkpointer.write(this.#image({ isClean: false })).then(() => {
      this.#checkpointTail = catalogTail;
      this.#dropCatalogBefore(olderTail);
    }).catch((error) => {
      // The catalog goes on behind the older checkpoint: nothing is lost but time at a restart.
      this.#options.logger.log("warn", "the index checkpoint could not be written", {
        error: String(error),
      });
    });
  }

  #noteCheckpoint(): void {
    this.#frameBytesAtCheckpoint = this.#commit.frameBytes;
    this.#catalogBytesAtCheckpoint = this.#commit.catalogBytes;
  }

  /** Gives back the catalog's extents that not even the older checkpoint needs. */
  #dropCatalogBefore(tail: Extent | null): void {
    if (tail === null) return;
    const index = this.#catalog.extents.indexOf(tail);
    for (const extent of this.#catalog.extents.splice(0, Math.max(0, index))) {
      this.#files.give(extent.range);
    }
  }

  /**
   * A new run: its number, a fresh extent for its catalog, and both checkpoints say so. What stood on
   * disk without being acknowledged counts for nothing from here on.
   */
  async #beginRun(cycle: Cycle | null): Promise<void> {
    const { random } = this.#options;
    await this.#commit.syncDirtyFiles();
    this.#run.run = 1 + random.below(0xffffffff);
    this.#oldCatalog.push(...this.#catalog.extents.splice(0));
    try {
      await this.#startCatalog();
    } catch (error) {
      // With a full disk the space to go on may be what this very cycle gives back.
      if (cycle === null || cycle.releases.length === 0) throw error;
      await this.#checkpointer.writeBoth(this.#image({ isClean: false }));
      this.#giveBack(cycle);
      await this.#startCatalog();
    }
    await this.#checkpointer.writeBoth(this.#image({ isClean: false }));
    for (const extent of this.#oldCatalog.splice(0)) this.#files.give(extent.range);
    if (cycle !== null && cycle.releases.length > 0) this.#giveBack(cycle);
    this.#checkpointTail = this.#catalog.tail ?? null;
    this.#noteCheckpoint();
  }

  async #startCatalog(): Promise<void> {
    const { extentBytesMin } = this.#options.limits;
    const length = alignExtent(Math.max(extentBytesMin, 2 * LINK_BYTES));
    let range = this.#files.take(length);
    if (range === null) {
      await this.#files.grow(length);
      range = this.#files.take(length)!;
    }
    const extent = new Extent({
      ...range,
      sizeBytes: range.length,
      run: this.#run.run,
      generation: this.#run.nextGeneration++,
      first: { ...this.#catalog.written },
      usedBytes: 0,
      lastControl: -1,
    });
    this.#catalog.extents.push(extent);
  }

  async #restart(cycle: Cycle): Promise<void> {
    this.#options.logger.log("warn", "the disk is full: starting a new run");
    await this.#beginRun(cycle);
  }

  #image({ isClean }: { isClean: boolean }): Omit<StoreImage, "sequence"> {
    const { recovered, bootId, durability } = this.#options;
    const catalog = this.#catalog.toImage();
    // Replay begins in its last extent; what is before belongs to the older checkpoint.
    catalog.extents = catalog.extents.slice(-1);
    return {
      storeId: recovered.image.storeId,
      salt: recovered.image.salt,
      run: this.#run.run,
      nextGeneration: this.#run.nextGeneration,
      nextLogId: this.#nextLogId,
      isClean,
      bootId,
      durability,
      logs: [catalog, ...[...this.#logs.values()].map(({ state }) => state.toImage())],
    };
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#commit.failure === null) {
      await this.#commit.sync().catch(() => {});
      await this.#commit.idle();
    }
    this.#commit.stop();
    await this.#background;
    await this.#checkpointer.idle();
    if (this.#commit.failure === null) {
      await this.#commit.syncDirtyFiles();
      await this.#checkpointer.write(this.#image({ isClean: true }));
    }
    await this.#files.close();
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
