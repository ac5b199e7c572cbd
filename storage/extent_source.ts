/**
 * Gives a log its next extent.
 *
 * @module
 */

import type { CatalogRecord } from "./catalog_record.ts";
import type { DataFiles } from "./data_files.ts";
import { type ByteRange, Extent, type LogPoint } from "./extent.ts";
import { TERMINATOR_BYTES } from "./frame.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";

/** How much smaller than wanted an extent may be before a new file is made. */
const EXTENT_SHRINK_MAX = 8;

/** Bytes that an extent must have for a log to go on; thrown where none has room. */
export class NeedsSpace {
  constructor(readonly bytes: number) {}
}

/** What marks the frames of this process. */
export interface WriterRun {
  run: number;
  nextGeneration: number;
}

/** What an extent is wanted for. */
export interface ExtentNeed {
  /** It must have so many bytes. */
  least: number;
  /** So many would be used at once. */
  rest: number;
  /** Bytes of frames that the log's last extent has. */
  tailBytes: number;
  /** Of the log, where the new extent begins. */
  first: LogPoint;
}

/** The record of a new extent. */
export type ExtentRecord = Extract<CatalogRecord, { kind: "extent" }>;

/** Makes extents out of free space. */
export class ExtentSource {
  /** The disk is full: any space that is enough will do. */
  acceptsLeast = false;
  readonly run: WriterRun;
  readonly #files: DataFiles;
  readonly #limits: StorageLimits;

  constructor(options: { files: DataFiles; limits: StorageLimits; run: WriterRun }) {
    this.#files = options.files;
    this.#limits = options.limits;
    this.run = options.run;
  }

  /**
   * Adds an extent to the log and cuts the one before it to what it uses.
   *
   * @throws {NeedsSpace} when the files have no room; nothing has changed then.
   */
  add(log: LogState, need: ExtentNeed): { extent: Extent; record: ExtentRecord } {
    const { tail } = log;
    const keptBytes = tail === undefined || need.tailBytes === 0
      ? 0
      : Math.min(tail.sizeBytes, alignExtent(need.tailBytes + TERMINATOR_BYTES));
    const { range, isFresh } = this.#findRange(log, { ...need, keptBytes });
    const generation = this.run.nextGeneration++;
    const record: ExtentRecord = {
      kind: "extent",
      logId: log.id,
      fileNumber: range.file.number,
      start: range.start,
      sizeBytes: range.length,
      generation,
      first: { ...need.first },
      previousBytes: tail === undefined ? -1 : keptBytes,
      previousUsedBytes: need.tailBytes,
      previousLastControl: tail?.laidControl ?? -1,
    };
    if (tail !== undefined) {
      tail.sizeBytes = keptBytes;
      if (keptBytes === 0) log.extents.pop()!.isGone = true;
    }
    const extent = new Extent({
      ...range,
      sizeBytes: range.length,
      run: this.run.run,
      generation,
      first: { ...need.first },
      usedBytes: 0,
      lastControl: -1,
    });
    extent.isNew = true;
    if (isFresh) extent.zeroedBytes = 0;
    log.extents.push(extent);
    return { extent, record };
  }

  /** Takes back what {@link add} did to a log whose frames will not be written. Nobody took it meanwhile. */
  undo(log: LogState, { tail, sizeBytes }: { tail: Extent | undefined; sizeBytes: number }): void {
    for (const extent of log.rollBack()) this.#files.give(extent.range);
    if (tail === undefined) return;
    tail.sizeBytes = sizeBytes;
    this.#files.claim(tail.range);
    if (!tail.isGone) return;
    tail.isGone = false;
    log.extents.push(tail);
  }

  /** The rest of an older run's extent where it is enough, otherwise new space. */
  #findRange(
    log: LogState,
    { least, rest, keptBytes }: ExtentNeed & { keptBytes: number },
  ): { range: ByteRange; isFresh: boolean } {
    const { tail } = log;
    const spareAt = alignExtent(keptBytes);
    const spare = tail === undefined ? null : {
      file: tail.file,
      start: tail.start + spareAt,
      length: tail.range.length - spareAt,
    };
    const isUsable = spare !== null && spare.length >= least && spare.file.disk !== null &&
      spare.start + spare.length <= spare.file.sizeBytes && !tail!.isNew;
    if (isUsable) return { range: spare, isFresh: false };
    if (spare !== null) this.#files.give(spare);
    const { extentBytesMin, extentBytesMax } = this.#limits;
    const useful = Math.max(extentBytesMin, log.allocatedBytes, rest + TERMINATOR_BYTES);
    const wanted = Math.max(alignExtent(least), Math.min(extentBytesMax, alignExtent(useful)));
    const range = this.#take(wanted, alignExtent(least));
    if (range === null) {
      if (spare !== null) this.#files.claim(spare);
      throw new NeedsSpace(wanted);
    }
    const isFresh = range.start >= range.file.writtenBytes;
    range.file.writtenBytes = Math.max(range.file.writtenBytes, range.start + range.length);
    return { range, isFresh };
  }

  /** A smaller extent than wanted will do where it uses up a file's end, or where nothing else is left. */
  #take(wanted: number, least: number): ByteRange | null {
    const floor = this.acceptsLeast
      ? least
      : Math.max(least, this.#limits.extentBytesMin, alignExtent(wanted / EXTENT_SHRINK_MAX));
    for (let length = wanted; length > floor; length = alignExtent(length / 2)) {
      const range = this.#files.take(length);
      if (range !== null) return range;
      if (length === alignExtent(length / 2)) break;
    }
    return this.#files.take(floor);
  }
}
