/**
 * All data files of a store: where new extents come from, and where they go when nobody needs them.
 *
 * @module
 */

import type { Disk } from "../world/mod.ts";
import { DataFile, dataFileName, dataFileNumber } from "./data_file.ts";
import type { ByteRange } from "./extent.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";

/** Files that are opened at once. */
const OPENED_AT_ONCE = 32;

/** The data files in ascending order of their numbers, and the allocator over them. */
export class DataFiles {
  readonly #disk: Disk;
  readonly #limits: StorageLimits;
  readonly #byNumber = new Map<number, DataFile>();
  #nextNumber = 1;
  #totalBytes = 0;

  private constructor(disk: Disk, limits: StorageLimits) {
    this.#disk = disk;
    this.#limits = limits;
  }

  /** Opens what the directory has. */
  static async open(disk: Disk, limits: StorageLimits): Promise<DataFiles> {
    const files = new DataFiles(disk, limits);
    const numbers = (await disk.list()).map(({ name }) => dataFileNumber(name));
    const ascending = numbers.filter((n) => n !== null).sort((a, b) => a - b);
    // Side by side: a large store has a hundred or two.
    for (let from = 0; from < ascending.length; from += OPENED_AT_ONCE) {
      const opening = ascending.slice(from, from + OPENED_AT_ONCE).map(async (number) =>
        new DataFile(number, await disk.open(dataFileName(number), { create: false }))
      );
      const opened = await Promise.allSettled(opening);
      for (const result of opened) if (result.status === "fulfilled") files.#add(result.value);
      const failed = opened.find((result) => result.status === "rejected");
      if (failed !== undefined) {
        await files.close();
        throw failed.reason;
      }
    }
    return files;
  }

  get count(): number {
    return this.#byNumber.size;
  }
  get totalBytes(): number {
    return this.#totalBytes;
  }

  all(): IterableIterator<DataFile> {
    return this.#byNumber.values();
  }

  /** The file with that number, or a stand-in for one that is missing. */
  get(number: number): DataFile {
    return this.#byNumber.get(number) ?? new DataFile(number, null);
  }

  /** Marks what an extent holds as taken: when the allocator is filled at open. */
  claim(range: ByteRange): void {
    const { file, start, length } = range;
    file.free.claim(start, start + length);
    if (start + length > file.sizeBytes) file.isCut = true;
    file.writtenBytes = Math.max(file.writtenBytes, start + length);
  }

  /** Takes what nobody has, so that nobody gets it before it is given back. */
  hold({ file, start, length }: ByteRange): void {
    file.free.claim(start, start + length);
  }

  /** Space for an extent, from the lowest file that has it; `null`: none has, see {@link grow}. */
  take(length: number): ByteRange | null {
    for (const file of this.#byNumber.values()) {
      const start = file.free.take(length);
      if (start >= 0) return { file, start, length };
    }
    return null;
  }

  give(range: ByteRange): void {
    // A file that is missing or was cut has less to take back than its extents said.
    const end = Math.min(range.start + range.length, range.file.sizeBytes);
    range.file.free.give(Math.min(range.start, end), end);
  }

  /** Adds a file with room for an extent of `length`. @throws {DiskError} `NoSpace` among others. */
  async grow(length: number): Promise<void> {
    const { fileBytesMin, fileBytesMax, fileShare } = this.#limits;
    const share = 2 ** Math.floor(Math.log2(Math.max(1, this.#totalBytes / fileShare)));
    const wanted = Math.min(fileBytesMax, Math.max(fileBytesMin, share));
    const number = this.#nextNumber++;
    const disk = await this.#disk.open(dataFileName(number), { create: true });
    try {
      await this.#allocate(number, { wanted: Math.max(wanted, alignExtent(length)), length, disk });
    } catch (error) {
      await this.#disk.closeFile(disk).catch(() => {});
      await this.#disk.remove(dataFileName(number)).catch(() => {});
      throw error;
    }
    this.#add(new DataFile(number, disk));
  }

  /** Takes out the files that hold nothing, but for one with room for what comes next. */
  takeUnused(): DataFile[] {
    const unused = [...this.#byNumber.values()].filter((file) => file.isUnused);
    const isSpare = unused.length === this.#byNumber.size ||
      this.freeBytes - unused.reduce((sum, file) => sum + file.sizeBytes, 0) <
        this.#limits.extentBytesMax;
    if (isSpare) unused.pop();
    for (const file of unused) {
      this.#byNumber.delete(file.number);
      this.#totalBytes -= file.sizeBytes;
    }
    return unused;
  }

  /** Deletes a file that {@link takeUnused} gave. */
  async remove(file: DataFile): Promise<void> {
    if (file.disk !== null) await this.#disk.closeFile(file.disk);
    await this.#disk.remove(file.name);
  }

  async close(): Promise<void> {
    for (const file of this.#byNumber.values()) {
      if (file.disk !== null) await this.#disk.closeFile(file.disk);
    }
    this.#byNumber.clear();
  }

  /** A smaller file is better than none where the disk is nearly full. */
  async #allocate(
    number: number,
    { wanted, length, disk }: { wanted: number; length: number; disk: DataFile["disk"] & object },
  ): Promise<void> {
    try {
      await this.#disk.allocate(disk, wanted);
    } catch (error) {
      const least = alignExtent(length);
      if (wanted <= least) throw error;
      await this.#allocate(number, {
        wanted: Math.max(least, alignExtent(wanted / 8)),
        length,
        disk,
      });
    }
  }

  get freeBytes(): number {
    let bytes = 0;
    for (const file of this.#byNumber.values()) bytes += file.free.freeBytes;
    return bytes;
  }

  #add(file: DataFile): void {
    this.#byNumber.set(file.number, file);
    this.#totalBytes += file.sizeBytes;
    this.#nextNumber = Math.max(this.#nextNumber, file.number + 1);
  }
}
