/**
 * The unit on disk. A frame holds records of one log that stand one behind the other. A batch that is too
 * large for one is several, all but the last marked: recovery takes all of them or none. Frames start on
 * multiples of 8 bytes.
 *
 * | at | bytes | field (little-endian) |
 * | -- | ----- | --------------------- |
 * | 0 | 4 | CRC-32C of the rest of the header and the body, begun from the store's salt |
 * | 4 | 4 | bits 0–30: body length in bytes; bit 31: the last batch goes on in the next frame |
 * | 8 | 4 | log id |
 * | 12 | 4 | run: a random number of the process that wrote it |
 * | 16 | 4 | generation of the extent that it stands in |
 * | 20 | 4 | records |
 * | 24 | 4 | records that are entries |
 * | 28 | 4 | lag: position of the first record less the position up to which the log was synced when this was written |
 * | 32 | 8 | position of the first record |
 * | 40 | 8 | offset of the first entry (what it is or would be) |
 * | 48 | n | body: packed records (record_batch.ts) |
 *
 * Why each is there. *Run and generation*: space is used again and files are preallocated, so an old frame
 * with a good checksum may stand where the next one is expected; only one of the very extent counts.
 * *Lag*: of frames that were written without a sync between them a crash may keep the later and lose the
 * earlier. That is a torn tail; it is rot only when a frame behind the bad one was written after
 * the bad one had been synced. *Salt*: payload bytes that look like a frame of this store can't be made by
 * somebody who doesn't know it, so a search for frames behind a bad one is not fooled by payloads.
 *
 * @module
 */

import { getU64, putU64 } from "../world/mod.ts";
import type { Crc32c } from "./crc32c.ts";

/** Bytes before a frame's body. */
export const FRAME_HEADER_BYTES = 48;
/** Frames start on multiples of this. */
export const FRAME_ALIGN_BYTES = 8;
/** Zeroes that follow the last frame of a write. No frame begins with them: run is never 0. */
export const TERMINATOR_BYTES = 16;

const LENGTH_AT = 4;
const LENGTH_MASK = 0x7fffffff;
const GOES_ON_BIT = 0x80000000;

/** A frame's header in memory, used again for frame after frame. */
export interface FrameHeader {
  bodyBytes: number;
  goesOn: boolean;
  logId: number;
  run: number;
  generation: number;
  count: number;
  entryCount: number;
  lag: number;
  firstPosition: number;
  firstOffset: number;
}

/** A header to decode into. */
export function newFrameHeader(): FrameHeader {
  return {
    bodyBytes: 0,
    goesOn: false,
    logId: 0,
    run: 0,
    generation: 0,
    count: 0,
    entryCount: 0,
    lag: 0,
    firstPosition: 0,
    firstOffset: 0,
  };
}

/** The place behind a frame that starts at `at`: where the next one starts. */
export function frameEnd(at: number, bodyBytes: number): number {
  const end = at + FRAME_HEADER_BYTES + bodyBytes;
  return Math.ceil(end / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES;
}

/** The bytes that a frame with such a body takes. */
export function frameBytes(bodyBytes: number): number {
  return frameEnd(0, bodyBytes);
}

/** A buffer with its view, so that the hot path makes neither. */
export interface FrameBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** How a frame is checked and sealed in one store. */
export interface FrameKey {
  readonly crc: Crc32c;
  readonly salt: number;
}

/** Writes the header before a body that stands at `at + 48` already, and seals both with the checksum. */
export function sealFrame(
  { bytes, view }: FrameBuffer,
  at: number,
  { header, key }: { header: FrameHeader; key: FrameKey },
): void {
  const word = header.goesOn ? header.bodyBytes | GOES_ON_BIT : header.bodyBytes;
  view.setUint32(at + LENGTH_AT, word >>> 0, true);
  view.setUint32(at + 8, header.logId, true);
  view.setUint32(at + 12, header.run, true);
  view.setUint32(at + 16, header.generation, true);
  view.setUint32(at + 20, header.count, true);
  view.setUint32(at + 24, header.entryCount, true);
  view.setUint32(at + 28, header.lag, true);
  putU64(view, at + 32, header.firstPosition);
  putU64(view, at + 40, header.firstOffset);
  const end = at + FRAME_HEADER_BYTES + header.bodyBytes;
  view.setUint32(at, key.crc(bytes, at + LENGTH_AT, end, key.salt), true);
}

/** Takes the fields apart. Says nothing about whether they are true. */
export function decodeFrameHeader(view: DataView, at: number, into: FrameHeader): void {
  const word = view.getUint32(at + LENGTH_AT, true);
  into.bodyBytes = word & LENGTH_MASK;
  into.goesOn = word >= GOES_ON_BIT;
  into.logId = view.getUint32(at + 8, true);
  into.run = view.getUint32(at + 12, true);
  into.generation = view.getUint32(at + 16, true);
  into.count = view.getUint32(at + 20, true);
  into.entryCount = view.getUint32(at + 24, true);
  into.lag = view.getUint32(at + 28, true);
  into.firstPosition = getU64(view, at + 32);
  into.firstOffset = getU64(view, at + 40);
}

/** Whether the checksum of the frame at `at` is right; its body must be within the buffer. */
export function checksumHolds(
  { bytes, view }: FrameBuffer,
  at: number,
  { bodyBytes, key }: { bodyBytes: number; key: FrameKey },
): boolean {
  const end = at + FRAME_HEADER_BYTES + bodyBytes;
  return view.getUint32(at, true) === key.crc(bytes, at + LENGTH_AT, end, key.salt);
}
