/**
 * The metadata state as bytes, for Raft snapshots.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 | format (command.ts): the one in which the cluster writes |
 * | 4, … | since format 2: count of deleted topics, then each: name, number of the next first segment (4) |
 * | 4, … | since format 2: count of the runs that segments speak of, then those, strings |
 * | 4, … | count of nodes, then each node (command_codec.ts) |
 * | 4, … | ids of the nodes that are being drained |
 * | 4, … | since format 3: ids of the nodes that were given up |
 * | 4, … | count of incarnations of removed nodes, then those |
 * | 4, … | count of topics, then each: name, replication factor (4), durability (5), cursors; since format 2: number of its very first segment (4), retention (24), number (4) and base offset (8) of the first one that is there; count of segments (4), and for each of those: leader (4), leader's run (string), replica ids, state (1): 0 open, 1 sealing, 2 sealed, sealed count (8), sealed length (8), payload bytes (8), may have lost (1), since format 2: when it was sealed (8), since format 4: how often repair has changed its replicas (4) |
 *
 * Since format 2 a segment has, for its leader's run, the number of a run in that list (4). Count and length of an unsealed segment, the last of each topic, are 0. Numbers and base offsets follow from
 * the order.
 *
 * @module
 */

import { ByteReader, ByteWriter, MalformedError } from "../../world/mod.ts";
import { GIVE_UP_FORMAT, KEEP_ALL, REPAIR_FORMAT, TRIM_FORMAT } from "./command.ts";
import {
  readCursors,
  readDurability,
  readFormat,
  readIds,
  readList,
  readNode,
  readRetention,
  writeCursors,
  writeDurability,
  writeIds,
  writeNode,
  writeRetention,
} from "./command_codec.ts";
import { MetadataState, type SegmentInfo, type TopicInfo } from "./state.ts";

const STATE_OPEN = 0;
const STATE_SEALING = 1;
const STATE_SEALED = 2;

/** The whole state; equal states give equal bytes, since maps keep the order of the commands. */
export function encodeSnapshot(state: MetadataState): Uint8Array {
  const writer = new ByteWriter();
  const { format } = state;
  const isOld = format < TRIM_FORMAT;
  const runs = isOld ? new Map<string, number>() : runsOf(state);
  writer.u8(format);
  if (!isOld) {
    writer.u32(state.deleted.size);
    for (const [topic, next] of state.deleted) writer.string(topic).u32(next);
    writer.u32(runs.size);
    for (const run of runs.keys()) writer.string(run);
  }
  writer.u32(state.nodes.size);
  for (const node of state.nodes.values()) writeNode(writer, node);
  writeIds(writer, [...state.draining]);
  if (format >= GIVE_UP_FORMAT) writeIds(writer, [...state.givenUp]);
  writer.u32(state.removed.size);
  for (const incarnation of state.removed) writer.string(incarnation);
  writer.u32(state.topics.size);
  for (const topic of state.topics.values()) {
    writer.string(topic.name).u32(topic.replicationFactor);
    writeDurability(writer, topic.durability);
    writeCursors(writer, topic.cursors);
    if (!isOld) {
      const first = topic.segments[0]!;
      writer.u32(topic.bornSegment);
      writeRetention(writer, topic.retention);
      writer.u32(first.number).u64(first.baseOffset);
    }
    writer.u32(topic.segments.length);
    for (const segment of topic.segments) {
      writer.u32(segment.leader);
      if (isOld) writer.string(segment.leaderRun);
      else writer.u32(runs.get(segment.leaderRun)!);
      writeIds(writer, segment.replicas);
      writer.u8(stateByte(segment)).u64(segment.count ?? 0).u64(segment.length ?? 0);
      writer.u64(segment.bytes ?? 0).bool(segment.mayHaveLost);
      if (!isOld) writer.u64(segment.sealedMs);
      if (format >= REPAIR_FORMAT) writer.u32(segment.replicaChanges);
    }
  }
  return writer.view;
}

