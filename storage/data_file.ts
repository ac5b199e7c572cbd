/**
 * One data file: its name, its open file, what of it is free.
 *
 * @module
 */

import type { DiskFile } from "../world/mod.ts";
import { FreeSpace } from "./free_space.ts";

const NAME_PREFIX = "data-";
const NUMBER_DIGITS = 8;

/** The name of the data file with that number. */
export function dataFileName(number: number): string {
  return NAME_PREFIX + String(number).padStart(NUMBER_DIGITS, "0");
}

/** The number in a data file's name; `null` for other names. */
export function dataFileNumber(name: string): number | null {
  const match = /^data-(\d{8,10})$/.exec(name);
  if (match === null) return null;
  const number = Number(match[1]);
  return number >= 1 && number < 2 ** 32 ? number : null;
}

/** A data file that is there, or that an extent speaks of although it is gone. */
export class DataFile {
  readonly number: number;
  /** `null`: extents speak of it, but it is not there. */
  readonly disk: DiskFile | null;
  readonly free: FreeSpace;
  /** Written since its last sync. */
  isDirty = false;
  /** The cycle of its store's {@link WriteList} that wrote it last. */
  listedIn = -1;
  /** Bytes from here on were never written, as far as this process knows: see `zeroAheadBytes`. */
  writtenBytes = 0;
  /** Shorter than its extents say: somebody cut it. It stays, whatever is left in it. */
  isCut = false;

  constructor(number: number, disk: DiskFile | null) {
    this.number = number;
    this.disk = disk;
    this.free = new FreeSpace(disk?.sizeBytes ?? 0);
  }

  get name(): string {
    return dataFileName(this.number);
  }
  get sizeBytes(): number {
    return this.disk?.sizeBytes ?? 0;
  }
  get isUnused(): boolean {
    return !this.isCut && this.free.freeBytes === this.sizeBytes;
  }
}
