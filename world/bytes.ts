/**
 * Fields in bytes, little-endian: a writer whose buffer grows, and a reader that checks bounds. All that
 * goes to disk or to another node consists of them; each format has a table of its own.
 *
 * | field | bytes |
 * | ----- | ----- |
 * | u8, bool | 1 |
 * | u16 | 2 |
 * | u32 | 4 |
 * | u64 | 8: low word, high word; a number of at most 2^53 − 1 |
 * | uuid | 16 |
 * | bytes | 4 length, then the bytes |
 * | string | as bytes, UTF-8 |
 * | raw | the bytes, whose length the reader knows |
 *
 * @module
 */

import { assert } from "./assert.ts";

const TWO_32 = 2 ** 32;
/** The high half of `Number.MAX_SAFE_INTEGER`. */
const HIGH_MAX = 2 ** 21 - 1;
/** Of one UTF-16 unit in UTF-8. */
const UTF8_BYTES_MAX = 3;
const UUID_BYTES = 16;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** What stands in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";
/** Neither keeps anything between two calls. One of each: making them costs more than most texts do. */
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longest string, unless the reader is told otherwise. */
const STRING_BYTES_MAX = 64 * 1024;

/** Bytes that came from outside (a disk, another node) are not what they should be; the message says how. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** Puts a non-negative safe integer in 8 bytes. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

/** Takes what {@link putU64} put; a number over 2^53 where the bytes are not from it. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}

/** Appends fields to a buffer that grows; used again after `clear`. Calls can be chained. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written, not a copy: valid until the next write or `clear`. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get lengthBytes(): number {
    return this.#length;
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  /** Forgets what stands behind the first `lengthBytes`. */
  cut(lengthBytes: number): void {
    assert(lengthBytes <= this.#length, "a cut makes it shorter");
    this.#length = lengthBytes;
  }

  u8(value: number): this {
    if ((value & 0xff) !== value) misfit(value, 0xff);
    const at = this.#take(1); // first: it may replace the view
    this.#view.setUint8(at, value);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    if ((value & 0xffff) !== value) misfit(value, 0xffff);
    const at = this.#take(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    if (value >>> 0 !== value) misfit(value, TWO_32 - 1);
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) misfit(value, Number.MAX_SAFE_INTEGER);
    const at = this.#take(8);
    putU64(this.#view, at, value);
    return this;
  }

  /** A UUID in its textual form, lower case. */
  uuid(value: string): this {
    assert(UUID_PATTERN.test(value), `"${value}" is a UUID in lower case`);
    const digits = value.replaceAll("-", "");
    const at = this.#take(UUID_BYTES);
    for (let i = 0; i < UUID_BYTES; i++) {
      this.#bytes[at + i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
    }
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }

  string(value: string): this {
    const at = this.#take(4 + value.length * UTF8_BYTES_MAX);
    const written = this.#putText(value, at + 4);
    this.#view.setUint32(at, written, true);
    this.#length = at + 4 + written;
    return this;
  }

  raw(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Names are short and plain, nearly all of them, and an encoder is slow to ask. Returns the bytes written. */
  #putText(text: string, at: number): number {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= 128) return ENCODER.encodeInto(text, this.#bytes.subarray(at)).written;
      this.#bytes[at + index] = code;
    }
    return text.length;
  }

  /** Makes room for `count` bytes and returns where they start. It may replace the buffer: the place comes first. */
  #take(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + count;
    return at;
  }
}

/** Not `assert`: its message would be made for each field. */
function misfit(value: number, max: number): never {
  assert(false, `${value} is a whole number from 0 to ${max}`);
}

/** Reads what {@link ByteWriter} wrote. Every method throws {@link MalformedError} where bytes lack. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get remainingBytes(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new MalformedError(`Byte ${this.#at - 1} is ${value}, not a truth value.`);
    return value === 1;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    const at = this.#take(8);
    if (this.#view.getUint32(at + 4, true) > HIGH_MAX) {
      throw new MalformedError(`The number at byte ${at} is above 2^53 − 1.`);
    }
    return getU64(this.#view, at);
  }

  uuid(): string {
    const at = this.#take(UUID_BYTES);
    let text = "";
    for (let i = 0; i < UUID_BYTES; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
      text += this.#bytes[at + i]!.toString(16).padStart(2, "0");
    }
    return text;
  }

  /** A view: copy it to keep it longer than what is read from lives. */
  bytes(maxBytes = Number.MAX_SAFE_INTEGER): Uint8Array {
    const length = this.u32();
    if (length > maxBytes) {
      throw new MalformedError(`${length} bytes at byte ${this.#at}, where ${maxBytes} may be.`);
    }
    return this.raw(length);
  }

  string(maxBytes = STRING_BYTES_MAX): string {
    const bytes = this.bytes(maxBytes);
    const text = DECODER.decode(bytes);
    // A decoder that throws takes three times as long: it is asked only of what this one may have mended.
    if (text.includes(REPLACEMENT) && !isUtf8(bytes)) {
      throw new MalformedError(`The text before byte ${this.#at} is not UTF-8.`);
    }
    return text;
  }

  /** A view of exactly `count` bytes without a length before them. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.raw(this.remainingBytes);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.remainingBytes > 0) {
      throw new MalformedError(`${this.remainingBytes} bytes too many behind byte ${this.#at}.`);
    }
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new MalformedError(
        `Cut short: ${count} bytes wanted at byte ${at} of ${this.#bytes.length}.`,
      );
    }
    this.#at = at + count;
    return at;
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
