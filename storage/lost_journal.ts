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

import type { Disk, DiskRead } from "../world/mod.ts";
import type { DataFile } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { Extent, type LogPoint } from "./extent.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  frameBytes,
  type FrameHeader,
  type FrameKey,
  newFrameHeader,
} from "./frame.ts";
import { FreeSpace } from "./free_space.ts";
import { LINK_BYTES, RECORDS_RESERVE_BYTES } from "./journal.ts";
import { alignExtent, EXTENT_ALIGN_BYTES, type StorageLimits } from "./limits.ts";
import { CATALOG_LOG_ID, type ExtentImage, type StoreImage } from "./store_image.ts";

/** Places that are looked at in one call to the disk. */
const PLACES_AT_ONCE = 512;
/** Read first where an extent of the journal seems to begin. */
const WINDOW_BYTES = 1 << 16;

/** What it works with. */
export interface LostJournalWorld {
  disk: Disk;
  files: DataFiles;
  key: FrameKey;
  limits: StorageLimits;
}

/**
 * True: frames of the journal's run stand behind its seeming end, written after what stood there had been
 * synced. `image` is what is known up to there.
 */
export async function journalGoesOn(image: StoreImage, world: LostJournalWorld): Promise<boolean> {
  const journal = image.logs.find(({ id }) => id === CATALOG_LOG_ID);
  const last = journal?.extents.at(-1);
  if (journal === undefined || last === undefined || !mayBeLink(last, world.limits)) return false;
  const search = new LostJournal(last, { world, end: journal.known });
  for (const file of world.files.all()) {
    if (await search.isIn(file, unclaimed(file, image))) return true;
  }
  return false;
}

/** The next extent is announced where a frame found no room any more. */
function mayBeLink({ sizeBytes, usedBytes }: ExtentImage, limits: StorageLimits): boolean {
  const { frameBytesTarget, homeBytesMin } = limits;
  const longest = frameBytes(frameBytesTarget + homeBytesMin);
  return sizeBytes - usedBytes <= 2 * LINK_BYTES + RECORDS_RESERVE_BYTES + longest;
}

/** What no log is known to have of the file. */
function unclaimed(file: DataFile, { logs }: StoreImage): FreeSpace {
  const free = new FreeSpace(file.sizeBytes);
  for (const { extents } of logs) {
    for (const { fileNumber, start, sizeBytes } of extents) {
      if (fileNumber === file.number) free.claim(start, start + alignExtent(sizeBytes));
    }
  }
  return free;
}

class LostJournal {
  readonly #last: ExtentImage;
  readonly #world: LostJournalWorld;
  readonly #end: Readonly<LogPoint>;
  readonly #header: FrameHeader = newFrameHeader();

  constructor(
    last: ExtentImage,
    { world, end }: { world: LostJournalWorld; end: Readonly<LogPoint> },
  ) {
    this.#last = last;
    this.#world = world;
    this.#end = end;
  }

  /** Looks at each place of the file where an extent may begin. */
  async isIn(file: DataFile, free: FreeSpace): Promise<boolean> {
    if (file.disk === null) return false;
    const next = () => free.take(EXTENT_ALIGN_BYTES);
    for (let start = next(); start >= 0;) {
      const reads: DiskRead[] = [];
      for (; start >= 0 && reads.length < PLACES_AT_ONCE; start = next()) {
        const buffer = new Uint8Array(FRAME_HEADER_BYTES);
        const { length } = buffer;
        reads.push({ file: file.disk, fileOffset: start, buffer, bufferOffset: 0, length, got: 0 });
      }
      await this.#world.disk.read(reads);
      for (const { got, buffer, fileOffset } of reads) {
        if (got === FRAME_HEADER_BYTES && await this.#isAt(file, buffer, fileOffset)) return true;
      }
    }
    return false;
  }

  /** Whether an extent of the journal begins with this header, and its frames say that more was synced. */
  async #isAt(file: DataFile, bytes: Uint8Array, start: number): Promise<boolean> {
    const header = this.#header;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    decodeFrameHeader(view, 0, header);
    const { run, generation } = this.#last;
    const isNext = header.logId === CATALOG_LOG_ID && header.run === run &&
      header.generation > generation && header.firstPosition > this.#end.position &&
      Number.isSafeInteger(header.firstPosition);
    if (!isNext) return false;
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
      cursor.advance();
    }
    return false;
  }
}
