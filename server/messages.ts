/**
 * What nodes ask of each other: the methods and the bodies of their requests and replies.
 *
 * | method | request | reply |
 * | ------ | ------- | ----- |
 * | 1 raft, one-way | a Raft message (raft/) | |
 * | 2 join | node (metadata/command.ts) | cluster UUID string, list of nodes |
 * | 3 propose | a metadata command | kind (1): 0 not leader; 1 applied: index (8), ok (1), reason string |
 * | 4 append, in order | topic string, segment (4), packed entries | status (1), accepted (4) |
 * | 5 take | topic string, segment (4), count (4) | status (1), exhausted (1), count (4), packed entries |
 * | 6 read | topic string, segment (4), offset in the segment (8), count (4), max bytes (4) | count (4), packed entries |
 *
 * Status: 0 done; 1 not the leader, or closed: nothing was done, ask the next leader. Strings and byte
 * runs carry their length (network/codec.ts).
 *
 * @module
 */

import { countRecords, type RecordBatch } from "../storage/mod.ts";
import { type NodeInfo, type Outcome, readList, readNode, writeNode } from "./metadata/mod.ts";
import { BodyReader, BodyWriter, MalformedError } from "./network/codec.ts";
import { FIRST_OWN_CODE } from "./network/errors.ts";
import type { Entries, Taken } from "./segments/mod.ts";

/** The method numbers of the table above. */
export const METHOD = { raft: 1, join: 2, propose: 3, append: 4, take: 5, read: 6 } as const;

/** Code of a refusal that trying again won't change. */
export const REFUSED_CODE = FIRST_OWN_CODE;
/** Code of a request that failed at its target; the message says why. */
export const FAILED_CODE = FIRST_OWN_CODE + 1;

const STATUS_DONE = 0;
const STATUS_NOT_LEADER = 1;

/** Appends packed entries to the open segment that the asked node leads. */
export interface AppendRequest {
  topic: string;
  segment: number;
  batch: RecordBatch;
}

/** Takes entries from the shared cursor on the leader of the open segment. */
export interface TakeRequest {
  topic: string;
  segment: number;
  count: number;
}

/** Reads committed entries of a segment that the asked node holds. */
export interface ReadRequest {
  topic: string;
  segment: number;
  /** Of the first entry, counted from the segment's first. */
  offset: number;
  count: number;
  maxBytes: number;
}

/** What the Raft leader answers to a proposal of another node. */
export type ProposeReply =
  | { kind: "notLeader" }
  | { kind: "applied"; index: number; outcome: Outcome };

/** What a node that joins needs to know. */
export interface JoinReply {
  clusterId: string;
  nodes: NodeInfo[];
}

export function writeAppend(request: AppendRequest): Uint8Array {
  const writer = new BodyWriter(request.batch.bytes.length + request.topic.length + 16);
  return writer.string(request.topic).u32(request.segment).bytes(request.batch.bytes).view;
}

/** The batch is a view of `body`. */
export function readAppend(body: Uint8Array): AppendRequest {
  const reader = new BodyReader(body);
  const topic = reader.string();
  const segment = reader.u32();
  const bytes = reader.bytes();
  const counts = countRecords(bytes);
  if (counts === null || counts.count !== counts.entryCount || counts.count === 0) {
    throw new MalformedError(`append of ${bytes.length} bytes that are not packed entries`);
  }
  return { topic, segment, batch: { bytes, ...counts } };
}

/** `null`: not the leader, or closed. */
export function writeAppendReply(accepted: number | null): Uint8Array {
  const writer = new BodyWriter(8);
  return writer.u8(accepted === null ? STATUS_NOT_LEADER : STATUS_DONE).u32(accepted ?? 0).view;
}

export function readAppendReply(body: Uint8Array): number | null {
  const reader = new BodyReader(body);
  const status = reader.u8();
  const accepted = reader.u32();
  return status === STATUS_DONE ? accepted : null;
}

export function writeTake(request: TakeRequest): Uint8Array {
  return new BodyWriter().string(request.topic).u32(request.segment).u32(request.count).view;
}

export function readTake(body: Uint8Array): TakeRequest {
  const reader = new BodyReader(body);
  return { topic: reader.string(), segment: reader.u32(), count: reader.u32() };
}

/** `null`: not the leader, or closed. */
export function writeTakeReply(taken: Taken | null): Uint8Array {
  const writer = new BodyWriter((taken?.bytes.length ?? 0) + 16);
  if (taken === null) return writer.u8(STATUS_NOT_LEADER).view;
  writer.u8(STATUS_DONE).u8(taken.isExhausted ? 1 : 0).u32(taken.count).bytes(taken.bytes);
  return writer.view;
}

export function readTakeReply(body: Uint8Array): Taken | null {
  const reader = new BodyReader(body);
  if (reader.u8() !== STATUS_DONE) return null;
  const isExhausted = reader.u8() === 1;
  return { isExhausted, ...readEntries(reader) };
}

export function writeRead(request: ReadRequest): Uint8Array {
  const writer = new BodyWriter();
  writer.string(request.topic).u32(request.segment).u53(request.offset);
  return writer.u32(request.count).u32(request.maxBytes).view;
}

export function readRead(body: Uint8Array): ReadRequest {
  const reader = new BodyReader(body);
  return {
    topic: reader.string(),
    segment: reader.u32(),
    offset: reader.u53(),
    count: reader.u32(),
    maxBytes: reader.u32(),
  };
}

export function writeReadReply(entries: Entries): Uint8Array {
  const writer = new BodyWriter(entries.bytes.length + 16);
  return writer.u32(entries.count).bytes(entries.bytes).view;
}

export function readReadReply(body: Uint8Array): Entries {
  return readEntries(new BodyReader(body));
}

function readEntries(reader: BodyReader): Entries {
  const count = reader.u32();
  const bytes = reader.bytes();
  const counts = countRecords(bytes);
  if (counts?.entryCount !== count || counts.count !== count) {
    throw new MalformedError(`${bytes.length} bytes that are not ${count} packed entries`);
  }
  return { bytes, count };
}

export function writeProposeReply(reply: ProposeReply): Uint8Array {
  const writer = new BodyWriter();
  if (reply.kind === "notLeader") return writer.u8(0).view;
  const { outcome } = reply;
  writer.u8(1).u53(reply.index).u8(outcome.ok ? 1 : 0).string(outcome.ok ? "" : outcome.reason);
  return writer.view;
}

export function readProposeReply(body: Uint8Array): ProposeReply {
  const reader = new BodyReader(body);
  if (reader.u8() === 0) return { kind: "notLeader" };
  const index = reader.u53();
  const ok = reader.u8() === 1;
  const reason = reader.string();
  return { kind: "applied", index, outcome: ok ? { ok } : { ok, reason } };
}

export function writeJoinReply(reply: JoinReply): Uint8Array {
  const writer = new BodyWriter();
  writer.string(reply.clusterId).u32(reply.nodes.length);
  for (const node of reply.nodes) writeNode(writer, node);
  return writer.view;
}

export function readJoinReply(body: Uint8Array): JoinReply {
  const reader = new BodyReader(body);
  return { clusterId: reader.string(), nodes: readList(reader, () => readNode(reader)) };
}

export function writeNodeBody(node: NodeInfo): Uint8Array {
  const writer = new BodyWriter();
  writeNode(writer, node);
  return writer.view;
}

export function readNodeBody(body: Uint8Array): NodeInfo {
  return readNode(new BodyReader(body));
}
