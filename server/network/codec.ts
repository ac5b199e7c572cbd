/**
 * Bodies of messages: a writer and a bounds-checked reader of a few plain types, little-endian.
 *
 * | type | bytes |
 * | ---- | ----- |
 * | u8, bool | 1 |
 * | u16 | 2 |
 * | u32 | 4 |
 * | u53 | 8: low word, high word; at most 2^53 − 1 |
 * | uuid | 16 |
 * | bytes | 4 length, then the bytes |
 * | string | as bytes, UTF-8 |
 *
 * @module
 */

import { assert } from "../../world/mod.ts";

const TWO_POW_32 = 2 ** 32;
const UUID_BYTES = 16;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Bytes that came from outside are not what they should be. The message says what and where. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** Appends values to a buffer that grows; used again after `clear`. Calls can be chained. */
export class BodyWriter {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #encoder = new TextEncoder();

  constructor(capacityBytes = 256) {
    this.#buffer = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** A view of what was written; valid until the next write or `clear`. */
  get view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  get lengthBytes(): number {
    return this.#length;
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  u8(value: number): this {
    assertFits(value, 0xff);
    const at = this.#grow(1); // first: it may replace the view
    this.#view.setUint8(at, value);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    assertFits(value, 0xffff);
    const at = this.#grow(2); // first: it may replace the view
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    assertFits(value, 0xffffffff);
    const at = this.#grow(4); // first: it may replace the view
    this.#view.setUint32(at, value, true);
    return this;
  }

  u53(value: number): this {
    assertFits(value, Number.MAX_SAFE_INTEGER);
    const at = this.#grow(8);
    this.#view.setUint32(at, value % TWO_POW_32, true);
    this.#view.setUint32(at + 4, Math.floor(value / TWO_POW_32), true);
    return this;
  }

  /** A UUID in its textual form, lower case. */
  uuid(value: string): this {
    assert(UUID_PATTERN.test(value), `"${value}" is a UUID in lower case`);
    const digits = value.replaceAll("-", "");
    const at = this.#grow(UUID_BYTES);
    for (let i = 0; i < UUID_BYTES; i++) {
      this.#buffer[at + i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
    }
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }

  string(value: string): this {
    return this.bytes(this.#encoder.encode(value));
  }

  /** Bytes without a length before them: the last field, or one whose length is known. */
  raw(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** Makes room for `count` bytes and returns where they start. */
  #grow(count: number): number {
    const at = this.#length;
    const need = at + count;
    if (need > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(need, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = need;
    return at;
  }
}

function assertFits(value: number, max: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= max, `${value} is 0 to ${max}`);
}

/** Reads what {@link BodyWriter} wrote. Every method throws {@link MalformedError} where bytes lack. */
export class BodyReader {
  #bytes: Uint8Array;
  #view: DataView;
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

  u53(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * TWO_POW_32;
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new MalformedError(`The number at byte ${at} is above 2^53 − 1.`);
    }
    return value;
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

  /** A view of the body's bytes: copy it to keep it longer than the body lives. */
  bytes(maxBytes = Number.MAX_SAFE_INTEGER): Uint8Array {
    const length = this.u32();
    if (length > maxBytes) {
      throw new MalformedError(`${length} bytes at byte ${this.#at}, where ${maxBytes} may be.`);
    }
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  string(maxBytes = 64 * 1024): string {
    const bytes = this.bytes(maxBytes);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new MalformedError(`The text before byte ${this.#at} is not UTF-8.`);
    }
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
