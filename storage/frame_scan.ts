/**
 * Finding frames in bytes that may be anything: pure, for reading, recovery and verification alike.
 *
 * @module
 */

import { countRecords } from "./record_batch.ts";
import {
  checksumHolds,
  decodeFrameHeader,
  FRAME_ALIGN_BYTES,
  FRAME_HEADER_BYTES,
  type FrameBuffer,
  frameEnd,
  type FrameHeader,
  type FrameKey,
  newFrameHeader,
  TERMINATOR_BYTES,
} from "./frame.ts";

/** The extent's own marks, which each of its frames carries. */
export interface FrameOwner {
  readonly logId: number;
  readonly run: number;
  readonly generation: number;
}

/**
 * What stands at a place: a frame of the extent; nothing (zeroes: frames end here); something else; or
 * perhaps a frame, of which not enough bytes are there to say.
 */
export type FrameVerdict = "frame" | "empty" | "bad" | "short";

/** Walks over frames. One of these is made per extent and window, none per frame. */
export class FrameScanner {
  /** Of the last frame that was found. */
  readonly header: FrameHeader = newFrameHeader();
  readonly #buffer: FrameBuffer;
  readonly #owner: FrameOwner;
  readonly #key: FrameKey;

  constructor(bytes: Uint8Array, owner: FrameOwner, key: FrameKey) {
    this.#buffer = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    this.#owner = owner;
    this.#key = key;
  }

  /**
   * Judges what stands at `at`. `extentRest` is how many bytes the extent has from there on, of which the
   * window may hold fewer. A frame's fields are then in `header`.
   */
  judge(at: number, extentRest: number): FrameVerdict {
    if (extentRest < FRAME_HEADER_BYTES) return "empty";
    const here = this.#buffer.bytes.length - at;
    if (here < FRAME_HEADER_BYTES) return "short";
    const { header } = this;
    decodeFrameHeader(this.#buffer.view, at, header);
    if (!this.#isPlausible(header, extentRest)) return this.#isZero(at) ? "empty" : "bad";
    if (FRAME_HEADER_BYTES + header.bodyBytes > here) return "short";
    const { bodyBytes } = header;
    return checksumHolds(this.#buffer, at, { bodyBytes, key: this.#key }) ? "frame" : "bad";
  }

  /** Takes a frame's fields again that was judged to be good. */
  recall(at: number): void {
    decodeFrameHeader(this.#buffer.view, at, this.header);
  }

  /** {@link judge}, and it must be the frame that begins at this position and offset. */
  judgeNext(
    at: number,
    { extentRest, position, offset }: { extentRest: number; position: number; offset: number },
  ): FrameVerdict {
    const verdict = this.judge(at, extentRest);
    if (verdict !== "frame") return verdict;
    const { firstPosition, firstOffset } = this.header;
    return firstPosition === position && firstOffset === offset ? "frame" : "bad";
  }

  /** The first whole frame of the extent at or behind `at` whose position is over `position`; -1: none. */
  findBehind(at: number, position: number): number {
    const { bytes } = this.#buffer;
    const first = Math.ceil(at / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES;
    for (
      let place = first;
      place + FRAME_HEADER_BYTES <= bytes.length;
      place += FRAME_ALIGN_BYTES
    ) {
      if (this.judge(place, bytes.length - place) !== "frame") continue;
      if (this.header.firstPosition > position) return place;
    }
    return -1;
  }

  /** Whether the body of the frame at `at`, just judged, is whole records as many as its header says. */
  bodyIsWhole(at: number): boolean {
    const start = at + FRAME_HEADER_BYTES;
    const body = this.#buffer.bytes.subarray(start, start + this.header.bodyBytes);
    const counted = countRecords(body);
    return counted !== null && counted.count === this.header.count &&
      counted.entryCount === this.header.entryCount;
  }

  /** Where the frame at `at`, just judged, ends and the next begins. */
  endOf(at: number): number {
    return frameEnd(at, this.header.bodyBytes);
  }

  /** What can be said without the checksum; it decides whether the checksum is worth computing. */
  #isPlausible(header: FrameHeader, extentRest: number): boolean {
    const owner = this.#owner;
    return header.logId === owner.logId && header.run === owner.run &&
      header.generation === owner.generation && header.count > 0 &&
      header.entryCount <= header.count &&
      FRAME_HEADER_BYTES + header.bodyBytes <= extentRest &&
      Number.isSafeInteger(header.firstPosition) && header.lag <= header.firstPosition;
  }

  #isZero(at: number): boolean {
    const { view } = this.#buffer;
    for (let word = 0; word < TERMINATOR_BYTES; word += 4) {
      if (view.getUint32(at + word) !== 0) return false;
    }
    return true;
  }
}
