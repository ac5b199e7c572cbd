/**
 * Messages between Raft nodes as bytes. All numbers are little-endian; u64 fields hold at most 2^53 − 1.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 | format, 1 |
 * | 1 | type, the row below |
 * | 4 | from |
 * | 4 | to |
 * | 8 | term |
 *
 * | type | message | body |
 * | ---- | ------- | ---- |
 * | 1 | VoteRequest | 1 flags (1 pre-vote, 2 transfer), 8 lastIndex, 8 lastTerm |
 * | 2 | VoteReply | 1 flags (1 pre-vote, 4 granted) |
 * | 3 | AppendRequest | 8 prevIndex, 8 prevTerm, 8 committed, 4 count, then entries |
 * | 4 | AppendReply | 1 flags (8 rejected), 8 index, 8 hintIndex, 8 hintTerm |
 * | 5 | Heartbeat | 8 committed, 8 round |
 * | 6 | HeartbeatReply | 8 round |
 * | 7 | SnapshotChunk | 8 index, 8 indexTerm, 8 totalBytes, 8 offset, configuration (membership.ts), 4 length, data |
 * | 8 | SnapshotReply | 8 index, 8 nextOffset |
 * | 9 | TimeoutNow | |
 * | 10 | ReadRequest | 8 requestId |
 * | 11 | ReadReply | 8 requestId, 8 index |
 *
 * An entry: 1 kind (0 command, 1 noop, 2 config), 8 term, 4 length, data. Its index is prevIndex + 1 and on.
 *
 * @module
 */

import { ByteReader, ByteWriter, MalformedError, unreachable } from "../world/mod.ts";
import { MAX_COMMAND_BYTES, MAX_MESSAGE_BYTES, MAX_SNAPSHOT_BYTES, MAX_TERM } from "./limits.ts";
import { readConfiguration, writeConfiguration } from "./membership.ts";
import type { Entry, EntryKind, Message } from "./messages.ts";

const FORMAT = 1;
const FLAG_PRE_VOTE = 1;
const FLAG_TRANSFER = 2;
const FLAG_GRANTED = 4;
const FLAG_REJECTED = 8;

const TYPES = {
  VoteRequest: 1,
  VoteReply: 2,
  AppendRequest: 3,
  AppendReply: 4,
  Heartbeat: 5,
  HeartbeatReply: 6,
  SnapshotChunk: 7,
  SnapshotReply: 8,
  TimeoutNow: 9,
  ReadRequest: 10,
  ReadReply: 11,
} as const satisfies Record<Message["type"], number>;

/** The number that stands for a kind on the wire and on disk is its place here. */
export const ENTRY_KINDS: readonly EntryKind[] = ["command", "noop", "config"];

