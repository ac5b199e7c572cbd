/**
 * Whether a journal that looks torn goes on elsewhere.
 *
 * The record of the journal's next extent stands at the end of the one before. Where it rots, nothing that is
 * known speaks of the frames behind it, and the journal seems to end there: all that was acknowledged since
 * would be cut for a torn tail. So before that the space that is nobody's is looked through for an extent
 * of this journal.
 *
 * @module
 */

import {
  assert,
  type Disk,
  DiskError,
  type DiskFile,
  type Logger,
  MalformedError,
} from "../world/mod.ts";
import { decodeCatalogRecord } from "./catalog_record.ts";
import type { DataFile } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { Extent, type LogPoint } from "./extent.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import {
  decodeFrameHeader,
  FRAME_ALIGN_BYTES,
  FRAME_HEADER_BYTES,
  frameBytes,
  frameEnd,
  type FrameHeader,
  type FrameKey,
  newFrameHeader,
  TERMINATOR_BYTES,
} from "./frame.ts";
import { LINK_BODY_BYTES, LINK_BYTES, RECORDS_RESERVE_BYTES } from "./journal.ts";
import { alignExtent, EXTENT_ALIGN_BYTES, type StorageLimits } from "./limits.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";
import { CATALOG_LOG_ID, type ExtentImage, type StoreImage } from "./store_image.ts";

/** Of free space, read at once. */
const SEARCH_BYTES = 4 << 20;
/** One line is logged for so much. */
const PROGRESS_BYTES = 1 << 30;
/** Read first where an extent of the journal seems to begin. */
const WINDOW_BYTES = 1 << 16;

/** What it works with. */
export interface LostJournalWorld {
  disk: Disk;
  files: DataFiles;
  key: FrameKey;
  limits: StorageLimits;
  logger: Logger;
}

/** Bytes of a file. */
interface Range {
  start: number;
  end: number;
}

/**
 * Whether frames of the journal's run stand elsewhere that come behind its seeming end: such as were written after
 * what stood there had been synced, or only such as were not.
 */
export type GoesOn = "synced" | "unsynced" | "no";

/** Looks for the journal behind its seeming end, which is at `position`. `image` is what is known up to there. */
export async function journalGoesOn(
  image: StoreImage,
  world: LostJournalWorld,
): Promise<{ goesOn: GoesOn; position: number }> {
  const journal = image.logs.find(({ id }) => id === CATALOG_LOG_ID);
  const last = journal?.extents.at(-1);
  if (journal === undefined || last === undefined) return { goesOn: "no", position: 0 };
  const { position } = journal.known;
  const mayGoOn = isFileCut(last, world.files) ||
    endsWhereLinkMayBe(last, world.limits) && await mayBeLink(last, { world, position });
  if (!mayGoOn) return { goesOn: "no", position };
  const search = new LostJournal(last, { world, end: journal.known });
  return { goesOn: await search.lookThrough(unclaimed(image, world)), position };
}

/** All of an extent is on disk before anything stands in it. */
function isFileCut({ fileNumber, start, sizeBytes }: ExtentImage, files: DataFiles): boolean {
  return files.get(fileNumber).sizeBytes < start + sizeBytes;
}

/** The next extent is announced where a frame found no room any more: behind the bad one, or it is the bad one. */
function endsWhereLinkMayBe({ sizeBytes, usedBytes }: ExtentImage, limits: StorageLimits): boolean {
  const { frameBytesTarget, homeBytesMin } = limits;
  const longest = frameBytes(frameBytesTarget + homeBytesMin);
  return sizeBytes - usedBytes <= 2 * LINK_BYTES + RECORDS_RESERVE_BYTES + 2 * longest;
}

/**
 * Whether the bad frame can be the one that announces the next extent, or have that one behind it. What rots may be
 * anything; but with all other fields as they should be, neither a link's length nor a link's record, and nothing
 * behind it, it is a frame whose write was cut short: all free space need not be read for that. Unless that
 * nothing is what became of a lost sector: then the end of the frame is zeroes as well.
 */
