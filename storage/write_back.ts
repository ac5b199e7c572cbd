/**
 * Makes true what recovery found: writes the frames that no sync is known to cover once more, byte for byte,
 * and syncs.
 *
 * ⛔ A sync alone does not do it. After a failed one the kernel calls the pages clean: the process that is
 * started next reads from the page cache what is not on disk, its sync has nothing to do and succeeds, and
 * a power loss takes what it acknowledged (spec/DECISIONS.md). Writing makes the pages dirty again.
 *
 * Only what is read again and found to be the same frames is written, so a page that the kernel has dropped
 * in between is noticed. A crash at any point leaves of each sector what was there or what was written,
 * which is what the crash of the process that wrote it first could have left.
 *
 * @module
 */

import type { Disk, DiskWrite } from "../world/mod.ts";
import type { DataFiles } from "./data_files.ts";
import { Extent } from "./extent.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import { type FrameKey, TERMINATOR_BYTES } from "./frame.ts";
import type { UnprovenRun } from "./unproven.ts";

/** Read first of each run, and at most at once; a frame that is larger is read whole. */
const WINDOW_BYTES_MIN = 1 << 14;
const WINDOW_BYTES_MAX = 1 << 20;
/** Bytes and writes that go to the disk at once. */
const COMMIT_BYTES = 1 << 20;
const COMMIT_WRITES = 256;

/** What it works with. */
export interface WriteBackWorld {
  disk: Disk;
  files: DataFiles;
  key: FrameKey;
}

/**
 * Writes the frames of `runs` back and syncs all files. Returns the bytes written; `null` when they are not
 * there any more: the page cache has lost what was not on disk, and what is there is to be recovered again.
 *
 * @throws {DiskError}
 */
export async function writeBack(
  runs: readonly UnprovenRun[],
  world: WriteBackWorld,
): Promise<number | null> {
  const back = new WriteBack(world);
  for (const run of runs) if (!await back.add(run)) return null;
  await back.finish();
  return back.bytes;
}

class WriteBack {
  bytes = 0;
  readonly #world: WriteBackWorld;
  #writes: DiskWrite[] = [];
  #pendingBytes = 0;

  constructor(world: WriteBackWorld) {
    this.#world = world;
  }

  /** False: other bytes than a moment ago. */
  async add(run: UnprovenRun): Promise<boolean> {
    const cursor = this.#cursor(run);
    let from = cursor.place;
    while (cursor.at.position < run.endPosition) {
      let verdict = cursor.tryJudge();
      if (verdict === null) {
        await this.#take(cursor, from);
        from = cursor.place;
        verdict = await cursor.judge();
        cursor.growWindow(WINDOW_BYTES_MAX);
      }
      if (verdict !== "frame") return false;
      cursor.advance();
    }
    await this.#take(cursor, from);
    // The zeroes behind say that the log ends here. Where older bytes are, recovery would see a torn tail.
    if (await cursor.judge() !== "empty") return true;
    const end = Math.min(cursor.place + TERMINATOR_BYTES, cursor.endPlace);
    await this.#takeBytes(cursor, { from: cursor.place, to: end });
    return true;
  }

  async finish(): Promise<void> {
    const files = [...this.#world.files.all()].map(({ disk }) => disk).filter((disk) =>
      disk !== null
    );
    await this.#world.disk.commit(this.#writes, files);
    this.#writes = [];
  }

  async #take(cursor: ExtentCursor, from: number): Promise<void> {
    await this.#takeBytes(cursor, { from, to: cursor.place });
  }

  async #takeBytes(
    cursor: ExtentCursor,
    { from, to }: { from: number; to: number },
  ): Promise<void> {
    const buffer = cursor.loaded(from, to);
    const { length } = buffer;
    if (length === 0) return;
    const file = cursor.extent.file.disk!;
    this.#writes.push({
      file,
      fileOffset: cursor.extent.start + from,
      buffer,
      bufferOffset: 0,
      length,
    });
    this.bytes += length;
    this.#pendingBytes += length;
    if (this.#pendingBytes < COMMIT_BYTES && this.#writes.length < COMMIT_WRITES) return;
    await this.#world.disk.commit(this.#writes, []);
    this.#writes = [];
    this.#pendingBytes = 0;
  }

  #cursor({ logId, extent, place, at }: UnprovenRun): ExtentCursor {
    const { disk, files, key } = this.#world;
    const reach = { position: Infinity, offset: Infinity, payload: Infinity };
    return new ExtentCursor(new Extent({ ...extent, file: files.get(extent.fileNumber) }), {
      disk,
      key,
      logId,
      reach,
      at,
      place,
      endPlace: extent.sizeBytes,
      windowBytes: WINDOW_BYTES_MIN,
    });
  }
}
