/**
 * Splits a byte stream into frames (layout: wire.ts) without copying them.
 *
 * @module
 */

import { assert } from "../world/assert.ts";

/** Bytes before each frame's content: its length. */
export const FRAME_HEADER_BYTES = 4;
/** The longest content that a node takes, unless it is told otherwise. */
export const MAX_FRAME_BYTES_DEFAULT = 16 * 1024 * 1024;

/** What an idle connection costs. 10,000 of them must be cheap. */
const IDLE_BUFFER_BYTES = 4 * 1024;
/** Reads that fill the buffer double it up to here; only a single longer frame takes it further. */
const BUSY_BUFFER_BYTES = 64 * 1024;
/**
 * A buffer that a long frame has filled grows by so much at once, if the frame is that long: what is announced
 * costs no more than so many times what has arrived.
 */
const GROWTH_MAX = 8;

/**
 * What {@link FrameReader.next} found: a whole frame; nothing more until more bytes arrive; or a
 * length over the limit, behind which the stream can't be understood any more.
 */
export type FrameStatus = "frame" | "more" | "impossible";

/**
 * Owns one read buffer of a connection. The loop is:
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { FrameReader } from "./wire.ts";
 *
 * const reads = [Uint8Array.of(2, 0, 0), Uint8Array.of(0, 7, 8, 1, 0, 0, 0, 9)]; // from a socket
 * const reader = new FrameReader();
 * const frames: number[][] = [];
 * for (const read of reads) {
 *   reader.space().set(read); // a socket reads to there by itself
 *   reader.filled(read.length);
 *   let status;
 *   while ((status = reader.next()) === "frame") {
 *     frames.push([...reader.bytes.subarray(reader.start, reader.end)]);
 *   }
 *   if (status === "impossible") break; // reader.announcedBytes says what was asked for
 * }
 * deepStrictEqual(frames, [[7, 8], [9]]);
 * ```
 *
 * The buffer grows with the bytes that really arrived, never with the length that was announced.
 */
export class FrameReader {
  /** Where the frames stand. Valid until the next `space()`, which may move or replace it. */
  bytes: Uint8Array = new Uint8Array(IDLE_BUFFER_BYTES);
  /** The current frame's content is `bytes[start, end)`, without its header. */
  start = 0;
  end = 0;
  /** The last announced length that was over the limit. */
  announcedBytes = 0;

  readonly #maxFrameBytes: number;
  readonly #mayRetain: (bytes: number) => boolean;
  /** Bytes before it are dealt with. */
  #consumed = 0;
  /** Bytes before it have arrived. */
  #filled = 0;
  #lastReadFilledAll = false;

  /**
   * @param options.retainBytes A buffer that grew for a long frame is kept up to here once it is empty.
   * @param options.mayRetain Asked instead, with the buffer's length, whether it may be kept.
   */
  constructor(
    options: {
      maxFrameBytes?: number;
      retainBytes?: number;
      mayRetain?: (bytes: number) => boolean;
    } = {},
  ) {
    const { maxFrameBytes = MAX_FRAME_BYTES_DEFAULT, retainBytes = BUSY_BUFFER_BYTES } = options;
    this.#maxFrameBytes = maxFrameBytes;
    this.#mayRetain = options.mayRetain ?? ((bytes) => bytes <= retainBytes);
  }

  /** Some bytes of a frame, but not all of them, have arrived. */
  get isMidFrame(): boolean {
    return this.#filled > this.#consumed;
  }

  /** Where the next read may put bytes; at least one. Frames found before are gone after this. */
  space(): Uint8Array {
    this.#moveRestToFront();
    const capacity = this.bytes.length;
    if (this.#filled === capacity || (this.#lastReadFilledAll && capacity < BUSY_BUFFER_BYTES)) {
      this.#resize(this.#grownBytes());
    } else if (
      this.#filled === 0 && capacity > BUSY_BUFFER_BYTES && !this.#mayRetain(capacity)
    ) {
      this.#resize(IDLE_BUFFER_BYTES);
    }
    return this.bytes.subarray(this.#filled);
  }

  /** The first `countBytes` of the last `space()` have been filled. */
  filled(countBytes: number): void {
    assert(this.#filled + countBytes <= this.bytes.length, "a read stays within its space");
    this.#filled += countBytes;
    this.#lastReadFilledAll = this.#filled === this.bytes.length;
  }

  /** Moves to the next frame: `start` and `end` are its content. */
  next(): FrameStatus {
    const headerEnd = this.#consumed + FRAME_HEADER_BYTES;
    if (headerEnd > this.#filled) return "more";
    const length = readLength(this.bytes, this.#consumed);
    if (length > this.#maxFrameBytes) {
      this.announcedBytes = length;
      return "impossible";
    }
    if (headerEnd + length > this.#filled) return "more";
    this.start = headerEnd;
    this.end = this.#consumed = headerEnd + length;
    return "frame";
  }

  /** For sources that hand over their own buffers: `space()`, copy and `filled()` until all is in. */
  push(source: Uint8Array): void {
    for (let at = 0; at < source.length;) {
      const space = this.#spaceBehind();
      const count = Math.min(space.length, source.length - at);
      space.set(source.subarray(at, at + count));
      this.filled(count);
      at += count;
    }
  }

  #spaceBehind(): Uint8Array {
    this.#moveRestToFront();
    if (this.#filled === this.bytes.length) this.#resize(this.#grownBytes());
    return this.bytes.subarray(this.#filled);
  }

  /** Twice as long, or more where a long frame has begun. */
  #grownBytes(): number {
    const capacity = this.bytes.length;
    const frame = this.isMidFrame && this.#filled - this.#consumed >= FRAME_HEADER_BYTES
      ? FRAME_HEADER_BYTES + readLength(this.bytes, this.#consumed)
      : 0;
    let grown = capacity * 2;
    while (grown < frame && grown < capacity * GROWTH_MAX) grown *= 2;
    return grown;
  }

  #moveRestToFront(): void {
    if (this.#consumed === 0) return;
    if (this.#consumed < this.#filled) {
      this.bytes.copyWithin(0, this.#consumed, this.#filled);
    }
    this.#filled -= this.#consumed;
    this.#consumed = this.start = this.end = 0;
  }

  #resize(capacityBytes: number): void {
    const resized = new Uint8Array(capacityBytes);
    resized.set(this.bytes.subarray(0, this.#filled));
    this.bytes = resized;
    this.#lastReadFilledAll = false;
  }
}

function readLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}
