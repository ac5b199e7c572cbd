/**
 * The newest records of an open segment in memory, for the streams to its other replicas: each batch is
 * copied once, however many replicas there are. What is older is read from the log.
 *
 * @module
 */

import type { RecordBatch } from "../../storage/mod.ts";
import { assert } from "../../world/mod.ts";

/** What a buffer without much in it holds. */
const SMALL_BYTES = 4096;

/** A run of whole batches. A view: valid until the next `append`. */
export interface TailRun {
  bytes: Uint8Array;
  count: number;
}

/** Holds batches in order, up to a number of bytes; the oldest go first. */
export class TailBuffer {
  readonly #capacityBytes: number;
  #buffer: Uint8Array;
  /** Byte where the first kept batch starts, and where the last one ends. */
  #start = 0;
  #end = 0;
  /** For each kept batch: the position of its first record, and its byte. One more marks the end. */
  #positions: number[];
  #offsets: number[] = [0];

  constructor(position: number, options: { capacityBytes: number }) {
    this.#capacityBytes = options.capacityBytes;
    this.#buffer = new Uint8Array(SMALL_BYTES);
    this.#positions = [position];
  }

  /** Position behind the last record. */
  get endPosition(): number {
    return this.#positions.at(-1)!;
  }

  /** A batch was appended to the log at `position`. One that is larger than the buffer is not kept. */
  append(position: number, batch: RecordBatch): void {
    if (position !== this.endPosition) this.#restart(position);
    const length = batch.bytes.length;
    if (length > this.#capacityBytes) return this.#restart(position + batch.count);
    this.#makeRoom(length);
    this.#buffer.set(batch.bytes, this.#end);
    this.#end += length;
    this.#positions.push(position + batch.count);
    this.#offsets.push(this.#end);
  }

  /**
   * The batches from `position` on, at most about `maxBytes` of them (at least one); `null` where the buffer
   * has no batch that begins there.
   */
  from(position: number, maxBytes: number): TailRun | null {
    const first = this.#indexOf(position);
    if (first === null) return null;
    const startByte = this.#offsets[first]!;
    let last = first + 1;
    while (
      last + 1 < this.#offsets.length && this.#offsets[last + 1]! - startByte <= maxBytes
    ) last++;
    return {
      bytes: this.#buffer.subarray(startByte, this.#offsets[last]!),
      count: this.#positions[last]! - position,
    };
  }

  /** Nobody needs what is before `position` any more: gives back the memory, if that is worth it. */
  trim(position: number): void {
    let index = 0;
    while (index < this.#positions.length - 1 && this.#positions[index + 1]! <= position) index++;
    this.#drop(index);
    const kept = this.#end - this.#start;
    if (this.#buffer.length > SMALL_BYTES && kept < this.#buffer.length / 4) {
      this.#moveTo(new Uint8Array(Math.max(SMALL_BYTES, 2 * kept)));
    }
  }

  /** Binary search for a batch that begins at the position; the end mark is none. */
  #indexOf(position: number): number | null {
    let low = 0, high = this.#positions.length - 2;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.#positions[middle]!;
      if (found === position) return middle;
      if (found < position) low = middle + 1;
      else high = middle - 1;
    }
    return null;
  }

  #restart(position: number): void {
    this.#start = this.#end = 0;
    this.#positions = [position];
    this.#offsets = [0];
  }

  #makeRoom(length: number): void {
    if (this.#end + length <= this.#buffer.length) return;
    if (this.#end - this.#start + length > this.#capacityBytes) this.#dropOldest(length);
    const need = this.#end - this.#start + length;
    const size = Math.min(
      Math.max(this.#capacityBytes, need),
      Math.max(2 * need, this.#buffer.length),
    );
    // A larger buffer, or the same one where the kept bytes move to its front.
    this.#moveTo(size > this.#buffer.length ? new Uint8Array(size) : this.#buffer);
    assert(this.#end + length <= this.#buffer.length, "room was made");
  }

  #moveTo(target: Uint8Array): void {
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = target;
    this.#offsets = this.#offsets.map((offset) => offset - this.#start);
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** Drops batches until half of the buffer and `length` more are free: moving bytes is then rare. */
  #dropOldest(length: number): void {
    const keep = Math.max(0, Math.min(this.#capacityBytes >> 1, this.#capacityBytes - length));
    let index = 0;
    while (index < this.#positions.length - 1 && this.#end - this.#offsets[index]! > keep) index++;
    this.#drop(index);
  }

  /** Drops the oldest `count` batches. */
  #drop(count: number): void {
    this.#start = this.#offsets[count]!;
    this.#positions.splice(0, count);
    this.#offsets.splice(0, count);
  }
}
