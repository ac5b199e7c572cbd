/**
 * What stands behind the topic in `APPEND` and `FETCH`, parsed in place (layout: wire.ts).
 *
 * @module
 */

import { decimalOf, digitsEnd } from "./decimal.ts";
import { packedMisfit } from "./packed_entries.ts";
import type { Request } from "./request.ts";

/** Entries of one `APPEND`. */
export const APPEND_ENTRIES_MAX = 100_000;
/** Packed bytes in the answer to one `FETCH`, unless it asks for fewer (or its one entry is longer). */
export const FETCH_BYTES_DEFAULT = 1024 * 1024;
/** Packed bytes in the answer to one `FETCH` at most, unless its one entry is longer; more is taken as this. */
export const FETCH_BYTES_MAX = 4 * 1024 * 1024;
/** Longest that a `FETCH` waits, milliseconds; more is taken as this. */
export const FETCH_WAIT_MS_MAX = 60_000;

const SPACE = 0x20;
const EQUALS = 0x3d;
/** Of an argument that is not understood, so much is quoted. */
const QUOTED_BYTES_MAX = 40;

/** `<count> <packed entries>` in `bytes[start, end)`. Returns what is wrong, or `null`. */
export function parseAppendArguments(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Request,
): string | null {
  const countEnd = digitsEnd(bytes, start, end);
  if (countEnd === start || (countEnd < end && bytes[countEnd] !== SPACE)) {
    return "APPEND needs a number of entries, one space and the packed entries behind the topic";
  }
  const count = decimalOf(bytes, start, countEnd);
  if (count < 1 || count > APPEND_ENTRIES_MAX) {
    const digits = new TextDecoder().decode(bytes.subarray(start, countEnd));
    return `APPEND of ${
      digits.slice(0, QUOTED_BYTES_MAX)
    } entries: 1 to ${APPEND_ENTRIES_MAX} go at once`;
  }
  const packedStart = Math.min(countEnd + 1, end);
  const misfit = packedMisfit(bytes, packedStart, end, count);
  if (misfit !== null) return `APPEND: ${misfit}`;
  into.count = count;
  into.payloadStart = packedStart;
  into.payloadEnd = end;
  return null;
}

/**
 * `<offset> [count=N] [bytes=N] [wait=MS]` in `bytes[start, end)`, which ends with no white space. Returns
 * what is wrong, or `null`.
 */
export function parseFetchArguments(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Request,
): string | null {
  const offsetEnd = digitsEnd(bytes, start, end);
  const offset = decimalOf(bytes, start, offsetEnd);
  if (offset < 0 || (offsetEnd < end && bytes[offsetEnd] !== SPACE)) {
    return `FETCH needs the offset of the first entry behind the topic, a number from 0 to 2^53 - 1`;
  }
  into.offset = offset;
  into.count = APPEND_ENTRIES_MAX;
  into.maxBytes = FETCH_BYTES_DEFAULT;
  into.waitMs = 0;
  for (let at = offsetEnd; at < end;) {
    const wordStart = at + 1;
    let nameEnd = wordStart;
    while (nameEnd < end && bytes[nameEnd] !== EQUALS && bytes[nameEnd] !== SPACE) nameEnd++;
    const valueStart = Math.min(nameEnd + 1, end);
    const valueEnd = digitsEnd(bytes, valueStart, end);
    const isWhole = bytes[nameEnd] === EQUALS && (valueEnd === end || bytes[valueEnd] === SPACE);
    const value = isWhole ? decimalOf(bytes, valueStart, valueEnd) : -1;
    const name = new TextDecoder().decode(bytes.subarray(wordStart, nameEnd));
    if (value < 0 || !setLimit(into, name, value)) {
      const word = JSON.stringify(name.slice(0, QUOTED_BYTES_MAX));
      return `FETCH does not understand ${word} and its value: ` +
        `behind the offset there may be count=N, bytes=N (both from 1) and wait=MS`;
    }
    at = valueEnd;
  }
  return null;
}

/** Bounds are upper bounds: what is above what a node does is no error, it does what it does. */
function setLimit(into: Request, name: string, value: number): boolean {
  if (name === "wait") into.waitMs = Math.min(value, FETCH_WAIT_MS_MAX);
  else if (value === 0) return false;
  else if (name === "count") into.count = Math.min(value, APPEND_ENTRIES_MAX);
  else if (name === "bytes") into.maxBytes = Math.min(value, FETCH_BYTES_MAX);
  else return false;
  return true;
}
