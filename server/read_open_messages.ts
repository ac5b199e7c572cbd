/**
 * Bodies of method 14, reads of an open segment at its leader (messages.ts has the table).
 *
 * @module
 */

import { ByteReader, ByteWriter } from "../world/mod.ts";
import { readEntries, STATUS_DONE, STATUS_NOT_LEADER } from "./messages.ts";
import type { Entries } from "./segments/mod.ts";

/** Reads committed entries of the open segment that the asked node leads. */
export interface ReadOpenRequest {
  topic: string;
  segment: number;
  /** Of the first entry, counted from the topic's first. */
  offset: number;
  /** 0: only tell how far the topic is committed. */
  count: number;
  maxBytes: number;
  /** How long to wait where nothing is committed at the offset yet, milliseconds. */
  waitMs: number;
}

/** Entries of an open segment, none where nothing is committed at the offset yet. */
export interface OpenEntries extends Entries {
  /** One past the last committed entry of the topic. */
  end: number;
}

export function writeReadOpen(request: ReadOpenRequest): Uint8Array {
  const writer = new ByteWriter();
  writer.string(request.topic).u32(request.segment).u64(request.offset);
  return writer.u32(request.count).u32(request.maxBytes).u32(request.waitMs).view;
}

export function readReadOpen(body: Uint8Array): ReadOpenRequest {
  const reader = new ByteReader(body);
  return {
    topic: reader.string(),
    segment: reader.u32(),
    offset: reader.u64(),
    count: reader.u32(),
    maxBytes: reader.u32(),
    waitMs: reader.u32(),
  };
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