async function mayBeLink(
  { run, generation, fileNumber, start, sizeBytes, usedBytes }: ExtentImage,
  { world, position }: { world: LostJournalWorld; position: number },
): Promise<boolean> {
  const file = world.files.get(fileNumber).disk;
  if (file === null) return true;
  const length = FRAME_HEADER_BYTES + LINK_BODY_BYTES;
  const buffer = new Uint8Array(length);
  const read = { file, fileOffset: start + usedBytes, buffer, bufferOffset: 0, length, got: 0 };
  await world.disk.read([read]);
  if (read.got < length) return true;
  const header = newFrameHeader();
  decodeFrameHeader(new DataView(buffer.buffer), 0, header);
  const end = frameEnd(usedBytes, header.bodyBytes);
  const isHeaderWhole = header.logId === CATALOG_LOG_ID && header.run === run &&
    header.generation === generation && header.count > 0 && header.entryCount === 0 &&
    header.firstPosition === position && header.firstOffset === 0 && header.lag <= position &&
    !header.goesOn && end <= sizeBytes;
  if (!isHeaderWhole || header.bodyBytes === LINK_BODY_BYTES) return true;
  if (isLinkRecord(buffer.subarray(FRAME_HEADER_BYTES + RECORD_HEADER_BYTES))) return true;
  const around = FRAME_ALIGN_BYTES + Math.min(TERMINATOR_BYTES, sizeBytes - end);
  const ends = { ...read, fileOffset: start + end - FRAME_ALIGN_BYTES, length: around, got: 0 };
  await world.disk.read([ends]);
  if (ends.got < around) return true;
  const isZero = (from: number, to: number) =>
    buffer.subarray(from, to).every((byte) => byte === 0);
  return isZero(0, FRAME_ALIGN_BYTES) || !isZero(FRAME_ALIGN_BYTES, around);
}

function isLinkRecord(bytes: Uint8Array): boolean {
  try {
    const { kind, logId } = decodeCatalogRecord(bytes);
    return kind === "extent" && logId === CATALOG_LOG_ID;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return false;
  }
}

/** What no log is known to have of the files: ascending ranges, aligned where they begin. */
function unclaimed({ logs }: StoreImage, { files }: LostJournalWorld): Map<DataFile, Range[]> {
  const claimed = new Map<number, Range[]>();
  for (const { extents } of logs) {
    for (const { fileNumber, start, sizeBytes } of extents) {
      const range = { start, end: start + alignExtent(sizeBytes) };
      const ranges = claimed.get(fileNumber);
      if (ranges === undefined) claimed.set(fileNumber, [range]);
      else ranges.push(range);
    }
  }
  const free = new Map<DataFile, Range[]>();
  for (const file of files.all()) {
    const ranges: Range[] = [];
    let start = 0;
    const taken = (claimed.get(file.number) ?? []).sort((a, b) => a.start - b.start);
    for (const range of [...taken, { start: file.sizeBytes, end: file.sizeBytes }]) {
      const end = Math.min(range.start, file.sizeBytes);
      if (end > start) ranges.push({ start, end });
      start = Math.max(start, range.end);
    }
    free.set(file, ranges);
  }
  return free;
}

class LostJournal {
  readonly #last: ExtentImage;
  readonly #world: LostJournalWorld;
  readonly #end: Readonly<LogPoint>;
  readonly #header: FrameHeader = newFrameHeader();
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  /** Frames were found that stand behind the journal's end, none of which shows that anything was synced there. */
  #hasUnsynced = false;

