/**
 * Finds where a log ends: reads its frames from where it was known to end, over the extents that it got
 * since, and decides what a bad frame is.
 *
 * ⛔ *Torn*: nothing good of the log stands behind that was written after the bad frame had been synced. It
 * was never acknowledged as durable: the log is cut there. *Rotten*: something does. It is never cut: the run
 * is noted as damage and the log goes on behind it.
 *
 * @module
 */

import type { Disk } from "../world/mod.ts";
import { dataFileName } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { copyPoint, Extent, type LogPoint } from "./extent.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import type { FrameKey } from "./frame.ts";
import type { StorageLimits } from "./limits.ts";
import { isSectorStart, LOOK_BEHIND_BYTES } from "./lost_sector.ts";
import type { ExtentImage, LogImage } from "./store_image.ts";
import { UnprovenFrames } from "./unproven.ts";

/** How a log ended. */
export interface TailFinding {
  /** Where it was cut; `null`: it ended as it should. */
  torn: FilePlace | null;
  /** Nothing stands where it ended, and what a disk loses at once may have stood there (`storage/lost_sector.ts`). */
  lostFrom: FilePlace | null;
}

/** A byte of a file. */
export interface FilePlace {
  file: string;
  fileOffset: number;
}

/** What the first good frame behind a bad one is, and what all good ones behind say. */
interface Behind {
  extentIndex: number;
  place: number;
  first: LogPoint;
  syncedPosition: number;
}

/** Where the frames of an extent end, or one is bad. */
interface ExtentStop {
  isGood: boolean;
  /** Bytes that are no frame. */
  hasSomething: boolean;
  cursor: ExtentCursor;
  lostFrom: FilePlace | null;
}

/** Where a batch begins that has not come to its end yet. */
interface OpenBatch {
  extentIndex: number;
  place: number;
  at: LogPoint;
  lastControl: number;
}

/** Called with each frame's packed records and the run that wrote it. */
type OnFrame = (body: Uint8Array, run: number) => void;

/** The largest window; a frame that is larger gets one of its own. */
const WINDOW_BYTES_MAX = 1 << 20;

/** Scans one log's tail and brings its image up to date. */
export class TailScan {
  bytesScanned = 0;
  /** Of the good frames that were read. */
  readonly unproven: UnprovenFrames;
  /** Extents behind the place where the log was cut: what stands in them may be all that shows it. */
  readonly cutOff: ExtentImage[] = [];
  readonly #log: LogImage;
  readonly #disk: Disk;
  readonly #limits: StorageLimits;
  readonly #key: FrameKey;
  readonly #files: DataFiles;
  readonly #at: LogPoint = { position: 0, offset: 0, payload: 0 };
  #openBatch: OpenBatch | null = null;

  constructor(
    log: LogImage,
    options: { disk: Disk; limits: StorageLimits; key: FrameKey; files: DataFiles },
  ) {
    this.unproven = new UnprovenFrames(log.id);
    this.#log = log;
    this.#disk = options.disk;
    this.#limits = options.limits;
    this.#key = options.key;
    this.#files = options.files;
  }