/** @throws {MalformedError} for a format that this build doesn't know, or cut bytes. */
export function decodeSnapshot(bytes: Uint8Array): MetadataState {
  const reader = new ByteReader(bytes);
  const format = readFormat(reader, "snapshot");
  const state = new MetadataState();
  state.format = format;
  const readDeleted = () => [reader.string(), reader.u32()] as const;
  const deleted = format < TRIM_FORMAT ? [] : readList(reader, readDeleted);
  for (const [topic, next] of deleted) state.deleted.set(topic, next);
  const runs = format < TRIM_FORMAT ? null : readList(reader, () => reader.string());
  for (const node of readList(reader, () => readNode(reader))) state.nodes.set(node.id, node);
  for (const id of readIds(reader)) state.draining.add(id);
  const givenUp = format < GIVE_UP_FORMAT ? [] : readIds(reader);
  for (const id of givenUp) state.givenUp.add(id);
  for (const incarnation of readList(reader, () => reader.string())) state.removed.add(incarnation);
  for (const topic of readList(reader, () => readTopic(reader, { format, runs, state }))) {
    state.topics.set(topic.name, topic);
  }
  reader.end();
  return state;
}

function readTopic(
  reader: ByteReader,
  { format, runs, state }: {
    format: number;
    runs: readonly string[] | null;
    state: MetadataState;
  },
): TopicInfo {
  const isOld = format < TRIM_FORMAT;
  const name = reader.string();
  const replicationFactor = reader.u32();
  const durability = readDurability(reader);
  const cursors = readCursors(reader);
  const bornSegment = isOld ? 1 : reader.u32();
  const retention = isOld ? KEEP_ALL : readRetention(reader);
  let number = isOld ? 1 : reader.u32();
  let baseOffset = isOld ? 0 : reader.u64();
  const segments = readList(reader, () => {
    const segment = readSegment(reader, { number, baseOffset, format, runs, state });
    number++;
    baseOffset += segment.count ?? 0;
    return segment;
  });
  return { name, replicationFactor, durability, bornSegment, retention, segments, cursors };
}

function readSegment(
  reader: ByteReader,
  place: {
    number: number;
    baseOffset: number;
    format: number;
    runs: readonly string[] | null;
    state: MetadataState;
  },
): SegmentInfo {
  const { number, baseOffset, format, runs, state: metadata } = place;
  const leader = reader.u32();
  const leaderRun = runs === null ? reader.string() : runAt(runs, reader.u32());
  const replicas = metadata.shared(readIds(reader));
  const state = reader.u8();
  const count = reader.u64();
  const length = reader.u64();
  const bytes = reader.u64();
  const mayHaveLost = reader.bool();
  const sealedMs = runs === null ? 0 : reader.u64();
  const replicaChanges = format < REPAIR_FORMAT ? 0 : reader.u32();
  const isSealed = state === STATE_SEALED;
  return {
    number,
    leader,
    leaderRun,
    replicas,
    baseOffset,
    isSealing: state === STATE_SEALING,
    count: isSealed ? count : null,
    length: isSealed ? length : null,
    bytes: isSealed ? bytes : null,
    mayHaveLost,
    sealedMs,
    replicaChanges,
  };
}

/** Each run once: thousands of segments share a few. */
function runsOf(state: MetadataState): Map<string, number> {
  const runs: Map<string, number> = new Map();
  for (const topic of state.topics.values()) {
    for (const { leaderRun } of topic.segments) {
      if (!runs.has(leaderRun)) runs.set(leaderRun, runs.size);
    }
  }
  return runs;
}

function runAt(runs: readonly string[], index: number): string {
  const run = runs[index];
  if (run === undefined) throw new MalformedError(`metadata snapshot has no run ${index}`);
  return run;
}

function stateByte(segment: SegmentInfo): number {
  if (segment.count !== null) return STATE_SEALED;
  return segment.isSealing ? STATE_SEALING : STATE_OPEN;
}
