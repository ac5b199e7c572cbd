/**
 * What `APPEND`, `FETCH` and `OFFSETS` answer behind their `OK ` (layout: wire.ts).
 *
 * @module
 */

import { decimalOf, digitsEnd } from "./decimal.ts";
import { unpackEntries } from "./packed_entries.ts";

const SPACE = 0x20;

/** What one `FETCH` brought. */
export interface Fetched {
  /** Of the first entry; the offset that was asked for. */
  firstOffset: number;
  /** One behind the other; none where nothing came within the time. Views of one buffer, which is the caller's. */
  entries: Uint8Array[];
  /** What to ask for next. */
  nextOffset: number;
}

/** Which entries of a topic can be read. */
export interface TopicOffsets {
  /** Of the first one that is there. */
  first: number;
  /** Of the next one to come: one past the last that is committed. */
  next: number;
}

/** `<number>`; `null` where that is not what stands there. */
export function readOffset(payload: Uint8Array): number | null {
  const end = digitsEnd(payload, 0, payload.length);
  const value = decimalOf(payload, 0, end);
  return value < 0 || end < payload.length ? null : value;
}

/** `<first> <next>`; `null` where that is not what stands there. */
export function readOffsets(payload: Uint8Array): TopicOffsets | null {
  const space = payload.indexOf(SPACE);
  if (space < 0) return null;
  const first = readOffset(payload.subarray(0, space));
  const next = readOffset(payload.subarray(space + 1));
  return first === null || next === null ? null : { first, next };
}

/** `<first offset> <count> <packed entries>`, copied once; `null` where that is not what stands there. */
export function readFetched(payload: Uint8Array): Fetched | null {
  const firstEnd = digitsEnd(payload, 0, payload.length);
  const countEnd = digitsEnd(payload, firstEnd + 1, payload.length);
  const firstOffset = decimalOf(payload, 0, firstEnd);
  const count = decimalOf(payload, firstEnd + 1, countEnd);
  if (firstOffset < 0 || count < 0) return null;
  if (payload[firstEnd] !== SPACE || payload[countEnd] !== SPACE) return null;
  try {
    const entries = unpackEntries(payload.slice(countEnd + 1), count);
    return { firstOffset, entries, nextOffset: firstOffset + count };
  } catch {
    return null;
  }
}
