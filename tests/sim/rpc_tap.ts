/**
 * Reads the frames that nodes send to each other off the simulated wire, so that faults can be timed by
 * what happens.
 *
 * @module
 */

import { METHOD } from "../../server/messages.ts";
import { FRAME_HEADER_BYTES, FrameKind } from "../../server/network/frame.ts";

/** A method of server/messages.ts. */
export type MethodName = keyof typeof METHOD;

const NAMES: ReadonlyMap<number, MethodName> = new Map(
  Object.entries(METHOD).map(([name, number]) => [number, name as MethodName]),
);
/** What the length field counts besides the body. */
const LENGTH_OVERHEAD_BYTES = FRAME_HEADER_BYTES - 4;

/** One frame that a node sends: a request or a message, by its method, or anything else. */
export interface TappedFrame {
  method: MethodName | null;
  bytes: Uint8Array;
}

/** The frames of one write between nodes, which holds whole ones; `null` where it is no such write. */
export function framesIn(bytes: Uint8Array): TappedFrame[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: TappedFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + FRAME_HEADER_BYTES > bytes.length) return null;
    const length = view.getUint32(at, true);
    const kind = view.getUint8(at + 4);
    const end = at + 4 + length;
    if (length < LENGTH_OVERHEAD_BYTES || kind > FrameKind.refused || end > bytes.length) {
      return null;
    }
    const isAsked = kind === FrameKind.request || kind === FrameKind.oneway;
    const method = isAsked ? NAMES.get(view.getUint8(at + 5)) ?? null : null;
    frames.push({ method, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return frames;
}

/** Frames as the bytes of one write. */
export function joinFrames(frames: readonly TappedFrame[]): Uint8Array {
  const joined = new Uint8Array(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
  let at = 0;
  for (const { bytes } of frames) {
    joined.set(bytes, at);
    at += bytes.length;
  }
  return joined;
}