  async run(onFrame: OnFrame): Promise<TailFinding> {
    const { extents, known } = this.#log;
    copyPoint(this.#at, known);
    let index = extents.length - 1;
    while (index > 0 && extents[index]!.first.position > known.position) index--;
    let place = extents[index]?.usedBytes ?? 0;
    let torn: TailFinding["torn"] = null;
    let lostFrom: TailFinding["lostFrom"] = null;
    while (index >= 0 && index < extents.length) {
      const stop = await this.#scanExtent(index, { place, onFrame });
      if (stop.isGood) {
        index++;
        place = 0;
        lostFrom = stop.lostFrom;
        continue;
      }
      const behind = await this.#findBehind(index, stop.cursor);
      if (behind !== null && behind.syncedPosition > this.#at.position) {
        this.#openBatch = null; // what was acknowledged is not cut, whatever is missing of it
        this.#noteDamage(index, { place: stop.cursor.place, next: behind.first });
        copyPoint(this.#at, behind.first);
        ({ extentIndex: index, place } = behind);
        continue;
      }
      const extent = extents[index]!;
      if (stop.hasSomething || behind !== null) {
        const fileOffset = extent.start + stop.cursor.place;
        torn = { file: dataFileName(extent.fileNumber), fileOffset };
      }
      lostFrom = stop.lostFrom;
      this.#cutBehind(index);
      break;
    }
    this.#cutOpenBatch();
    copyPoint(known, this.#at);
    return { torn, lostFrom };
  }

  /** A batch of which the end is not there was never acknowledged: none of it is kept. */
  #cutOpenBatch(): void {
    const batch = this.#openBatch;
    if (batch === null) return;
    this.#cutBehind(batch.extentIndex);
    const last = this.#log.extents[batch.extentIndex]!;
    last.usedBytes = batch.place;
    last.lastControl = batch.lastControl;
    copyPoint(this.#at, batch.at);
  }

  #cutBehind(index: number): void {
    this.cutOff.push(...this.#log.extents.splice(index + 1));
  }

  /**
   * Goes over an extent's frames. Good: it ended, and either it is the last one or the next one begins
   * where it ended.
   */
  async #scanExtent(
    index: number,
    { place, onFrame }: { place: number; onFrame: OnFrame },
  ): Promise<ExtentStop> {
    const image = this.#log.extents[index]!;
    const cursor = this.#cursor(image, place);
    for (;;) {
      const next = this.#log.extents[index + 1];
      if (next !== undefined && next.first.position === cursor.at.position) {
        return { isGood: true, hasSomething: false, cursor, lostFrom: null };
      }
      const verdict = cursor.tryJudge() ?? await this.#judge(cursor);
      if (verdict !== "frame") {
        const isEnd = verdict === "empty" && next === undefined;
        const fileOffset = image.start + cursor.place;
        const mayBeLost = isEnd && isSectorStart(fileOffset);
        // Zeroes say "no more", unless they are what became of a sector.
        const isGood = isEnd && !(mayBeLost && await cursor.hasMoreWithin(LOOK_BEHIND_BYTES));
        const lostFrom = mayBeLost ? { file: dataFileName(image.fileNumber), fileOffset } : null;
        return { isGood, hasSomething: verdict === "bad", cursor, lostFrom };
      }
      const { header, at } = cursor;
      if (!header.goesOn) this.#openBatch = null;
      else {
        const { place } = cursor;
        const { lastControl } = image;
        this.#openBatch ??= { extentIndex: index, place, at: { ...at }, lastControl };
      }
      if (header.count > header.entryCount) image.lastControl = at.position;
      this.unproven.add(image, cursor);
      onFrame(cursor.body(), image.run);
      cursor.advance();
      image.usedBytes = cursor.place;
      copyPoint(this.#at, cursor.at);
    }
  }

  /** The first good frame behind a bad one, in its extent or those that follow. */
  async #findBehind(index: number, cursor: ExtentCursor): Promise<Behind | null> {
    let behind: Behind | null = null;
    const add = (extentIndex: number, found: Omit<Behind, "extentIndex"> | null) => {
      if (found === null) return;
      behind ??= { extentIndex, ...found };
      behind.syncedPosition = Math.max(behind.syncedPosition, found.syncedPosition);
    };
    add(index, await cursor.findBehind());
    for (let later = index + 1; later < this.#log.extents.length; later++) {
      add(later, await this.#firstIn(later));
    }
    return behind;
  }

  /** An extent's first good frame, whether it stands at its beginning or not. */
  async #firstIn(index: number): Promise<Omit<Behind, "extentIndex"> | null> {
    const image = this.#log.extents[index]!;
    const cursor = this.#cursor(image, 0);
    copyPoint(cursor.at, image.first);
    if (await cursor.judge() !== "frame") return await cursor.findBehind();
    const { firstPosition, lag } = cursor.header;
    const found = { place: 0, first: { ...image.first }, syncedPosition: firstPosition - lag };
    const behind = await cursor.findBehind();
    if (behind !== null) {
      found.syncedPosition = Math.max(found.syncedPosition, behind.syncedPosition);
    }
    return found;
  }

  #noteDamage(index: number, { place, next }: { place: number; next: LogPoint }): void {
    const extent = this.#log.extents[index]!;
    this.#log.damage.push({
      fileNumber: extent.fileNumber,
      fileOffset: extent.start + place,
      first: { ...this.#at },
      next: { ...next },
    });
    this.#log.isUncertain = true;
  }

  async #judge(cursor: ExtentCursor): Promise<"frame" | "empty" | "bad"> {
    const verdict = await cursor.judge();
    this.bytesScanned += cursor.windowBytes;
    cursor.growWindow(WINDOW_BYTES_MAX);
    return verdict;
  }

  #cursor(image: ExtentImage, place: number): ExtentCursor {
    const extent = new Extent({ ...image, file: this.#files.get(image.fileNumber) });
    return new ExtentCursor(extent, {
      disk: this.#disk,
      key: this.#key,
      logId: this.#log.id,
      reach: { position: Infinity, offset: Infinity, payload: Infinity },
      at: this.#at,
      place,
      endPlace: image.sizeBytes,
      windowBytes: this.#limits.recoveryProbeBytes,
    });
  }
}
