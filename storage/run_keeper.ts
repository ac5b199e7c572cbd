/**
 * Runs and checkpoints: what makes a directory recoverable from two small files and the journal.
 *
 * @module
 */

import { DIRECT_BLOCK_BYTES, type Disk, type Logger, type Random } from "../world/mod.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { Cycle } from "./cycle.ts";
import { type CycleLayout, dataOfAway, isNoSpace } from "./cycle_layout.ts";
import type { DataFiles } from "./data_files.ts";
import { Extent } from "./extent.ts";
import type { WriterRun } from "./extent_source.ts";
import type { GroupCommit } from "./group_commit.ts";
import { type AwayFrame, type Journal, LINK_BYTES } from "./journal.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import type { Reserve } from "./reserve.ts";
import type { ExtentImage, LogImage, StoreImage } from "./store_image.ts";

/** A store of fewer (of the smallest) files does not grow ahead: it may never need more. */
const GROW_AHEAD_FILES_MIN = 4;

/** Of what is written, checkpoints may be about this part. */
const JOURNAL_BYTES_PER_CHECKPOINT_BYTE = 64;

/** What a keeper works with. */
export interface RunKeeperOptions {
  disk: Disk;
  random: Random;
  logger: Logger;
  limits: StorageLimits;
  files: DataFiles;
  run: WriterRun;
  journal: Journal;
  layout: CycleLayout;
  checkpointer: Checkpointer;
  reserve: Reserve;
  /** The index that the store was recovered from; `null` once it is settled. */
  checkpoint: { name: string; bytes: Uint8Array } | null;
  /** Extents that are not free before a run has begun. */
  held: readonly ExtentImage[];
  /** All of the store's image but for the journal's log. */
  describe(): Omit<StoreImage, "sequence" | "run" | "nextGeneration" | "isClean">;
}

/** Takes checkpoints when they are due, and begins runs. */
export class RunKeeper {
  readonly #options: RunKeeperOptions;
  /** The journal's last extent when the newest checkpoint was taken: the older one needs what is before. */
  #checkpointTail: Extent | null = null;
  /**
   * Free once both checkpoints speak of this run: journal extents of earlier ones, and what recovery cut off.
   *
   * ⛔ Frames behind a torn place may be all that shows it. Until a checkpoint says that their log is uncertain
   * the next start must find them. And where the newer checkpoint rots, the next start needs the journal from
   * the older one on.
   */
  readonly #oldExtents: Extent[] = [];
  #frameBytes = 0;
  #journalBytes = 0;
  #background: Promise<void> = Promise.resolve();
  #isGrowing = false;
  #isFullTold = false;
  /** Set with the commit cycle that it serves. */
  commit!: GroupCommit;

  constructor(options: RunKeeperOptions) {
    this.#options = options;
    const { files } = options;
    for (const image of options.held) {
      const extent = new Extent({ ...image, file: files.get(image.fileNumber) });
      files.hold(extent.range);
      this.#oldExtents.push(extent);
    }
  }

  /** After each cycle: gives space back, and takes a checkpoint where one is due. */
  afterCycle(cycle: Cycle): Promise<void> | undefined {
    if (cycle.releases.length > 0) this.giveBack(cycle);
    this.#maybeGrowAhead();
    this.#options.reserve.cover(this.commit.awayBytes);
    const { limits, checkpointer, layout } = this.#options;
    if (layout.moreToHome) return undefined;
    const { frameBytes, journalBytes, awayBytes } = this.commit;
    const every = Math.max(limits.checkpointEveryBytes, checkpointer.lengthBytes * 16);
    const isDue = frameBytes - this.#frameBytes > every || awayBytes > limits.awayBytesMax ||
      journalBytes - this.#journalBytes > this.#journalBytesMax();
    if (!isDue || checkpointer.isWriting) return undefined;
    if (awayBytes === 0) return this.#checkpoint();
    if (cycle.mustHomeAll) {
      // There was no room for all: again when as much has come as makes a checkpoint due.
      this.#noteCheckpoint();
    } else {
      this.commit.homeAll();
    }
    return undefined;
  }

