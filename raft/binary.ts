/**
 * Little-endian fields, written and read with bounds checked. The reader throws
 * {@link MalformedError} where bytes are missing, so decoders need no checks of their own.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import { MalformedError } from "./errors.ts";

const TWO_32 = 0x1_0000_0000;
/** The high half of `Number.MAX_SAFE_INTEGER`. */
const MAX_SAFE_HIGH = 0x1f_ffff;

/** Writes fields into a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** A view of what was written; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** A safe integer ≥ 0 in 8 bytes. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `${value} fits in a u64 field`);
    const at = this.#room(8);
    this.#view.setUint32(at, value % TWO_32, true);
    this.#view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  }

  raw(source: Uint8Array): void {
    const at = this.#room(source.length);
    this.#bytes.set(source, at);
  }

  /** Forgets what was written, keeps the buffer. */
  clear(): void {
    this.#length = 0;
  }

  /** Where the next field goes. It may replace the buffer: ask for it before touching that. */
  #room(lengthBytes: number): number {
    const at = this.#length;
    this.#length += lengthBytes;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Reads fields in the order in which they were written. */
export class ByteReader {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at + 4, true);
    if (high > MAX_SAFE_HIGH) throw new MalformedError(`number above 2^53 at byte ${at}`);
    return high * TWO_32 + this.#view.getUint32(at, true);
  }

  /** A view of the next bytes. */
  raw(lengthBytes: number): Uint8Array {
    const at = this.#take(lengthBytes);
    return this.#bytes.subarray(at, at + lengthBytes);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.remaining > 0) throw new MalformedError(`${this.remaining} bytes too many`);
  }

  #take(lengthBytes: number): number {
    const at = this.#at;
    if (at + lengthBytes > this.#bytes.length) {
      throw new MalformedError(
        `ends at byte ${this.#bytes.length}, ${lengthBytes} more wanted at ${at}`,
      );
    }
    this.#at = at + lengthBytes;
    return at;
  }
}
