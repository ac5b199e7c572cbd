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

/** The methods of the requests and messages in one write, in order; answers and clients' frames are none. */
export function methodsIn(bytes: Uint8Array): MethodName[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const methods: MethodName[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    const kind = view.getUint8(at + 4);
    if (
      length < LENGTH_OVERHEAD_BYTES || kind > FrameKind.refused || view.getUint16(at + 6) !== 0
    ) {
      break; // not a node's frame
    }
    const name = NAMES.get(view.getUint8(at + 5));
    if (name && (kind === FrameKind.request || kind === FrameKind.oneway)) methods.push(name);
    at += 4 + length;
  }
  return methods;
}