/** The message in bytes of its own. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new ByteWriter(64 + payloadBytes(message));
  writer.u8(FORMAT).u8(TYPES[message.type]);
  writer.u32(message.from).u32(message.to).u64(message.term);
  return writeBody(writer, message).view;
}

/**
 * The message; it keeps nothing of `bytes`.
 *
 * @throws {MalformedError} for anything that `encodeMessage` would not have made.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new MalformedError(
      `message of ${bytes.length} bytes, at most ${MAX_MESSAGE_BYTES} may come`,
    );
  }
  const hasData = bytes[1] === TYPES.AppendRequest || bytes[1] === TYPES.SnapshotChunk;
  // One copy for all entries: the network may use its buffer again, and one for each costs ten times more.
  const reader = new ByteReader(hasData ? bytes.slice() : bytes);
  const format = reader.u8();
  if (format !== FORMAT) throw new MalformedError(`message format ${format}, ${FORMAT} is known`);
  const type = reader.u8();
  const envelope = { from: reader.u32(), to: reader.u32(), term: reader.u64() };
  if (envelope.term > MAX_TERM) throw new MalformedError(`term ${envelope.term}`);
  if (envelope.from === 0 || envelope.to === 0) throw new MalformedError("node id 0");
  const message = readBody(reader, type, envelope);
  reader.end();
  return message;
}

function payloadBytes(message: Message): number {
  if (message.type === "SnapshotChunk") return message.data.length + 64;
  if (message.type !== "AppendRequest") return 0;
  let sum = 0;
  for (const entry of message.entries) sum += entry.data.length + 13;
  return sum;
}

function writeBody(writer: ByteWriter, message: Message): ByteWriter {
  switch (message.type) {
    case "VoteRequest":
      writer.u8((message.preVote ? FLAG_PRE_VOTE : 0) | (message.transfer ? FLAG_TRANSFER : 0));
      return writer.u64(message.lastIndex).u64(message.lastTerm);
    case "VoteReply":
      return writer.u8(
        (message.preVote ? FLAG_PRE_VOTE : 0) | (message.granted ? FLAG_GRANTED : 0),
      );
    case "AppendRequest":
      writer.u64(message.prevIndex).u64(message.prevTerm).u64(message.committed);
      writer.u32(message.entries.length);
      for (const entry of message.entries) {
        writer.u8(ENTRY_KINDS.indexOf(entry.kind)).u64(entry.term).bytes(entry.data);
      }
      return writer;
    case "AppendReply":
      writer.u8(message.rejected ? FLAG_REJECTED : 0);
      return writer.u64(message.index).u64(message.hintIndex).u64(message.hintTerm);
    case "Heartbeat":
      return writer.u64(message.committed).u64(message.round);
    case "HeartbeatReply":
      return writer.u64(message.round);
    case "SnapshotChunk":
      writer.u64(message.index).u64(message.indexTerm);
      writer.u64(message.totalBytes).u64(message.offset);
      writeConfiguration(writer, message.config);
      return writer.bytes(message.data);
    case "SnapshotReply":
      return writer.u64(message.index).u64(message.nextOffset);
    case "TimeoutNow":
      return writer;
    case "ReadRequest":
      return writer.u64(message.requestId);
    case "ReadReply":
      return writer.u64(message.requestId).u64(message.index);
    default:
      return unreachable(message);
  }
}

function readBody(
  reader: ByteReader,
  type: number,
  envelope: { from: number; to: number; term: number },
): Message {
  switch (type) {
    case TYPES.VoteRequest: {
      const flags = readFlags(reader, FLAG_PRE_VOTE | FLAG_TRANSFER);
      return {
        type: "VoteRequest",
        ...envelope,
        preVote: (flags & FLAG_PRE_VOTE) !== 0,
        transfer: (flags & FLAG_TRANSFER) !== 0,
        lastIndex: reader.u64(),
        lastTerm: reader.u64(),
      };
    }
    case TYPES.VoteReply: {
      const flags = readFlags(reader, FLAG_PRE_VOTE | FLAG_GRANTED);
      return {
        type: "VoteReply",
        ...envelope,
        preVote: (flags & FLAG_PRE_VOTE) !== 0,
        granted: (flags & FLAG_GRANTED) !== 0,
      };
    }
    case TYPES.AppendRequest: {
      const prevIndex = reader.u64();
      const prevTerm = reader.u64();
      const committed = reader.u64();
      const entries = readEntries(reader, { prevIndex, prevTerm, term: envelope.term });
      return { type: "AppendRequest", ...envelope, prevIndex, prevTerm, committed, entries };
    }
    case TYPES.AppendReply: {
      const rejected = readFlags(reader, FLAG_REJECTED) !== 0;
      return {
        type: "AppendReply",
        ...envelope,
        rejected,
        index: reader.u64(),
        hintIndex: reader.u64(),
        hintTerm: reader.u64(),
      };
    }
    case TYPES.Heartbeat:
      return { type: "Heartbeat", ...envelope, committed: reader.u64(), round: reader.u64() };
    case TYPES.HeartbeatReply:
      return { type: "HeartbeatReply", ...envelope, round: reader.u64() };
    case TYPES.SnapshotChunk: {
      const index = reader.u64();
      const indexTerm = reader.u64();
      const totalBytes = reader.u64();
      const offset = reader.u64();
      const config = readConfiguration(reader);
      const data = reader.bytes();
      if (totalBytes > MAX_SNAPSHOT_BYTES || offset + data.length > totalBytes) {
        throw new MalformedError(`snapshot piece at ${offset} of ${totalBytes} bytes`);
      }
      if (index === 0 || indexTerm === 0 || indexTerm > envelope.term) {
        throw new MalformedError(`snapshot at index ${index} of term ${indexTerm}`);
      }
      return {
        type: "SnapshotChunk",
        ...envelope,
        index,
        indexTerm,
        config,
        totalBytes,
        offset,
        data,
      };
    }
    case TYPES.SnapshotReply:
      return { type: "SnapshotReply", ...envelope, index: reader.u64(), nextOffset: reader.u64() };
    case TYPES.TimeoutNow:
      return { type: "TimeoutNow", ...envelope };
    case TYPES.ReadRequest:
      return { type: "ReadRequest", ...envelope, requestId: reader.u64() };
    case TYPES.ReadReply:
      return { type: "ReadReply", ...envelope, requestId: reader.u64(), index: reader.u64() };
    default:
      throw new MalformedError(`message type ${type} is not known`);
  }
}

function readFlags(reader: ByteReader, allowed: number): number {
  const flags = reader.u8();
  if ((flags & ~allowed) !== 0) throw new MalformedError(`flags ${flags}`);
  return flags;
}

/** Terms in a log never go down (thesis §3.5), and none is above its leader's. */
function readEntries(
  reader: ByteReader,
  place: { prevIndex: number; prevTerm: number; term: number },
): Entry[] {
  const count = reader.u32();
  const entries: Entry[] = [];
  let term = place.prevTerm;
  for (let i = 0; i < count; i++) {
    const kind = ENTRY_KINDS[reader.u8()];
    if (kind === undefined) throw new MalformedError("entry of an unknown kind");
    const entryTerm = reader.u64();
    if (entryTerm < term || entryTerm > place.term) {
      throw new MalformedError(`entry of term ${entryTerm} behind one of term ${term}`);
    }
    term = entryTerm;
    const length = reader.u32();
    if (length > MAX_COMMAND_BYTES) throw new MalformedError(`entry of ${length} bytes`);
    const data = reader.raw(length);
    if (kind === "config") checkConfiguration(data);
    entries.push({ index: place.prevIndex + 1 + i, term, kind, data });
  }
  return entries;
}

/** Later code may then decode it without fear. */
function checkConfiguration(data: Uint8Array): void {
  const reader = new ByteReader(data);
  const config = readConfiguration(reader);
  reader.end();
  if (config.voters.length === 0) throw new MalformedError("configuration without voters");
}
