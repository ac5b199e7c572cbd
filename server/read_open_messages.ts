/**
 * Bodies of method 14, reads of an open segment at its leader (messages.ts has the table).
 *
 * @module
 */

import { ByteReader, ByteWriter } from "../world/mod.ts";
import {
  beginRead,
  readEntries,
  readReadFields,
  type ReadRequest,
  STATUS_DONE,
  STATUS_NOT_LEADER,
} from "./messages.ts";
import type { Entries } from "./segments/mod.ts";

/**
 * Reads committed entries of the open segment that the asked node leads. Here `offset` is counted from the topic's
 * first entry, and `count` 0 only asks how far the topic is committed.
 */
export interface ReadOpenRequest extends ReadRequest {
  /** How long to wait where nothing is committed at the offset yet, milliseconds. */
  waitMs: number;
}

/** Entries of an open segment, none where nothing is committed at the offset yet. */
export interface OpenEntries extends Entries {
  /** One past the last committed entry of the topic. */
  end: number;
}

export function writeReadOpen(request: ReadOpenRequest): Uint8Array {
  return beginRead(request).u32(request.waitMs).view;
}

export function readReadOpen(body: Uint8Array): ReadOpenRequest {
  const reader = new ByteReader(body);
  return { ...readReadFields(reader), waitMs: reader.u32() };
}

/** `null`: not the leader, or closed. */
export function writeReadOpenReply(read: OpenEntries | null): Uint8Array {
  const writer = new ByteWriter((read?.bytes.length ?? 0) + 24);
  if (read === null) return writer.u8(STATUS_NOT_LEADER).view;
  return writer.u8(STATUS_DONE).u64(read.end).u32(read.count).bytes(read.bytes).view;
}

export function readReadOpenReply(body: Uint8Array): OpenEntries | null {
  const reader = new ByteReader(body);
  if (reader.u8() !== STATUS_DONE) return null;
  return { end: reader.u64(), ...readEntries(reader) };
}
