/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of everything that Walrus puts on disk. The
 * fast one comes from the shim and is handed on as a value; this is its twin for where there is no shim.
 *
 * @module
 */

import { assert } from "../world/mod.ts";

/**
 * The CRC of `bytes[start, end)`, going on from `seed`: 0 to begin, the CRC of what came before to go on.
 * An unsigned 32-bit integer.
 */
export type Crc32c = (bytes: Uint8Array, start: number, end: number, seed: number) => number;

/** The polynomial with its bits reflected. */
const POLYNOMIAL = 0x82f63b78;
/** Bytes taken in one step. */
const SLICES = 8;

/** Table k, at [256 k, 256 (k + 1)): the CRC of a byte with k zero bytes behind it. */
function makeTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let value = 0; value < 256; value++) {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[value] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = tables[before & 255]! ^ (before >>> 8);
  }
  return tables;
}

const TABLES: Int32Array = makeTables();

/**
 * {@link Crc32c} in TypeScript, by tables, eight bytes a step.
 *
 * @example
 * ```ts
 * import { crc32cByTables } from "./crc32c.ts";
 * import assert from "node:assert/strict";
 * const bytes = new TextEncoder().encode("123456789");
 * assert.equal(crc32cByTables(bytes, 0, bytes.length, 0), 0xe3069283);
 * ```
 */
export function crc32cByTables(
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: number,
): number {
  assert(start >= 0 && start <= end && end <= bytes.length, "a CRC's range is inside of its bytes");
  const tables = TABLES;
  let crc = ~seed;
  let at = start;
  for (const stop = end - (SLICES - 1); at < stop; at += SLICES) {
    const low = crc ^
      (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24);
    crc = tables[1792 + (low & 255)]! ^ tables[1536 + (low >>> 8 & 255)]! ^
      tables[1280 + (low >>> 16 & 255)]! ^ tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^ tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^ tables[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}
