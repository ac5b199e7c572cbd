/**
 * A file that holds room on the disk, and is given up when the disk is full: so that what makes room again, and what a
 * whole node needs to go on, can still be written when nothing else can.
 *
 * It is as large as what a new run has to write: what the journal holds of logs' frames that are not in their own
 * extents ("away") is copied then.
 *
 * While it is gone, appends to all but the vital logs are refused, except where the data files themselves have as much
 * free space. Refused appends have it tried again whether there is room.
 *
 * @module
 */

import type { Clock, Disk, Logger } from "../world/mod.ts";
import { isNoSpace } from "./cycle_layout.ts";
import type { DataFiles } from "./data_files.ts";
import { DiskFullError } from "./errors.ts";
import type { RecordBatch } from "./record_batch.ts";

const FILE_NAME = "reserve";
/** Between two attempts to hold it again, milliseconds. */
const RETRY_MS = 500;

/** What is held for what is away: at least and at most, and a power of two times the least in between. */
const AHEAD_BYTES = { min: 4 * 1024 * 1024, max: 64 * 1024 * 1024 };

/** What is held back, and for whom. */
export interface ReserveOptions {
  /** Size of the file besides what is away; multiples of 4 KiB. */
  bytes: number;
  /** What is held for what is away: at least, and at most. {@link AHEAD_BYTES} unless given. */
  aheadBytes?: { min: number; max: number };
  /** Logs that may use it, by name. */
  isVital: (logName: string) => boolean;
}

/** One per store. */
export class Reserve {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #files: DataFiles;
  readonly #options: ReserveOptions | null;
  /** Of the file; 0 while it is not held. */
  #heldBytes = 0;
  #awayBytes = 0;
  /** There was no room to make it as large as it should be. */
  #isShort = false;
  /** Why it could not be held, where that was not for want of room. */
  #reason: string | null = null;
  #isFullTold = false;
  #work: Promise<void> | null = null;
  #nextTryMs = -Infinity;

  /** Without options there is none, and nothing is refused. */
  constructor(
    world: { disk: Disk; clock: Clock; logger: Logger; files: DataFiles },
    options: ReserveOptions | null,
  ) {
    this.#disk = world.disk;
    this.#clock = world.clock;
    this.#logger = world.logger;
    this.#files = world.files;
    this.#options = options;
  }

  /** Finds the file, or makes it where there is room. */
  async begin(): Promise<void> {
    if (this.#options === null) return;
    const found = (await this.#disk.list()).find(({ name }) => name === FILE_NAME);
    this.#heldBytes = found?.sizeBytes ?? 0;
    if (this.#heldBytes < this.#wantedBytes()) await this.#hold();
  }

  /** So much is away now. */
  cover(awayBytes: number): void {
    this.#awayBytes = awayBytes;
    if (this.#heldBytes > 0 && this.#wantedBytes() > this.#heldBytes) this.#maybeHold();
  }

  /** Grows ahead, so that what is held is enough when there is no room to grow. */
  #wantedBytes(): number {
    if (this.#options === null) return 0;
    const { min, max } = this.#options.aheadBytes ?? AHEAD_BYTES;
    let aheadBytes = min;
    while (aheadBytes < 2 * this.#awayBytes && aheadBytes < max) aheadBytes *= 2;
    return this.#options.bytes + aheadBytes;
  }

  /** Why the batch must leave the room that there is to others; `null` where it need not. */
  refusal(logName: string, batch: RecordBatch): Error | null {
    if (this.#options === null || (this.#heldBytes > 0 && !this.#isShort)) return null;
    const { bytes, isVital } = this.#options;
    // Moves of cursors are small, and reading goes on.
    if (batch.entryCount === 0 || isVital(logName) || this.#files.freeBytes >= bytes) return null;
    this.#maybeHold();
    if (this.#reason !== null) {
      return new DiskFullError(
        `No room can be held back on disk (${this.#reason}). Nothing was appended; mend that and try again.`,
      );
    }
    this.#tellFull();
    return new DiskFullError(
      "There is no room on disk. Nothing was appended; make room and try again.",
    );
  }

  /** Gives the file up where the vital work finds no room: when it is tried again there is some. */
  async watch<T>(logName: string | null, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const isVital = logName === null || this.#options?.isVital(logName);
      if (isVital && error instanceof DiskFullError) await this.#giveUp();
      throw error;
    }
  }

  /** Whether {@link watch} matters to the log. */
  isVital(logName: string): boolean {
    return this.#options?.isVital(logName) ?? false;
  }

  /** Resolves when nothing goes on in the background. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** One line until there is room again. */
  #tellFull(): void {
    if (this.#isFullTold) return;
    this.#isFullTold = true;
    this.#logger.log("warn", "the disk is full: appends are refused until there is room");
  }

  #maybeHold(): void {
    if (this.#work !== null || this.#clock.nowMs() < this.#nextTryMs) return;
    this.#nextTryMs = this.#clock.nowMs() + RETRY_MS;
    this.#work = this.#hold().finally(() => this.#work = null);
  }

  async #hold(): Promise<void> {
    const bytes = this.#wantedBytes();
    try {
      const file = await this.#disk.open(FILE_NAME, { create: true });
      try {
        await this.#disk.allocate(file, bytes);
      } finally {
        await this.#disk.closeFile(file);
      }
      this.#heldBytes = bytes;
      this.#isShort = false;
      this.#reason = null;
      if (this.#isFullTold) this.#logger.log("info", "there is room on disk again");
      this.#isFullTold = false;
    } catch (error) {
      if (this.#heldBytes === 0) await this.#disk.remove(FILE_NAME).catch(() => {});
      if (isNoSpace(error)) {
        this.#isShort = true;
        this.#reason = null;
        return;
      }
      // What is held already is held still.
      this.#reason = (error as Error).message;
      this.#logger.log("warn", "no room can be held back", { reason: this.#reason });
    }
  }

  async #giveUp(): Promise<void> {
    await this.#work;
    if (this.#heldBytes === 0) return;
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#reason = null;
    this.#nextTryMs = this.#clock.nowMs() + RETRY_MS;
    try {
      await this.#disk.remove(FILE_NAME);
      this.#logger.log("warn", "the disk is full: what was held back is used to go on", {
        bytes,
      });
    } catch (error) {
      this.#logger.log("warn", "what was held back can't be given up", {
        reason: (error as Error).message,
      });
    }
  }
}
