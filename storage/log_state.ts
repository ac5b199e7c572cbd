/**
 * All that a store knows about one log; who changes what: appends move `end`, the commit cycle moves
 * `laid`, `written` and `synced`, structural operations move the rest.
 *
 * @module
 */

import { assert, DIRECT_BLOCK_BYTES } from "../world/mod.ts";
import { copyPoint, Extent, fixedPoint, type LogPoint } from "./extent.ts";
import type { DataFiles } from "./data_files.ts";
import { type AwayFrame, NOTHING_AWAY } from "./journal.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";
import { NO_PIECES, type Piece } from "./staging.ts";
import type { DamageImage, LogImage } from "./store_image.ts";
import type { DamagedRange, Durability } from "./types.ts";
import { dataFileName } from "./data_file.ts";

/** What logs without damage share. */
const NO_DAMAGE: readonly DamageImage[] = Object.freeze([]);

/** Up to so many extents are kept in an array without room for more. */
const FEW_EXTENTS = 8;

/** The state of one log. */
export class LogState {
  readonly id: number;
  readonly name: string;
  readonly ownDurability: Durability | null;
  readonly durability: Durability;
  isUncertain: boolean;
  isClosed = false;
  start: Readonly<LogPoint>;
  // The next five are one and the same while the log is at rest: most of many logs are.
  /** Of frames that were given a place in the log's extents, in the cycle that is in flight too. */
  laid: LogPoint;
  /** On disk in the log's extents, and up to where they are synced. */
  homed: LogPoint;
  homeSynced: number;
  /** Behind `homed`: durable in the journal, and here. */
  away: readonly AwayFrame[] = NOTHING_AWAY;
  awayBytes = 0;
  /** On disk anywhere, though perhaps not synced. */
  written: LogPoint;
  synced: LogPoint;
  /** Accepted. */
  end: LogPoint;
  extents: Extent[];
  damage: readonly DamageImage[];
  /** Of the cycle that is being filled. */
  pieces: readonly Piece[] = NO_PIECES;
  /** Of the last cycle that had something of it, all went to its own extents. */
  goesHome = false;
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
    this.start = fixedPoint(image.start);
    this.laid =
      this.homed =
      this.written =
      this.synced =
      this.end =
        { ...image.known };
    this.homeSynced = image.known.position;
    this.damage = image.damage.length === 0 ? NO_DAMAGE : image.damage;
    this.extents = image.extents.map((extent) =>
      new Extent({ ...extent, file: files.get(extent.fileNumber) })
    );
  }

  /** Before anything of the log moves but all of it at once. */
  wake(): void {
    const { end } = this;
    if (this.laid !== end) return;
    this.laid = { ...end };
    this.homed = { ...end };
    this.written = { ...end };
    this.synced = { ...end };
  }

  /** Everything that was accepted is at home and synced: it takes less memory then. */
  maybeRest(): void {
    const { end } = this;
    const isAtRest = !this.isDirty && this.homeSynced === end.position &&
      this.synced.position === end.position && this.laid.position === end.position;
    if (!isAtRest || this.laid === end) return;
    this.laid =
      this.homed =
      this.written =
      this.synced =
        end;
    // An array that grew has room for many more.
    if (this.extents.length <= FEW_EXTENTS) this.extents = this.extents.slice();
  }

  get tail(): Extent | undefined {
    return this.extents.at(-1);
  }

  get lead(): number {
    if (!this.goesHome) return -1;
    return (this.tail?.laidBytes ?? 0) % DIRECT_BLOCK_BYTES;
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

  /** What the extent with that index reaches: the next one's first, or what is at home. */
  extentEnd(index: number): Readonly<LogPoint> {
    return this.extents[index + 1]?.first ?? this.homed;
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
      tail.index?.cut(this.homed.position);
    }
    copyPoint(this.laid, this.homed);
    return lost;
  }

  /** What was laid is at home now. What was away is to be dropped. */
  comeHome(isSynced: boolean): void {
    for (let index = this.extents.length - 1; index >= 0; index--) {
      const extent = this.extents[index]!;
      const wasNew = extent.isNew;
      extent.usedBytes = extent.laidBytes;
      extent.lastControl = extent.laidControl;
      extent.isNew = false;
      if (!wasNew) break;
    }
    copyPoint(this.homed, this.laid);
    copyPoint(this.written, this.laid);
    if (!isSynced) return;
    // ⛔ Frames will say so, and recovery calls rotten by that what is not there.
    assert(this.tail?.file.isDirty !== true, `what log ${this.name} has at home is synced`);
    this.noteSynced();
  }

  /** A frame was written to the journal. */
  goAway(frame: AwayFrame, isSynced: boolean): void {
    const { written } = this;
    this.goesHome = false;
    // All lists but the shared one are this log's.
    if (this.away === NOTHING_AWAY) this.away = [frame];
    else (this.away as AwayFrame[]).push(frame);
    this.awayBytes += frame.end - frame.bodyStart;
    written.position += frame.count;
    written.offset += frame.entryCount;
    written.payload += frame.end - frame.bodyStart - frame.count * RECORD_HEADER_BYTES;
    if (isSynced) copyPoint(this.synced, written);
  }

  /** Everything written is synced. */
  noteSynced(): void {
    copyPoint(this.synced, this.written);
    this.homeSynced = this.homed.position;
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
      known: { ...this.homed },
      damage: [...this.damage],
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
