/**
 * The bytes of metadata commands in the Raft log, and of what snapshots share with them.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 | format, 1 to {@link METADATA_FORMAT} |
 * | 1 | kind: 1 registerNode, 2 createTopic, 3 sealSegment, 4 beginSeal, 5 drainNode, 6 removeNode, 7 addReplica, 8 dropReplica, 9 raiseFormat, 10 deleteTopic, 11 trimTopic, 12 setRetention, 13 giveUpNode |
 * | … | the fields in the order of the interfaces below; strings and lists carry their length |
 *
 * Format 1 lacks `firstSegment` and `retention` of createTopic, `sealedMs` of sealSegment, and kinds 10 to 12. Formats
 * before 4 lack `expectedChanges` of addReplica and dropReplica.
 *
 * @module
 */

import type { Durability } from "../../storage/types.ts";
import { ByteReader, ByteWriter, MalformedError, unreachable } from "../../world/mod.ts";
import {
  type AddReplica,
  type Command,
  type Cursor,
  KEEP_ALL,
  METADATA_FORMAT,
  type NodeInfo,
  REPAIR_FORMAT,
  type Retention,
  TRIM_FORMAT,
} from "./command.ts";

const KIND_REGISTER_NODE = 1;
const KIND_CREATE_TOPIC = 2;
const KIND_SEAL_SEGMENT = 3;
const KIND_BEGIN_SEAL = 4;
const KIND_DRAIN_NODE = 5;
const KIND_REMOVE_NODE = 6;
const KIND_ADD_REPLICA = 7;
const KIND_DROP_REPLICA = 8;
const KIND_RAISE_FORMAT = 9;
const KIND_DELETE_TOPIC = 10;
const KIND_TRIM_TOPIC = 11;
const KIND_SET_RETENTION = 12;
const KIND_GIVE_UP_NODE = 13;

/** The command's bytes, as the table above says. In an older format, what it lacks is left out. */
export function encodeCommand(command: Command, format: number = METADATA_FORMAT): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(format);
  switch (command.kind) {
    case "registerNode":
      writer.u8(KIND_REGISTER_NODE);
      writeNode(writer, command);
      break;
    case "createTopic":
      writer.u8(KIND_CREATE_TOPIC).string(command.topic).u32(command.replicationFactor);
      writeDurability(writer, command.durability);
      writer.u32(command.leader);
      writeIds(writer, command.replicas);
      if (format < TRIM_FORMAT) break;
      writer.u32(command.firstSegment);
      writeRetention(writer, command.retention);
      break;
    case "sealSegment":
      writer.u8(KIND_SEAL_SEGMENT).string(command.topic).u32(command.segment);
      writer.bool(command.expectedRun !== null).string(command.expectedRun ?? "");
      writer.u64(command.count).u64(command.length).u64(command.bytes).bool(command.mayHaveLost);
      writeCursors(writer, command.cursors);
      writer.u32(command.nextLeader);
      writeIds(writer, command.nextReplicas);
      if (format >= TRIM_FORMAT) writer.u64(command.sealedMs);
      break;
    case "beginSeal":
      writer.u8(KIND_BEGIN_SEAL).string(command.topic).u32(command.segment);
      break;
    case "drainNode":
      writer.u8(KIND_DRAIN_NODE).u32(command.id);
      break;
    case "giveUpNode":
      writer.u8(KIND_GIVE_UP_NODE).u32(command.id);
      break;
    case "removeNode":
      writer.u8(KIND_REMOVE_NODE).u32(command.id);
      break;
    case "addReplica":
    case "dropReplica":
      writer.u8(command.kind === "addReplica" ? KIND_ADD_REPLICA : KIND_DROP_REPLICA);
      writer.string(command.topic).u32(command.segment).u32(command.node);
      if (format < REPAIR_FORMAT) break;
      writer.bool(command.expectedChanges !== null).u32(command.expectedChanges ?? 0);
      break;
    case "raiseFormat":
      writer.u8(KIND_RAISE_FORMAT).u8(command.format);
      break;
    case "deleteTopic":
      writer.u8(KIND_DELETE_TOPIC).string(command.topic).u32(command.bornSegment);
      break;
    case "trimTopic":
      writer.u8(KIND_TRIM_TOPIC).string(command.topic).u32(command.firstSegment);
      break;
    case "setRetention":
      writer.u8(KIND_SET_RETENTION).string(command.topic).u32(command.bornSegment);
      writeRetention(writer, command.retention);
      break;
    default:
      unreachable(command);
  }
  return writer.view;
}

/** @throws {MalformedError} for a format or kind that this build doesn't know, or cut bytes. */
export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new ByteReader(bytes);
  const format = readFormat(reader, "command");
  const command = readKind(reader, reader.u8(), format);
  reader.end();
  return command;
}

/** The first byte of commands and snapshots. @throws {MalformedError} for one that this build doesn't know. */
export function readFormat(reader: ByteReader, what: string): number {
  const format = reader.u8();
  if (format >= 1 && format <= METADATA_FORMAT) return format;
  throw new MalformedError(
    `metadata ${what} has format ${format}, this build reads 1 to ${METADATA_FORMAT}: upgrade this node`,
  );
}

