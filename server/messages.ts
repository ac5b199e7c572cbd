/**
 * What nodes ask of each other: the methods and the bodies of their requests and replies.
 *
 * | method | request | reply |
 * | ------ | ------- | ----- |
 * | 1 raft, one-way | a Raft message (raft/) | |
 * | 2 join | node (metadata/command_codec.ts) | cluster UUID string, list of nodes |
 * | 3 propose | a metadata command | kind (1): 0 not leader; 1 applied: index (8), ok (1), reason string |
 * | 4 append, in order | topic string, segment (4), packed entries | status (1), accepted (4) |
 * | 5 take | topic string, segment (4), count (4) | status (1), exhausted (1), count (4), packed entries |
 * | 6 read | topic string, segment (4), offset in the segment (8), count (4), max bytes (4) | count (4), packed entries |
 * | 7 replicate, in order | topic string, segment (4), position (8), packed records, committed entries of the segment (8; may be missing) | extent |
 * | 8 probe | topic string, segment (4) | extent |
 * | 9 fence | topic string, segment (4) | length (8), entries (8), payload bytes (8), certain (1), has cursors (1), cursors |
 * | 10 complete | topic string, segment (4), from node (4), end (8) | |
 * | 11 fetch | topic string, segment (4), position (8), end (8) | position (8), packed records |
 * | 12 digest | topic string, segment (4) | length (8), entries (8), checksum (4) |
 * | 13 append units, in order | topic string, segment (4), number of ends (4), ends (4 each), packed entries | status (1), accepted (4), offset of the first in the segment (8) |
 * | 14 read open | topic string, segment (4), offset in the topic (8), count (4), max bytes (4), wait ms (4) | status (1), committed end in the topic (8), count (4), packed entries |
 * | 15 leave | run string: that run of the asking node stops | |
 * | 16 farewell | run string: it leads nothing any more | |, once nothing is asked of it |
 *
 * Extent: silent (1), end (8), durable (8).
 * Status: 0 done; 1 not the leader, or closed: nothing was done, ask the next leader. Strings and byte
 * runs carry their length (world/bytes.ts).
 *
 * @module
 */

import { ByteReader, ByteWriter, MalformedError } from "../world/mod.ts";
import { countRecords, type RecordBatch } from "../storage/mod.ts";
import {
  type NodeInfo,
  type Outcome,
  readCursors,
  readList,
  readNode,
  writeCursors,
  writeNode,
} from "./metadata/mod.ts";
import { FIRST_OWN_CODE } from "./network/errors.ts";
import type {
  Accepted,
  Digest,
  Entries,
  FenceAnswer,
  PlacedBatch,
  ReplicateAnswer,
  SegmentTarget,
  StreamedBatch,
  Taken,
} from "./segments/mod.ts";

/** The method numbers of the table above. */
export const METHOD = {
  raft: 1,
  join: 2,
  propose: 3,
  append: 4,
  take: 5,
  read: 6,
  replicate: 7,
  probe: 8,
  fence: 9,
  complete: 10,
  fetch: 11,
  digest: 12,
  appendUnits: 13,
  readOpen: 14,
  leave: 15,
  farewell: 16,
} as const;

/** Code of a refusal that trying again won't change. */
export const REFUSED_CODE = FIRST_OWN_CODE;
/** Code of a request that failed at its target; the message says why. */
export const FAILED_CODE = FIRST_OWN_CODE + 1;

/** Status: it was done. */
export const STATUS_DONE = 0;
/** Status: nothing was done, as the asked node is not the leader, or the segment is closed. */
export const STATUS_NOT_LEADER = 1;

/** Appends packed entries to the open segment that the asked node leads. */
export interface AppendRequest {
  topic: string;
  segment: number;
  batch: RecordBatch;
}

