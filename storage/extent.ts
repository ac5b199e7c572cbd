/**
 * A run of bytes in a data file that belongs to one log, and the sparse index of the frames in it.
 *
 * @module
 */

import type { DataFile } from "./data_file.ts";
import { alignExtent } from "./limits.ts";

/** A place in a file, in bytes. */
export interface ByteRange {
  readonly file: DataFile;
  readonly start: number;
  readonly length: number;
}

/** How far a log reaches, in every measure that it has. */
export interface LogPoint {
  position: number;
  offset: number;
  /** Payload bytes since the log's creation. */
  payload: number;
}

/** Where every log begins. One for all of them: nobody changes it. */
const ORIGIN: Readonly<LogPoint> = Object.freeze({ position: 0, offset: 0, payload: 0 });

/** A copy of a point that nobody will change. */
export function fixedPoint(point: Readonly<LogPoint>): Readonly<LogPoint> {
  return point.position === 0 ? ORIGIN : { ...point };
}

/** Makes `into` the same as `from`. */
export function copyPoint(into: LogPoint, from: Readonly<LogPoint>): void {
  into.position = from.position;
  into.offset = from.offset;
  into.payload = from.payload;
}

/** Numbers of a point in a {@link FrameIndex}. */
const FIELDS = 4;
enum Field {
  Position,
  Offset,
  Payload,
  Place,
}

/**
 * What is known about some frames of an extent; where each starts, relative to the extent. The first frame,
 * at place 0, need not be in it.
 */
export class FrameIndex {
  /** Of an extent whose first frame is all that is known. Nobody changes it. */
  static readonly NO_POINTS: FrameIndex = new FrameIndex();
  /** One point behind the other, ascending: an array for each field would be most of a small extent. */
  readonly #values: number[] = [];

  get size(): number {
    return this.#values.length / FIELDS;
  }

  add(point: Readonly<LogPoint>, place: number): void {
    this.#values.push(point.position, point.offset, point.payload, place);
  }

  /** Adds a point between others; harmless when it is there. */
  insert(point: Readonly<LogPoint>, place: number): void {
    const before = this.#lastAtMost(Field.Position, point.position);
    if (before >= 0 && this.#value(before, Field.Position) === point.position) return;
    this.#values.splice(
      (before + 1) * FIELDS,
      0,
      point.position,
      point.offset,
      point.payload,
      place,
    );
  }

  /** The place of the last frame that was added; the extent's beginning while there is none. */
  get lastPlace(): number {
    return this.size === 0 ? 0 : this.#value(this.size - 1, Field.Place);
  }

  /** Drops the points at and behind `position`. */
  cut(position: number): void {
    let size = this.size;
    while (size > 0 && this.#value(size - 1, Field.Position) >= position) size--;
    if (size < this.size) this.#values.length = size * FIELDS;
  }

  /** The last point at or before a position; `null`: before the first. */
  atPosition(position: number): (LogPoint & { place: number }) | null {
    return this.#at(this.#lastAtMost(Field.Position, position));
  }

  /** The last point at or before the entry with this offset. */
  atOffset(offset: number): (LogPoint & { place: number }) | null {
    return this.#at(this.#lastAtMost(Field.Offset, offset));
  }

  #at(index: number): (LogPoint & { place: number }) | null {
    if (index < 0) return null;
    return {
      position: this.#value(index, Field.Position),
      offset: this.#value(index, Field.Offset),
      payload: this.#value(index, Field.Payload),
      place: this.#value(index, Field.Place),
    };
  }

  #value(index: number, field: Field): number {
    return this.#values[index * FIELDS + field]!;
  }

  /** Index of the last point whose field is at most `value`; -1: none. */
  #lastAtMost(field: Field, value: number): number {
    let low = 0, high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#value(middle, field) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** What an extent is made from. */
export interface ExtentFields {
  file: DataFile;
  start: number;
  sizeBytes: number;
  run: number;
  generation: number;
  /** Of the log, where this extent begins. */
  first: Readonly<LogPoint>;
  /** Bytes of frames that are on disk, as far as is known. */
  usedBytes: number;
  /** Position of the last frame that has a control record; -1: none. */
  lastControl: number;
}

/** One extent of a log. */
export class Extent implements ExtentFields {
  readonly file: DataFile;
  readonly start: number;
  sizeBytes: number;
  readonly run: number;
  readonly generation: number;
  readonly first: Readonly<LogPoint>;
  usedBytes: number;
  lastControl: number;
  /** Bytes of frames that were given a place, whether they are on disk yet or not. */
  laidBytes: number;
  /** What `lastControl` will be once the laid frames are on disk. */
  laidControl: number;
  /** Known from writing it, or `null` until the first read has walked over it. */
  index: FrameIndex | null = null;
  /** Made by the cycle that is in flight. */
  isNew = false;
  /** Given back: what is read from it now may be anything. */
  isGone = false;
  /** Up to where this space was written since it was preallocated, relative to the extent. */
  zeroedBytes: number;

  constructor(fields: ExtentFields) {
    this.file = fields.file;
    this.start = fields.start;
    this.sizeBytes = fields.sizeBytes;
    this.run = fields.run;
    this.generation = fields.generation;
    this.first = fixedPoint(fields.first);
    this.usedBytes = this.laidBytes = fields.usedBytes;
    this.lastControl = this.laidControl = fields.lastControl;
    this.zeroedBytes = fields.sizeBytes;
  }

  /** What the allocator gets back. `sizeBytes` itself may end anywhere, where a tail was cut. */
  get range(): ByteRange {
    return { file: this.file, start: this.start, length: alignExtent(this.sizeBytes) };
  }
}
