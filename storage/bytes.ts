/**
 * Little-endian fields in bytes that grow as they are written, or are checked as they are read: for
 * what is small and not on a hot path (the catalog, the index checkpoint).
 *
 * @module
 */

const TWO_32 = 2 ** 32;
/** Of one UTF-16 unit in UTF-8. */
const UTF8_BYTES_MAX = 3;

/** Puts a non-negative safe integer in 8 bytes. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

/** Takes what {@link putU64} put; a number over 2^53 where the bytes are not from it. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}

/** Appends fields to a buffer that grows (`#take` may replace it: the place comes first, then the buffer). */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #encoder = new TextEncoder();

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** A view of what was written; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }
  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }
  u64(value: number): void {
    const at = this.#take(8);
    putU64(this.#view, at, value);
  }
  raw(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
  }
  text(text: string): void {
    const at = this.#take(4 + text.length * UTF8_BYTES_MAX);
    if (this.#putAscii(text, at + 4)) {
      this.#view.setUint32(at, text.length, true);
      this.#length = at + 4 + text.length;
      return;
    }
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(at + 4));
    this.#view.setUint32(at, written, true);
    this.#length = at + 4 + written;
  }
  /** A checkpoint has the names of all logs: nearly all are short and plain, and an encoder is slow to ask. */
  #putAscii(text: string, at: number): boolean {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= 128) return false;
      this.#bytes[at + index] = code;
    }
    return true;
  }

  clear(): void {
    this.#length = 0;
  }
  /** Forgets what stands behind `length`. */
  cut(length: number): void {
    this.#length = length;
  }

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

/** What a {@link ByteReader} throws where the bytes end too early or say what can't be. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** Takes fields from bytes that may be anything. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #decoder: TextDecoder | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  u64(): number {
    const value = getU64(this.#view, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new MalformedError(`no count is ${value}`);
    return value;
  }
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  text(): string {
    this.#decoder ??= new TextDecoder();
    return this.#decoder.decode(this.raw(this.u32()));
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new MalformedError(`${count} bytes wanted at ${at}, ${this.rest} are there`);
    }
    this.#at = at + count;
    return at;
  }
}