  /** The journal of a store of few logs is short: its checkpoints cost little. */
  #journalBytesMax(): number {
    const { limits, checkpointer } = this.#options;
    const { checkpointEveryJournalBytesMin: min, checkpointEveryJournalBytes: max } = limits;
    return Math.min(
      max,
      Math.max(min, checkpointer.lengthBytes * JOURNAL_BYTES_PER_CHECKPOINT_BYTE),
    );
  }

  /** Gives back what the cycle's records have made free; they are synced. */
  giveBack(cycle: Cycle): void {
    for (const range of cycle.releases) this.#options.files.give(range);
    cycle.releases.length = 0;
    this.deleteUnused();
  }

  /** Deletes files that nothing is in, in the background. */
  deleteUnused(): void {
    const { files, logger } = this.#options;
    for (const file of files.takeUnused()) {
      this.#background = this.#background.then(() => files.remove(file)).catch((error) =>
        logger.log("warn", "an empty data file could not be deleted", {
          file: file.name,
          error: String(error),
        })
      );
    }
  }

  /** Makes the next file before it is needed: a cycle that has to wait for it is a slow one. */
  #maybeGrowAhead(): void {
    const { files, limits } = this.#options;
    if (this.#isGrowing || files.totalBytes < GROW_AHEAD_FILES_MIN * limits.fileBytesMin) return;
    if (files.freeBytes >= 2 * limits.extentBytesMax) return;
    this.#isGrowing = true;
    const growing = files.grow(limits.extentBytesMax).catch(() => {
      // A disk that is full is met when the space is needed.
    }).finally(() => this.#isGrowing = false);
    this.#background = this.#background.then(() => growing);
  }

  /** Resolves when nothing goes on in the background. */
  async idle(): Promise<void> {
    await this.#background;
    await this.#options.checkpointer.idle();
    await this.#options.reserve.idle();
  }

  /** The first checkpoint of a new directory: data files without an index are taken for a broken store. */
  async writeFirst(): Promise<void> {
    await this.#options.checkpointer.write(this.#image(null));
  }

  /** The last checkpoint: nothing is away, everything is synced. */
  async writeClean(): Promise<void> {
    const image = this.#image(this.#options.journal.log.toImage());
    await this.#options.checkpointer.write({ ...image, isClean: true });
  }

  /** The first run of a process; where the disk is full, the first append that finds room begins it. */
  async start(): Promise<void> {
    try {
      await this.begin(null);
      this.deleteUnused();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.#tellFull();
      this.commit.beginLater();
    }
  }

  /** A new run where a write found no room. @throws {DiskError} */
  async restart(cycle: Cycle): Promise<void> {
    this.#tellFull();
    await this.begin(cycle);
    this.#isFullTold = false;
    this.#options.logger.log("info", "a new run has begun: there is room on disk");
  }

  /** Each append on a full disk comes by here: one line is enough until there is room. */
  #tellFull(): void {
    if (this.#isFullTold) return;
    this.#isFullTold = true;
    this.#options.logger.log("warn", "the disk is full: appends are refused until there is room");
  }

  /**
   * A new run: its number, a fresh extent for its journal with what is away in it, and both checkpoints
   * say so. What stands on disk without being acknowledged counts for nothing from here on.
   *
   * @throws {DiskError} Nothing has changed on disk that recovery would go by.
   */
  async begin(cycle: Cycle | null): Promise<void> {
    const { random, run, journal, checkpointer } = this.#options;
    await this.commit.syncDirtyFiles();
    await this.#settleIndex();
    run.run = 1 + random.below(0xffffffff);
    // What the old run's last cycle laid out and did not get written.
    this.#give(journal.log.rollBack());
    this.#oldExtents.push(...journal.log.extents.splice(0));
    let start: LogImage;
    let startTail: Extent;
    const mayFree = cycle !== null && cycle.releases.length > 0 && this.commit.awayBytes === 0;
    try {
      try {
        await this.#startJournal();
      } catch (error) {
        // With a full disk the space to go on may be what this very cycle gives back.
        if (!mayFree || !isNoSpace(error)) throw error;
        this.#dropJournal();
        await checkpointer.writeBoth(this.#image(null));
        this.#giveOld();
        this.giveBack(cycle);
        await this.#startJournal();
      }
      start = journal.log.toImage();
      startTail = journal.log.tail!;
      await this.#rewriteAway();
      await checkpointer.write(this.#image(start));
    } catch (error) {
      // No index names it: otherwise each append that is refused would take more of a full disk.
      if (isNoSpace(error)) this.#dropJournal();
      throw error;
    }
    await checkpointer.write(this.#image(start));
    this.#giveOld();
    if (cycle !== null && cycle.releases.length > 0) this.giveBack(cycle);
    // ⛔ Not where the journal stands by now: what is away may have taken several extents.
    this.#checkpointTail = startTail;
    this.#noteCheckpoint();
  }

  /**
   * ⛔ The index that was recovered from may have its name in the page cache only: killed between the renaming
   * and the directory's sync. Until it is durable a power loss leads back to the index before it, which needs
   * journal extents that count as free here.
   */
  async #settleIndex(): Promise<void> {
    const { disk, checkpoint } = this.#options;
    if (checkpoint === null) return;
    await disk.writeSmall(checkpoint.name, checkpoint.bytes);
    this.#options.checkpoint = null;
  }

  #dropJournal(): void {
    this.#give(this.#options.journal.log.extents.splice(0));
  }

  /** Both checkpoints speak of this run. */
  #giveOld(): void {
    this.#give(this.#oldExtents.splice(0));
  }

  #give(extents: readonly Extent[]): void {
    for (const { range } of extents) this.#options.files.give(range);
  }

  async #startJournal(): Promise<void> {
    const { disk, limits, files, run, journal } = this.#options;
    const length = alignExtent(Math.max(limits.journalExtentBytesMin, 2 * LINK_BYTES));
    let range = files.take(length);
    if (range === null) {
      await files.grow(length);
      range = files.take(length)!;
    }
    const isFresh = range.start >= range.file.writtenBytes;
    range.file.writtenBytes = Math.max(range.file.writtenBytes, range.start + range.length);
    const extent = new Extent({
      ...range,
      sizeBytes: range.length,
      run: run.run,
      generation: run.nextGeneration++,
      first: { ...journal.log.laid },
      usedBytes: 0,
      lastControl: -1,
    });
    if (isFresh) extent.zeroedBytes = 0;
    journal.startRun(extent);
    // Where older bytes stand and nothing is written before the next crash, recovery would see a torn journal
    // and trust no log any more. Synced before any checkpoint names the extent.
    const buffer = disk.newBuffer(DIRECT_BLOCK_BYTES);
    const { file: { disk: file }, start } = range;
    const zeroes = {
      file: file!,
      fileOffset: start,
      buffer,
      bufferOffset: 0,
      length: buffer.length,
    };
    await disk.commit([zeroes], [file!]);
  }

  /** What is away was in the old run's journal: it goes into the new one's before that counts. */
  async #rewriteAway(): Promise<void> {
    const { layout, disk, journal } = this.#options;
    // One that is being deleted is not in the checkpoint: its records would belong to nobody.
    for (const log of [...this.commit.awayLogs]) if (log.isClosed) this.commit.dropAway(log);
    const logs = [...this.commit.awayLogs];
    if (logs.length === 0) return;
    layout.begin();
    layout.data = logs.flatMap(dataOfAway);
    const touched = layout.list.touched;
    try {
      await layout.layOutJournal([]);
      for (const file of touched) file.isDirty = true;
      await disk.commit(layout.list.writes, touched.map((file) => file.disk!));
    } catch (error) {
      this.commit.letGo(layout.away);
      layout.begin();
      throw error;
    }
    for (const file of touched) file.isDirty = false;
    journal.log.comeHome(true);
    const frames = new Map<LogState, AwayFrame[]>(logs.map((log) => [log, []]));
    for (const [index, { log }] of layout.data.entries()) {
      frames.get(log)!.push(layout.away[index]!);
    }
    for (const [log, away] of frames) this.commit.adopt(log, away);
    // They are the logs' from here on: whoever gives this layout up must not let go of them.
    layout.begin();
  }

  /** Takes a checkpoint; it is written while the next cycles run. */
  async #checkpoint(): Promise<void> {
    const { journal, checkpointer, logger } = this.#options;
    await this.commit.syncDirtyFiles();
    const tail = journal.log.tail ?? null;
    const olderTail = this.#checkpointTail;
    this.#noteCheckpoint();
    void checkpointer.write(this.#image(journal.log.toImage())).then(() => {
      this.#checkpointTail = tail;
      this.#dropBefore(olderTail);
    }).catch((error) => {
      // The journal goes on behind the older checkpoint: nothing is lost but time at a restart.
      logger.log("warn", "the index checkpoint could not be written", { error: String(error) });
    });
  }

  /** Gives back the journal's extents that not even the older checkpoint needs. */
  #dropBefore(tail: Extent | null): void {
    if (tail === null) return;
    const { extents } = this.#options.journal.log;
    this.#give(extents.splice(0, Math.max(0, extents.indexOf(tail))));
  }

  /** Of the journal's extents, the first that the newest checkpoint on disk needs; −1: the last one. */
  #olderFrom(): number {
    const { extents } = this.#options.journal.log;
    return this.#checkpointTail === null ? -1 : extents.indexOf(this.#checkpointTail);
  }

  #noteCheckpoint(): void {
    this.#frameBytes = this.commit.frameBytes;
    this.#journalBytes = this.commit.journalBytes;
  }

  #image(journal: LogImage | null): Omit<StoreImage, "sequence"> {
    const { run, describe } = this.#options;
    const image = describe();
    // Replay begins in the last one. The others are named for the next process, which must not use them yet.
    const from = journal === null ? 0 : this.#olderFrom();
    const own = journal === null ? [] : [{ ...journal, extents: journal.extents.slice(from) }];
    return {
      ...image,
      run: run.run,
      nextGeneration: run.nextGeneration,
      isClean: false,
      logs: [...own, ...image.logs],
    };
  }
}