  constructor(
    last: ExtentImage,
    { world, end }: { world: LostJournalWorld; end: Readonly<LogPoint> },
  ) {
    assert(SEARCH_BYTES % EXTENT_ALIGN_BYTES === 0, "each window begins where an extent may");
    this.#last = last;
    this.#world = world;
    this.#end = end;
    this.#buffer = new Uint8Array(SEARCH_BYTES);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Looks at each place where an extent may begin. */
  async lookThrough(free: ReadonlyMap<DataFile, readonly Range[]>): Promise<GoesOn> {
    if (await this.#isIn(free)) return "synced";
    return this.#hasUnsynced ? "unsynced" : "no";
  }

  async #isIn(free: ReadonlyMap<DataFile, readonly Range[]>): Promise<boolean> {
    const { logger } = this.#world;
    let bytes = 0;
    for (const { start, end } of [...free.values()].flat()) bytes += end - start;
    logger.log(
      "info",
      "the journal ends in a bad frame: looking whether it goes on in free space",
      {
        bytes,
      },
    );
    let looked = 0, told = 0;
    for (const [file, ranges] of free) {
      for (const { start, end } of ranges) {
        for (let at = start; at < end; at += SEARCH_BYTES) {
          const length = Math.min(SEARCH_BYTES, end - at);
          if (await this.#isBetween(file, at, length)) return true;
          looked += length;
          if (looked - told < PROGRESS_BYTES) continue;
          told = looked;
          logger.log("info", "looking whether the journal goes on in free space", {
            looked,
            bytes,
          });
        }
      }
    }
    logger.log("info", "the journal does not go on in free space", { bytes });
    return false;
  }

  async #isBetween(file: DataFile, start: number, length: number): Promise<boolean> {
    if (file.disk === null) return false;
    const got = await this.#tryRead(file.disk, start, length);
    if (got === null) return await this.#isInAnyBlock(file, start, length);
    for (let at = 0; at + FRAME_HEADER_BYTES <= got; at += EXTENT_ALIGN_BYTES) {
      if (this.#isNext(at) && await this.#isAt(file, start + at)) return true;
    }
    return false;
  }

  /** What can't be read is passed over: the journal's own extents are read where recovery needs them. */
  async #isInAnyBlock(file: DataFile, start: number, length: number): Promise<boolean> {
    let bad = 0, firstBad = 0;
    for (let at = start; at < start + length; at += EXTENT_ALIGN_BYTES) {
      const got = await this.#tryRead(file.disk!, at, FRAME_HEADER_BYTES);
      if (got === null && bad++ === 0) firstBad = at;
      if (got !== FRAME_HEADER_BYTES || !this.#isNext(0)) continue;
      if (await this.#isAt(file, at)) return true;
    }
    this.#world.logger.log(
      "warn",
      "free space can't be read: whether the journal goes on there is unknown",
      {
        file: file.name,
        fileOffset: firstBad,
        blocks: bad,
      },
    );
    return false;
  }

  /** Bytes that are in the buffer now; `null`: there is an error on the disk. */
  async #tryRead(file: DiskFile, fileOffset: number, length: number): Promise<number | null> {
    const read = { file, fileOffset, buffer: this.#buffer, bufferOffset: 0, length, got: 0 };
    try {
      await this.#world.disk.read([read]);
      return read.got;
    } catch (error) {
      if (error instanceof DiskError && error.code === "Io") return null;
      throw error;
    }
  }

  /** Whether what is loaded at `at` begins as the journal's next extent would. */
  #isNext(at: number): boolean {
    const header = this.#header;
    decodeFrameHeader(this.#view, at, header);
    const { run, generation } = this.#last;
    return header.logId === CATALOG_LOG_ID && header.run === run &&
      header.generation > generation && header.firstPosition > this.#end.position &&
      Number.isSafeInteger(header.firstPosition);
  }

  /** Whether the frames behind the header that was just looked at say that more was synced. */
  async #isAt(file: DataFile, start: number): Promise<boolean> {
    const header = this.#header;
    const { disk, key } = this.#world;
    const at = { position: header.firstPosition, offset: header.firstOffset, payload: 0 };
    const sizeBytes = file.sizeBytes - start;
    const image = { ...this.#last, start, sizeBytes, generation: header.generation, first: at };
    const cursor = new ExtentCursor(new Extent({ ...image, file }), {
      disk,
      key,
      logId: CATALOG_LOG_ID,
      reach: { position: Infinity, offset: Infinity, payload: Infinity },
      at,
      place: 0,
      endPlace: sizeBytes,
      windowBytes: WINDOW_BYTES,
    });
    while (await cursor.judge() === "frame") {
      const { firstPosition, lag } = cursor.header;
      if (firstPosition - lag > this.#end.position) return true;
      this.#hasUnsynced = true;
      cursor.advance();
    }
    return false;
  }
}
