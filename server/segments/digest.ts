/**
 * What a replica holds, short enough to be compared between nodes.
 *
 * @module
 */

import type { Crc32c, Log } from "../../storage/mod.ts";

/** Bytes that one read brings. */
const READ_BYTES = 1024 * 1024;

/** Two replicas with equal digests hold the same records. */
export interface Digest {
  /** Records of both kinds. */
  length: number;
  /** Entries among them. */
  entries: number;
  /** CRC-32C of all packed records. */
  checksum: number;
}

/** Reads the whole log. @throws {CorruptionError} where a frame is rotten. */
export async function digestOf(log: Log, crc32c: Crc32c): Promise<Digest> {
  const length = log.endPosition;
  const entries = log.endOffset;
  let checksum = 0;
  for (let position = log.startPosition; position < length;) {
    const run = await log.read(position, {
      maxBytes: READ_BYTES,
      maxRecords: length - position,
    });
    // A seal that was learnt meanwhile may have cut the log below what it was.
    if (run.count === 0) throw new Error(`${log.name} was cut at ${position} while it was read`);
    checksum = crc32c(run.bytes, 0, run.bytes.length, checksum);
    position += run.count;
  }
  return { length, entries, checksum };
}