function readKind(reader: ByteReader, kind: number, format: number): Command {
  const isOld = format < TRIM_FORMAT;
  switch (kind) {
    case KIND_REGISTER_NODE:
      return { kind: "registerNode", ...readNode(reader) };
    case KIND_CREATE_TOPIC:
      return {
        kind: "createTopic",
        topic: reader.string(),
        replicationFactor: reader.u32(),
        durability: readDurability(reader),
        leader: reader.u32(),
        replicas: readIds(reader),
        firstSegment: isOld ? 1 : reader.u32(),
        retention: isOld ? KEEP_ALL : readRetention(reader),
      };
    case KIND_SEAL_SEGMENT:
      return {
        kind: "sealSegment",
        topic: reader.string(),
        segment: reader.u32(),
        expectedRun: readExpectedRun(reader),
        count: reader.u64(),
        length: reader.u64(),
        bytes: reader.u64(),
        mayHaveLost: reader.bool(),
        cursors: readCursors(reader),
        nextLeader: reader.u32(),
        nextReplicas: readIds(reader),
        sealedMs: isOld ? 0 : reader.u64(),
      };
    case KIND_BEGIN_SEAL:
      return { kind: "beginSeal", topic: reader.string(), segment: reader.u32() };
    case KIND_DRAIN_NODE:
      return { kind: "drainNode", id: reader.u32() };
    case KIND_GIVE_UP_NODE:
      return { kind: "giveUpNode", id: reader.u32() };
    case KIND_REMOVE_NODE:
      return { kind: "removeNode", id: reader.u32() };
    case KIND_ADD_REPLICA:
      return { kind: "addReplica", ...readRepairOf(reader, format) };
    case KIND_DROP_REPLICA:
      return { kind: "dropReplica", ...readRepairOf(reader, format) };
    case KIND_RAISE_FORMAT:
      return { kind: "raiseFormat", format: reader.u8() };
    case KIND_DELETE_TOPIC:
      return { kind: "deleteTopic", topic: reader.string(), bornSegment: reader.u32() };
    case KIND_TRIM_TOPIC:
      return { kind: "trimTopic", topic: reader.string(), firstSegment: reader.u32() };
    case KIND_SET_RETENTION:
      return {
        kind: "setRetention",
        topic: reader.string(),
        bornSegment: reader.u32(),
        retention: readRetention(reader),
      };
    default:
      throw new MalformedError(`metadata command of unknown kind ${kind}: upgrade this node`);
  }
}

function readRepairOf(reader: ByteReader, format: number): Omit<AddReplica, "kind"> {
  const place = { topic: reader.string(), segment: reader.u32(), node: reader.u32() };
  if (format < REPAIR_FORMAT) return { ...place, expectedChanges: null };
  const isNamed = reader.bool();
  const changes = reader.u32();
  return { ...place, expectedChanges: isNamed ? changes : null };
}

function readExpectedRun(reader: ByteReader): string | null {
  const isPlanned = reader.bool();
  const run = reader.string();
  return isPlanned ? run : null;
}

/** Fields of a node, also in snapshots and join requests. */
export function writeNode(writer: ByteWriter, node: NodeInfo): void {
  writer.u32(node.id).string(node.incarnation).string(node.raftHost).u32(node.raftPort);
  writer.string(node.clientHost).u32(node.clientPort).string(node.run);
}

/** The twin of {@link writeNode}. */
export function readNode(reader: ByteReader): NodeInfo {
  return {
    id: reader.u32(),
    incarnation: reader.string(),
    raftHost: reader.string(),
    raftPort: reader.u32(),
    clientHost: reader.string(),
    clientPort: reader.u32(),
    run: reader.string(),
  };
}

const DURABILITY_NODES = 0;
const DURABILITY_EACH = 1;
const DURABILITY_NONE = 2;
const DURABILITY_MS = 3;

/** A durability or none: one byte, and four with the milliseconds. */
export function writeDurability(writer: ByteWriter, durability: Durability | null): void {
  if (durability === null) writer.u8(DURABILITY_NODES).u32(0);
  else if (typeof durability === "object") writer.u8(DURABILITY_MS).u32(durability.ms);
  else writer.u8(durability === "each" ? DURABILITY_EACH : DURABILITY_NONE).u32(0);
}

/** The twin of {@link writeDurability}. */
export function readDurability(reader: ByteReader): Durability | null {
  const kind = reader.u8();
  const ms = reader.u32();
  switch (kind) {
    case DURABILITY_NODES:
      return null;
    case DURABILITY_EACH:
      return "each";
    case DURABILITY_NONE:
      return "none";
    case DURABILITY_MS:
      return { ms };
    default:
      throw new MalformedError(`durability of unknown kind ${kind}: upgrade this node`);
  }
}

/** Bytes, milliseconds, entries: 8 bytes each, 0 for `null`. */
export function writeRetention(writer: ByteWriter, { bytes, ms, entries }: Retention): void {
  for (const promise of [bytes, ms, entries]) writer.u64(promise ?? 0);
}

/** The twin of {@link writeRetention}. */
export function readRetention(reader: ByteReader): Retention {
  const [bytes, ms, entries] = [1, 2, 3].map(() => reader.u64() || null);
  return { bytes: bytes!, ms: ms!, entries: entries! };
}

/** A list of node ids. */
export function writeIds(writer: ByteWriter, ids: readonly number[]): void {
  writer.u32(ids.length);
  for (const id of ids) writer.u32(id);
}

/** The twin of {@link writeIds}. */
export function readIds(reader: ByteReader): number[] {
  return readList(reader, () => reader.u32());
}

/** A list of cursors. */
export function writeCursors(writer: ByteWriter, cursors: readonly Cursor[]): void {
  writer.u32(cursors.length);
  for (const cursor of cursors) writer.string(cursor.name).u64(cursor.offset);
}

/** The twin of {@link writeCursors}. */
export function readCursors(reader: ByteReader): Cursor[] {
  return readList(reader, () => ({ name: reader.string(), offset: reader.u64() }));
}

/** A length and that many items; the array grows as items are read, whatever the length claims. */
export function readList<T>(reader: ByteReader, item: () => T): T[] {
  const items: T[] = [];
  for (let left = reader.u32(); left > 0; left--) items.push(item());
  return items;
}
