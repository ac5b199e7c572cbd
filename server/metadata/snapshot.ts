/**
 * The metadata state as bytes, for Raft snapshots.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 | format version, {@link SNAPSHOT_VERSION} |
 * | 4, … | count of nodes, then each node (command.ts) |
 * | 4, … | ids of the nodes that are being drained |
 * | 4, … | count of incarnations of removed nodes, then those |
 * | 4, … | count of topics, then each: name, replication factor (4), durability (5), cursors, count of segments (4), and for each of those: leader (4), leader's run (string), replica ids, state (1): 0 open, 1 sealing, 2 sealed, sealed count (8), sealed length (8), payload bytes (8), may have lost (1) |
 *
 * Count and length of an unsealed segment, the last of each topic, are 0. Numbers and base offsets follow from
 * the order.
 *
 * @module
 */

import { BodyReader, BodyWriter, MalformedError } from "../network/codec.ts";
import {
  readCursors,
  readDurability,
  readIds,
  readList,
  readNode,
  writeCursors,
  writeDurability,
  writeIds,
  writeNode,
} from "./command.ts";
import { MetadataState, type SegmentInfo, type TopicInfo } from "./state.ts";

/** Raised when a field is added; older versions stay readable. */
export const SNAPSHOT_VERSION = 1;
const STATE_OPEN = 0;
const STATE_SEALING = 1;
const STATE_SEALED = 2;

/** The whole state; equal states give equal bytes, since maps keep the order of the commands. */
export function encodeSnapshot(state: MetadataState): Uint8Array {
  const writer = new BodyWriter();
  writer.u8(SNAPSHOT_VERSION).u32(state.nodes.size);
  for (const node of state.nodes.values()) writeNode(writer, node);
  writeIds(writer, [...state.draining]);
  writer.u32(state.removed.size);
  for (const incarnation of state.removed) writer.string(incarnation);
  writer.u32(state.topics.size);
  for (const topic of state.topics.values()) {
    writer.string(topic.name).u32(topic.replicationFactor);
    writeDurability(writer, topic.durability);
    writeCursors(writer, topic.cursors);
    writer.u32(topic.segments.length);
    for (const segment of topic.segments) {
      writer.u32(segment.leader).string(segment.leaderRun);
      writeIds(writer, segment.replicas);
      writer.u8(stateByte(segment)).u53(segment.count ?? 0).u53(segment.length ?? 0);
      writer.u53(segment.bytes ?? 0).bool(segment.mayHaveLost);
    }
  }
  return writer.view;
}

/** @throws {MalformedError} for a version that this build doesn't know, or cut bytes. */
export function decodeSnapshot(bytes: Uint8Array): MetadataState {
  const reader = new BodyReader(bytes);
  const version = reader.u8();
  if (version !== SNAPSHOT_VERSION) {
    throw new MalformedError(
      `metadata snapshot has version ${version}, this build reads ${SNAPSHOT_VERSION}: upgrade this node`,
    );
  }
  const state = new MetadataState();
  for (const node of readList(reader, () => readNode(reader))) state.nodes.set(node.id, node);
  for (const id of readIds(reader)) state.draining.add(id);
  for (const incarnation of readList(reader, () => reader.string())) state.removed.add(incarnation);
  for (const topic of readList(reader, () => readTopic(reader))) {
    state.topics.set(topic.name, topic);
  }
  reader.end();
  return state;
}

function readTopic(reader: BodyReader): TopicInfo {
  const name = reader.string();
  const replicationFactor = reader.u32();
  const durability = readDurability(reader);
  const cursors = readCursors(reader);
  let number = 0, baseOffset = 0;
  const segments = readList(reader, () => {
    const segment = readSegment(reader, ++number, baseOffset);
    baseOffset += segment.count ?? 0;
    return segment;
  });
  return { name, replicationFactor, durability, segments, cursors };
}

function readSegment(reader: BodyReader, number: number, baseOffset: number): SegmentInfo {
  const leader = reader.u32();
  const leaderRun = reader.string();
  const replicas = readIds(reader);
  const state = reader.u8();
  const count = reader.u53();
  const length = reader.u53();
  const bytes = reader.u53();
  const mayHaveLost = reader.bool();
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
  };
}

function stateByte(segment: SegmentInfo): number {
  if (segment.count !== null) return STATE_SEALED;
  return segment.isSealing ? STATE_SEALING : STATE_OPEN;
}
