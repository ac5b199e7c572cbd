/**
 * Records packed in one buffer: the form in which they travel from a socket to the log, from the log
 * to the disk and to replicas, and back. Nothing is allocated per record on the way.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 4 | little-endian: bits 0–30 payload length in bytes; bit 31 set for a control record |
 * | n | payload |
 *
 * … repeated, without padding.
 *
 * @module
 */

import { assert } from "../world/mod.ts";

/** Bytes before each payload. */
export const RECORD_HEADER_BYTES = 4;
/** Set in a record's length word when it is a control record. */
export const CONTROL_BIT = 0x80000000;
const LENGTH_MASK = 0x7fffffff;

/** What a record is: an entry has an offset; a control record has only a position. */
export type RecordKind = "entry" | "control";

/** A run of packed records. A view: it does not own `bytes`. */
export interface RecordBatch {
  /** Exactly the packed records. */
  readonly bytes: Uint8Array;
  /** Records of both kinds. */
  readonly count: number;
  /** Those that are entries. */
  readonly entryCount: number;
}

/** Packs records into a buffer that grows and is used again after `clear`. */
export class RecordBatchBuilder implements RecordBatch {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;
  #count = 0;
  #entryCount = 0;

  constructor(capacityBytes = 4096) {
    this.#buffer = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** A view of what was added so far; valid until the next `add` or `clear`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
  get count(): number {
    return this.#count;
  }
  get entryCount(): number {
    return this.#entryCount;
  }
  get lengthBytes(): number {
    return this.#length;
  }
  /** What the buffer holds without growing. */
  get capacityBytes(): number {
    return this.#buffer.length;
  }

  /** Copies one record, `source[start, end)`, to the end. */
  add(
    source: Uint8Array,
    start = 0,
    end: number = source.length,
    kind: RecordKind = "entry",
  ): void {
    const length = end - start;
    const next = this.#length + RECORD_HEADER_BYTES + length;
    if (next > this.#buffer.length) this.#grow(next);
    const isControl = kind === "control";
    this.#view.setUint32(this.#length, (isControl ? length | CONTROL_BIT : length) >>> 0, true);
    this.#buffer.set(
      start === 0 && end === source.length ? source : source.subarray(start, end),
      this.#length + RECORD_HEADER_BYTES,
    );
    this.#length = next;
    this.#count++;
    if (!isControl) this.#entryCount++;
  }

  /** Copies `count` entries that are packed already, `source[start, end)`, to the end. */
  addPacked(source: Uint8Array, start: number, end: number, count: number): void {
    const next = this.#length + end - start;
    if (next > this.#buffer.length) this.#grow(next);
    this.#buffer.set(source.subarray(start, end), this.#length);
    this.#length = next;
    this.#count += count;
    this.#entryCount += count;
  }

  /** Forgets the records, keeps the buffer. */
  clear(): void {
    this.#length = this.#count = this.#entryCount = 0;
  }

  /** A batch of its own, with a copy of the bytes. */
  copy(): RecordBatch {
    return {
      bytes: this.#buffer.slice(0, this.#length),
      count: this.#count,
      entryCount: this.#entryCount,
    };
  }

  #grow(needBytes: number): void {
    const grown = new Uint8Array(Math.max(needBytes, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** One record alone as a batch. */
export function batchOf(payload: Uint8Array, kind: RecordKind = "entry"): RecordBatch {
  const builder = new RecordBatchBuilder(payload.length + RECORD_HEADER_BYTES);
  builder.add(payload, 0, payload.length, kind);
  return builder.copy();
}

/** Walks over packed records without allocating: `while (reader.next()) use(reader.start, reader.end)`. */
export class RecordReader {
  readonly bytes: Uint8Array;
  /** Where the payload of the current record starts in `bytes`. */
  start = 0;
  /** Where it ends; the next record's header stands here. */
  end = 0;
  isControl = false;
  #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the next record; false at the end. Packed bytes come checked: a bad length is a bug. */
  next(): boolean {
    if (this.end === this.bytes.length) return false;
    assert(this.end + RECORD_HEADER_BYTES <= this.bytes.length, "a record header is whole");
    const word = this.#view.getUint32(this.end, true);
    this.isControl = word >= CONTROL_BIT;
    this.start = this.end + RECORD_HEADER_BYTES;
    this.end = this.start + (word & LENGTH_MASK);
    assert(this.end <= this.bytes.length, "a record is whole");
    return true;
  }

  /** Goes back to where a record ended before: the next `next()` brings the one behind it again. */
  rewind(end: number): void {
    assert(end <= this.end, "back, not forward");
    this.end = end;
  }

  /** A view of the current payload. */
  payload(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}

/**
 * Counts packed records that came from outside (disk, network); `null` where the bytes are not a
 * whole number of records.
 */
export function countRecords(bytes: Uint8Array): { count: number; entryCount: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0, count = 0, entryCount = 0;
  while (at < bytes.length) {
    if (at + RECORD_HEADER_BYTES > bytes.length) return null;
    const word = view.getUint32(at, true);
    at += RECORD_HEADER_BYTES + (word & LENGTH_MASK);
    if (at > bytes.length) return null;
    count++;
    if (word < CONTROL_BIT) entryCount++;
  }
  return { count, entryCount };
}

/** Whether a batch is whole records, as many as it says. */
export function isWhole({ bytes, count, entryCount }: RecordBatch): boolean {
  if (count === 1 && bytes.length >= RECORD_HEADER_BYTES) {
    // The usual case, without a view: bits 0 to 30 are the length, bit 31 says that it is no entry.
    const top = bytes[3]!;
    const length = bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16 | (top & 127) << 24;
    return length + RECORD_HEADER_BYTES === bytes.length && (top < 128 ? 1 : 0) === entryCount;
  }
  const counted = countRecords(bytes);
  return counted !== null && counted.count === count && counted.entryCount === entryCount;
}
