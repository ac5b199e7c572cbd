/**
 * Entries packed one behind the other, as `APPEND` and the answer to `FETCH` carry them. It is the form in
 * which they stand in the log too, so a node passes them on without touching each.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 4 | little-endian: n, the entry's length in bytes |
 * | n | the entry |
 *
 * … repeated, without padding.
 *
 * @module
 */

/** Bytes before each entry. */
export const ENTRY_HEADER_BYTES = 4;

/** What is wrong with `bytes[start, end)` as `count` packed entries, as a sentence; `null`: nothing. */
export function packedMisfit(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): string | null {
  let at = start;
  for (let index = 1; index <= count; index++) {
    if (end - at < ENTRY_HEADER_BYTES) {
      return `entry ${index} of ${count} has no length: ${end - at} bytes are left, ` +
        `each entry is 4 bytes of little-endian length and then its bytes`;
    }
    const length = lengthAt(bytes, at);
    at += ENTRY_HEADER_BYTES;
    if (length > end - at) {
      return `entry ${index} of ${count} says that it has ${length} bytes, and ${
        end - at
      } are left`;
    }
    at += length;
  }
  return at === end ? null : `${end - at} bytes are left behind the last of ${count} entries`;
}

/** The entries of `packed` as views of it. @throws {RangeError} when they are not `count` whole ones. */
export function unpackEntries(packed: Uint8Array, count: number): Uint8Array[] {
  const misfit = packedMisfit(packed, 0, packed.length, count);
  if (misfit !== null) throw new RangeError(`Not packed entries: ${misfit}.`);
  const entries: Uint8Array[] = [];
  for (let at = 0; entries.length < count;) {
    const start = at + ENTRY_HEADER_BYTES;
    at = start + lengthAt(packed, at);
    entries.push(packed.subarray(start, at));
  }
  return entries;
}

/** Bytes that the entries take packed. */
export function packedBytes(entries: readonly Uint8Array[]): number {
  let bytes = ENTRY_HEADER_BYTES * entries.length;
  for (const entry of entries) bytes += entry.length;
  return bytes;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}
