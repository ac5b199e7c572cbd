/**
 * Packs frames (layout: wire.ts) into one growing buffer, so that many of them leave in one write.
 *
 * @module
 */

import { FRAME_HEADER_BYTES } from "./frame_reader.ts";

const INITIAL_BUFFER_BYTES = 1024;
/** A buffer that grew over this is given back when it is cleared. */
const KEPT_BUFFER_BYTES = 1024 * 1024;
/** The most bytes that one UTF-16 unit becomes in UTF-8. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

const ENCODER = new TextEncoder();

/** A buffer of whole frames. While a write holds `bytes`, add to another writer, or wait. */
export class FrameWriter {
  #buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
  #length = 0;

  /** A view of the frames so far; valid until the next frame is added or `clear()`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  get lengthBytes(): number {
    return this.#length;
  }

  /** Forgets the frames, keeps the buffer unless it grew very large. */
  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > KEPT_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
    }
  }

  /** Adds one frame that consists of `content`. */
  addFrame(content: Uint8Array): void {
    this.#begin(content.length);
    this.#append(content);
  }

  /** Adds one frame: `prefix`, then `source[start, end)`. */
  addPrefixedFrame(
    prefix: Uint8Array,
    source: Uint8Array,
    start = 0,
    end: number = source.length,
  ): void {
    this.#begin(prefix.length + end - start);
    this.#append(prefix);
    this.#append(start === 0 && end === source.length ? source : source.subarray(start, end));
  }

  /** Adds one frame: `prefix`, then the entries packed (packed_entries.ts), `entriesBytes` together. */
  addPackedFrame(prefix: Uint8Array, entries: readonly Uint8Array[], entriesBytes: number): void {
    this.#begin(prefix.length + entriesBytes);
    this.#append(prefix);
    for (const entry of entries) {
      this.#appendLength(entry.length);
      this.#append(entry);
    }
  }

  /** Adds the beginning of a frame, `prefix`; `bodyBytes` more follow it, sent by the caller. */
  addFrameHead(prefix: Uint8Array, bodyBytes: number): void {
    this.#reserve(FRAME_HEADER_BYTES + prefix.length);
    this.#appendLength(prefix.length + bodyBytes);
    this.#append(prefix);
  }

  /** Adds one frame: `text` as UTF-8. */
  addTextFrame(text: string): void {
    this.#reserve(FRAME_HEADER_BYTES + text.length * UTF8_BYTES_PER_UNIT_MAX);
    const at = this.#length;
    const content = this.#buffer.subarray(at + FRAME_HEADER_BYTES);
    const written = ENCODER.encodeInto(text, content).written;
    this.#begin(written);
    this.#length += written;
  }

  #begin(contentBytes: number): void {
    this.#reserve(FRAME_HEADER_BYTES + contentBytes);
    this.#appendLength(contentBytes);
  }

  #appendLength(lengthBytes: number): void {
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = lengthBytes;
    buffer[at + 1] = lengthBytes >>> 8;
    buffer[at + 2] = lengthBytes >>> 16;
    buffer[at + 3] = lengthBytes >>> 24;
    this.#length = at + FRAME_HEADER_BYTES;
  }

  #append(source: Uint8Array): void {
    this.#buffer.set(source, this.#length);
    this.#length += source.length;
  }

  #reserve(moreBytes: number): void {
    const need = this.#length + moreBytes;
    if (need <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(need, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
