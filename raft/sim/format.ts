/**
 * Messages and entries as short lines, for transcripts.
 *
 * @module
 */

import { ByteReader } from "../../world/mod.ts";
import { formatConfiguration, readConfiguration } from "../membership.ts";
import type { Entry, Message } from "../messages.ts";

const decoder = new TextDecoder();

/** `3/2 "x"`: entry 3 of term 2. */
export function formatEntry(entry: Entry): string {
  const place = `${entry.index}/${entry.term}`;
  if (entry.kind === "noop") return `${place} noop`;
  if (entry.kind === "command") return `${place} "${decoder.decode(entry.data)}"`;
  return `${place} ${formatConfiguration(readConfiguration(new ByteReader(entry.data)))}`;
}

export function formatMessage(message: Message): string {
  return `${message.from}→${message.to} ${formatBody(message)} term ${message.term}`;
}

function formatBody(message: Message): string {
  switch (message.type) {
    case "VoteRequest":
      return `${
        message.preVote ? "PreVote" : "Vote"
      } last ${message.lastIndex}/${message.lastTerm}` +
        (message.transfer ? " transfer" : "");
    case "VoteReply":
      return `${message.preVote ? "PreVoteReply" : "VoteReply"} ${message.granted ? "yes" : "no"}`;
    case "AppendRequest": {
      const entries = message.entries.map(formatEntry).join(", ");
      return `Append after ${message.prevIndex}/${message.prevTerm} committed ${message.committed} [${entries}]`;
    }
    case "AppendReply":
      return message.rejected
        ? `AppendReply no ${message.index} hint ${message.hintIndex}/${message.hintTerm}`
        : `AppendReply ok ${message.index}`;
    case "Heartbeat":
      return `Heartbeat committed ${message.committed} round ${message.round}`;
    case "HeartbeatReply":
      return `HeartbeatReply round ${message.round}`;
    case "SnapshotChunk":
      return `Snapshot ${message.index}/${message.indexTerm} bytes ${message.offset}+${message.data.length} of ` +
        `${message.totalBytes} ${formatConfiguration(message.config)}`;
    case "SnapshotReply":
      return `SnapshotReply ${message.index} next ${message.nextOffset}`;
    case "TimeoutNow":
      return "TimeoutNow";
    case "ReadRequest":
      return `Read ${message.requestId}`;
    case "ReadReply":
      return `ReadReply ${message.requestId} index ${message.index}`;
  }
}