/** As {@link AppendRequest}, where the batch may not be divided anywhere: see `SegmentWriter.append`. */
export interface AppendUnitsRequest extends AppendRequest {
  ends: readonly number[];
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

/** What is written one behind the other becomes one batch. */
interface AppendParts {
  topic: string;
  segment: number;
  batches: readonly RecordBatch[];
}

export function writeAppend({ topic, segment, batches }: AppendParts): Uint8Array {
  const bytes = bytesOf(batches);
  const writer = new ByteWriter(bytes + topic.length + 16).string(topic).u32(segment);
  return writeBatches(writer, batches, bytes);
}

function writeBatches(
  writer: ByteWriter,
  batches: readonly RecordBatch[],
  bytes: number,
): Uint8Array {
  writer.u32(bytes);
  for (const batch of batches) writer.raw(batch.bytes);
  return writer.view;
}

function bytesOf(batches: readonly RecordBatch[]): number {
  let bytes = 0;
  for (const batch of batches) bytes += batch.bytes.length;
  return bytes;
}

/** The batch is a view of `body`. */
export function readAppend(body: Uint8Array): AppendRequest {
  const reader = new ByteReader(body);
  const topic = reader.string();
  const segment = reader.u32();
  return { topic, segment, batch: readEntryBatch(reader) };
}

function readEntryBatch(reader: ByteReader): RecordBatch {
  const bytes = reader.bytes();
  const counts = countRecords(bytes);
  if (counts === null || counts.count !== counts.entryCount || counts.count === 0) {
    throw new MalformedError(`append of ${bytes.length} bytes that are not packed entries`);
  }
  return { bytes, ...counts };
}

/** `null`: not the leader, or closed. */
export function writeAppendReply(accepted: number | null): Uint8Array {
  const writer = new ByteWriter(8);
  return writer.u8(accepted === null ? STATUS_NOT_LEADER : STATUS_DONE).u32(accepted ?? 0).view;
}

export function readAppendReply(body: Uint8Array): number | null {
  const reader = new ByteReader(body);
  const status = reader.u8();
  const accepted = reader.u32();
  return status === STATUS_DONE ? accepted : null;
}

export function writeAppendUnits(
  { topic, segment, batches, ends }: AppendParts & { ends: readonly number[] },
): Uint8Array {
  const bytes = bytesOf(batches);
  const writer = new ByteWriter(bytes + topic.length + 4 * ends.length + 20);
  writer.string(topic).u32(segment).u32(ends.length);
  for (const end of ends) writer.u32(end);
  return writeBatches(writer, batches, bytes);
}

/** The batch is a view of `body`. */
export function readAppendUnits(body: Uint8Array): AppendUnitsRequest {
  const reader = new ByteReader(body);
  const topic = reader.string();
  const segment = reader.u32();
  const ends = readList(reader, () => reader.u32());
  const batch = readEntryBatch(reader);
  const isRising = ends.every((end, index) => end > (ends[index - 1] ?? 0));
  if (!isRising || ends.at(-1) !== batch.count) {
    throw new MalformedError(`append of ${batch.count} entries that may not be divided as it says`);
  }
  return { topic, segment, ends, batch };
}

/** `null`: not the leader, or closed. */
export function writeAppendUnitsReply(accepted: Accepted | null): Uint8Array {
  const writer = new ByteWriter(16);
  if (accepted === null) return writer.u8(STATUS_NOT_LEADER).view;
  return writer.u8(STATUS_DONE).u32(accepted.entries).u64(accepted.firstOffset).view;
}

export function readAppendUnitsReply(body: Uint8Array): Accepted | null {
  const reader = new ByteReader(body);
  if (reader.u8() !== STATUS_DONE) return null;
  return { entries: reader.u32(), firstOffset: reader.u64() };
}

export function writeTake(request: TakeRequest): Uint8Array {
  return new ByteWriter().string(request.topic).u32(request.segment).u32(request.count).view;
}

export function readTake(body: Uint8Array): TakeRequest {
  const reader = new ByteReader(body);
  return { topic: reader.string(), segment: reader.u32(), count: reader.u32() };
}

/** `null`: not the leader, or closed. */
export function writeTakeReply(taken: Taken | null): Uint8Array {
  const writer = new ByteWriter((taken?.bytes.length ?? 0) + 16);
  if (taken === null) return writer.u8(STATUS_NOT_LEADER).view;
  writer.u8(STATUS_DONE).u8(taken.isExhausted ? 1 : 0).u32(taken.count).bytes(taken.bytes);
  return writer.view;
}

export function readTakeReply(body: Uint8Array): Taken | null {
  const reader = new ByteReader(body);
  if (reader.u8() !== STATUS_DONE) return null;
  const isExhausted = reader.u8() === 1;
  return { isExhausted, ...readEntries(reader) };
}

export function writeRead(request: ReadRequest): Uint8Array {
  return beginRead(request).view;
}

/** The fields that all requests to read entries begin with. */
export function beginRead(request: ReadRequest): ByteWriter {
  const writer = new ByteWriter();
  writer.string(request.topic).u32(request.segment).u64(request.offset);
  return writer.u32(request.count).u32(request.maxBytes);
}

export function readRead(body: Uint8Array): ReadRequest {
  return readReadFields(new ByteReader(body));
}

/** What {@link beginRead} wrote. */
export function readReadFields(reader: ByteReader): ReadRequest {
  return {
    topic: reader.string(),
    segment: reader.u32(),
    offset: reader.u64(),
    count: reader.u32(),
    maxBytes: reader.u32(),
  };
}

export function writeReadReply(entries: Entries): Uint8Array {
  const writer = new ByteWriter(entries.bytes.length + 16);
  return writer.u32(entries.count).bytes(entries.bytes).view;
}

export function readReadReply(body: Uint8Array): Entries {
  return readEntries(new ByteReader(body));
}

/** A count and as many packed entries. */
export function readEntries(reader: ByteReader): Entries {
  const count = reader.u32();
  const bytes = reader.bytes();
  const counts = countRecords(bytes);
  if (counts?.entryCount !== count || counts.count !== count) {
    throw new MalformedError(`${bytes.length} bytes that are not ${count} packed entries`);
  }
  return { bytes, count };
}

export function writeProposeReply(reply: ProposeReply): Uint8Array {
  const writer = new ByteWriter();
  if (reply.kind === "notLeader") return writer.u8(0).view;
  const { outcome } = reply;
  writer.u8(1).u64(reply.index).u8(outcome.ok ? 1 : 0).string(outcome.ok ? "" : outcome.reason);
  return writer.view;
}

export function readProposeReply(body: Uint8Array): ProposeReply {
  const reader = new ByteReader(body);
  if (reader.u8() === 0) return { kind: "notLeader" };
  const index = reader.u64();
  const ok = reader.u8() === 1;
  const reason = reader.string();
  return { kind: "applied", index, outcome: ok ? { ok } : { ok, reason } };
}

export function writeJoinReply(reply: JoinReply): Uint8Array {
  const writer = new ByteWriter();
  writer.string(reply.clusterId).u32(reply.nodes.length);
  for (const node of reply.nodes) writeNode(writer, node);
  return writer.view;
}

export function readJoinReply(body: Uint8Array): JoinReply {
  const reader = new ByteReader(body);
  return { clusterId: reader.string(), nodes: readList(reader, () => readNode(reader)) };
}

export function writeNodeBody(node: NodeInfo): Uint8Array {
  const writer = new ByteWriter();
  writeNode(writer, node);
  return writer.view;
}

export function readNodeBody(body: Uint8Array): NodeInfo {
  return readNode(new ByteReader(body));
}

export function writeReplicate(target: SegmentTarget, streamed: StreamedBatch): Uint8Array {
  const { bytes } = streamed.batch;
  const writer = new ByteWriter(bytes.length + target.topic.length + 32);
  writeTarget(writer, target);
  return writer.u64(streamed.position).bytes(bytes).u64(streamed.committed).view;
}

/** The batch is a view of `body`. */
export function readReplicate(
  body: Uint8Array,
): { target: SegmentTarget; streamed: StreamedBatch } {
  const reader = new ByteReader(body);
  const target = readTarget(reader);
  const placed = readPlaced(reader);
  const committed = reader.remainingBytes > 0 ? reader.u64() : 0;
  return { target, streamed: { ...placed, committed } };
}

export function writeExtent(answer: ReplicateAnswer): Uint8Array {
  const writer = new ByteWriter(24);
  if (answer === "silent") return writer.bool(true).u64(0).u64(0).view;
  return writer.bool(false).u64(answer.end).u64(answer.durable).view;
}

export function readExtent(body: Uint8Array): ReplicateAnswer {
  const reader = new ByteReader(body);
  if (reader.bool()) return "silent";
  return { end: reader.u64(), durable: reader.u64() };
}

export function writeTargetBody(target: SegmentTarget): Uint8Array {
  const writer = new ByteWriter();
  writeTarget(writer, target);
  return writer.view;
}

export function readTargetBody(body: Uint8Array): SegmentTarget {
  return readTarget(new ByteReader(body));
}

export function writeFenceAnswer(answer: FenceAnswer): Uint8Array {
  const writer = new ByteWriter();
  writer.u64(answer.length).u64(answer.entries).u64(answer.bytes).bool(answer.isCertain);
  writer.bool(answer.cursors !== null);
  writeCursors(writer, answer.cursors ?? []);
  return writer.view;
}

export function readFenceAnswer(body: Uint8Array): FenceAnswer {
  const reader = new ByteReader(body);
  const length = reader.u64();
  const entries = reader.u64();
  const bytes = reader.u64();
  const isCertain = reader.bool();
  const hasCursors = reader.bool();
  const cursors = readCursors(reader);
  return { length, entries, bytes, isCertain, cursors: hasCursors ? cursors : null };
}

/** Asks a node to copy what it lacks of a segment up to `end` from the node `from`. */
export interface CompleteRequest {
  target: SegmentTarget;
  from: number;
  end: number;
}

export function writeComplete(request: CompleteRequest): Uint8Array {
  const writer = new ByteWriter();
  writeTarget(writer, request.target);
  return writer.u32(request.from).u64(request.end).view;
}

export function readComplete(body: Uint8Array): CompleteRequest {
  const reader = new ByteReader(body);
  return { target: readTarget(reader), from: reader.u32(), end: reader.u64() };
}

/** Asks for records of both kinds between two positions. */
export interface FetchRequest {
  target: SegmentTarget;
  position: number;
  end: number;
}

export function writeFetch(request: FetchRequest): Uint8Array {
  const writer = new ByteWriter();
  writeTarget(writer, request.target);
  return writer.u64(request.position).u64(request.end).view;
}

export function readFetch(body: Uint8Array): FetchRequest {
  const reader = new ByteReader(body);
  return { target: readTarget(reader), position: reader.u64(), end: reader.u64() };
}

export function writePlaced(placed: PlacedBatch): Uint8Array {
  const writer = new ByteWriter(placed.batch.bytes.length + 16);
  return writer.u64(placed.position).bytes(placed.batch.bytes).view;
}

export function readPlacedBody(body: Uint8Array): PlacedBatch {
  return readPlaced(new ByteReader(body));
}

function readPlaced(reader: ByteReader): PlacedBatch {
  const position = reader.u64();
  const bytes = reader.bytes();
  const counts = countRecords(bytes);
  if (counts === null) {
    throw new MalformedError(
      `${bytes.length} bytes at position ${position} are not packed records`,
    );
  }
  return { position, batch: { bytes, ...counts } };
}

function writeTarget(writer: ByteWriter, target: SegmentTarget): void {
  writer.string(target.topic).u32(target.segment);
}

function readTarget(reader: ByteReader): SegmentTarget {
  return { topic: reader.string(), segment: reader.u32() };
}

export function writeDigest(digest: Digest): Uint8Array {
  return new ByteWriter().u64(digest.length).u64(digest.entries).u32(digest.checksum).view;
}

export function readDigest(body: Uint8Array): Digest {
  const reader = new ByteReader(body);
  return { length: reader.u64(), entries: reader.u64(), checksum: reader.u32() };
}

export function writeLeave(run: string): Uint8Array {
  return new ByteWriter().string(run).view;
}

export function readLeave(body: Uint8Array): string {
  return new ByteReader(body).string();
}
