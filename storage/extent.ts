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

/** Makes `into` the same as `from`. */
export function copyPoint(into: LogPoint, from: Readonly<LogPoint>): void {
  into.position = from.position;
  into.offset = from.offset;
  into.payload = from.payload;
}

/** What is known about some frames of an extent; where each starts, relative to the extent. */
export class FrameIndex {
  readonly #positions: number[] = [];
  readonly #offsets: number[] = [];
  readonly #payloads: number[] = [];
  readonly #places: number[] = [];

  get size(): number {
    return this.#positions.length;
  }

  add(point: LogPoint, place: number): void {
    this.#positions.push(point.position);
    this.#offsets.push(point.offset);
    this.#payloads.push(point.payload);
    this.#places.push(place);
  }

  /** Adds a point between others; harmless when it is there. */
  insert(point: LogPoint, place: number): void {
    const at = lastAtMost(this.#positions, point.position) + 1;
    if (this.#positions[at - 1] === point.position) return;
    this.#positions.splice(at, 0, point.position);
    this.#offsets.splice(at, 0, point.offset);
    this.#payloads.splice(at, 0, point.payload);
    this.#places.splice(at, 0, place);
  }

  /** The place of the last frame that was added; before the extent while there is none. */
  get lastPlace(): number {
    return this.#places.at(-1) ?? -Infinity;
  }

  /** Drops the points at and behind `position`. */
  cut(position: number): void {
    let size = this.#positions.length;
    while (size > 0 && this.#positions[size - 1]! >= position) size--;
    for (const column of [this.#positions, this.#offsets, this.#payloads, this.#places]) {
      column.length = size;
    }
  }

  /** The last point at or before a position; `null`: before the first. */
  atPosition(position: number): (LogPoint & { place: number }) | null {
    return this.#at(lastAtMost(this.#positions, position));
  }

  /** The last point at or before the entry with this offset. */
  atOffset(offset: number): (LogPoint & { place: number }) | null {
    return this.#at(lastAtMost(this.#offsets, offset));
  }

  #at(index: number): (LogPoint & { place: number }) | null {
    if (index < 0) return null;
    return {
      position: this.#positions[index]!,
      offset: this.#offsets[index]!,
      payload: this.#payloads[index]!,
      place: this.#places[index]!,
    };
  }
}

/** Index of the last of the ascending `values` that is at most `value`; -1: none. */
export function lastAtMost(values: readonly number[], value: number): number {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** What an extent is made from. */
export interface ExtentFields {
  file: DataFile;
  start: number;
  sizeBytes: number;
  run: number;
  generation: number;
  /** Of the log, where this extent begins. */
  first: LogPoint;
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
  readonly first: LogPoint;
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
    this.first = fields.first;
    this.usedBytes = this.laidBytes = fields.usedBytes;
    this.lastControl = this.laidControl = fields.lastControl;
    this.zeroedBytes = fields.sizeBytes;
  }

  /** What the allocator gets back. `sizeBytes` itself may end anywhere, where a tail was cut. */
  get range(): ByteRange {
    return { file: this.file, start: this.start, length: alignExtent(this.sizeBytes) };
  }
}
