/**
 * All that a store knows about one log; who changes what: appends move `end`, the commit cycle moves
 * `laid`, `written` and `synced`, structural operations move the rest.
 *
 * @module
 */

import { copyPoint, Extent, type LogPoint } from "./extent.ts";
import type { DataFiles } from "./data_files.ts";
import type { Piece } from "./staging.ts";
import type { DamageImage, LogImage } from "./store_image.ts";
import type { DamagedRange, Durability } from "./types.ts";
import { dataFileName } from "./data_file.ts";

/** The state of one log. */
export class LogState {
  readonly id: number;
  readonly name: string;
  readonly ownDurability: Durability | null;
  readonly durability: Durability;
  isUncertain: boolean;
  isClosed = false;
  readonly start: LogPoint;
  /** Of frames that were given a place in the cycle that is in flight. */
  readonly laid: LogPoint;
  /** On disk, though perhaps not synced. */
  readonly written: LogPoint;
  readonly synced: LogPoint;
  /** Accepted. */
  readonly end: LogPoint;
  extents: Extent[];
  damage: DamageImage[];
  /** Of the cycle that is being filled. */
  pieces: Piece[] = [];
  isDirty = false;

  constructor(
    image: LogImage,
    { files, durability }: { files: DataFiles; durability: Durability },
  ) {
    this.id = image.id;
    this.name = image.name;
    this.ownDurability = image.durability;
    this.durability = image.durability ?? durability;
    this.isUncertain = image.isUncertain;
    this.start = { ...image.start };
    this.laid = { ...image.known };
    this.written = { ...image.known };
    this.synced = { ...image.known };
    this.end = { ...image.known };
    this.damage = image.damage;
    this.extents = image.extents.map((extent) =>
      new Extent({ ...extent, file: files.get(extent.fileNumber) })
    );
  }

  get tail(): Extent | undefined {
    return this.extents.at(-1);
  }

  get allocatedBytes(): number {
    return this.extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
  }

  /** Index of the extent that holds a position; -1: none. */
  extentAt(position: number): number {
    let low = 0, high = this.extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.extents[middle]!.first.position <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** What the extent with that index reaches: the next one's first, or what is written. */
  extentEnd(index: number): LogPoint {
    return this.extents[index + 1]?.first ?? this.written;
  }

  /** Forgets what was laid and not written. Returns the extents that this leaves without an owner. */
  rollBack(): Extent[] {
    const lost: Extent[] = [];
    while (this.tail?.isNew) lost.push(this.extents.pop()!);
    for (const extent of lost) extent.isGone = true;
    const { tail } = this;
    if (tail !== undefined) {
      tail.laidBytes = tail.usedBytes;
      tail.laidControl = tail.lastControl;
      tail.index?.cut(this.written.position);
    }
    copyPoint(this.laid, this.written);
    return lost;
  }

  /** What was laid is written now. */
  promote(isSynced: boolean): void {
    for (let index = this.extents.length - 1; index >= 0; index--) {
      const extent = this.extents[index]!;
      const wasNew = extent.isNew;
      extent.usedBytes = extent.laidBytes;
      extent.lastControl = extent.laidControl;
      extent.isNew = false;
      if (!wasNew) break;
    }
    copyPoint(this.written, this.laid);
    if (isSynced) copyPoint(this.synced, this.laid);
  }

  /** Adds a run that can't be read, once. */
  addDamage(damage: DamageImage): void {
    const isKnown = this.damage.some(({ first }) => first.position === damage.first.position);
    if (isKnown) return;
    this.damage = [...this.damage, damage].sort((a, b) => a.first.position - b.first.position);
    this.isUncertain = true;
  }

  toImage(): LogImage {
    return {
      id: this.id,
      name: this.name,
      durability: this.ownDurability,
      isUncertain: this.isUncertain,
      start: { ...this.start },
      known: { ...this.written },
      damage: this.damage,
      extents: this.extents.map((extent) => ({
        fileNumber: extent.file.number,
        start: extent.start,
        sizeBytes: extent.sizeBytes,
        run: extent.run,
        generation: extent.generation,
        first: extent.first,
        usedBytes: extent.usedBytes,
        lastControl: extent.lastControl,
      })),
    };
  }
}

/** A damaged run as callers see it. */
export function toDamagedRange({ first, next, fileNumber, fileOffset }: DamageImage): DamagedRange {
  return {
    firstPosition: first.position,
    endPosition: next.position,
    file: dataFileName(fileNumber),
    fileOffset,
  };
}
