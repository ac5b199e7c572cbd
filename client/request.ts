/**
 * Requests, parsed in place on the server's side (layout: wire.ts).
 *
 * @module
 */

import { digitsEnd } from "./decimal.ts";
import { parseAppendArguments, parseFetchArguments } from "./request_arguments.ts";
import { isTopicByte, TOPIC_NAME_BYTES_MAX, TOPIC_NAME_RULE } from "./topic_name.ts";

/** The commands of the protocol, as they are sent. */
export const COMMANDS = [
  "REGISTER",
  "PUT",
  "GET",
  "STATE",
  "METRICS",
  "APPEND",
  "FETCH",
  "OFFSETS",
  "TOPICS",
  "NODES",
  "REMOVE-NODE",
  "DELETE",
  "TRIM",
] as const;
/** One of {@link COMMANDS}. */
export type Command = typeof COMMANDS[number];
/** Those that speak of a topic. */
type TopicCommand = Exclude<Command, "METRICS" | "TOPICS" | "NODES" | "REMOVE-NODE">;
/** What a request turned out to be; `"error"` is answered with `ERR` and {@link Request.error}. */
export type RequestKind = Command | "error";

const SPACE = 0x20;
/** Digits of the largest offset. */
const OFFSET_DIGITS_MAX = 16;
/** Digits of the largest node id. */
const NODE_ID_DIGITS_MAX = 10;
/** Commands that take bytes as they are: white space behind the topic is not ignored. */
const BYTES_BEHIND_TOPIC: ReadonlySet<Command> = new Set(["PUT", "APPEND"]);
/** Of what the client sent, at most so many bytes are quoted in an error message. */
const QUOTED_BYTES_MAX = 40;

const COMMAND_BYTES: readonly { command: Command; bytes: Uint8Array }[] = COMMANDS.map((
  command,
) => ({
  command,
  bytes: new TextEncoder().encode(command),
}));

/**
 * One parsed request: byte ranges in the buffer that was parsed. A connection keeps one of these and
 * parses every request into it, so that nothing is allocated unless the request is wrong.
 */
export class Request {
  kind: RequestKind = "error";
  /** The topic's name is `bytes[topicStart, topicEnd)`; empty for `METRICS` and errors. */
  topicStart = 0;
  topicEnd = 0;
  /**
   * `bytes[payloadStart, payloadEnd)`: the payload of a `PUT`, the packed entries of an `APPEND`, the settings
   * of a `REGISTER`, the offset of a `TRIM`, the id of a `REMOVE-NODE`, with `accept-loss` or not; empty elsewhere.
   */
  payloadStart = 0;
  payloadEnd = 0;
  /** Entries: of an `APPEND` so many, of a `FETCH` at most so many. */
  count = 0;
  /** Of a `FETCH`: the first entry's. */
  offset = 0;
  /** Of a `FETCH`: packed bytes that its answer may have, unless one entry is longer. */
  maxBytes = 0;
  /** Of a `FETCH`: how long it may wait for the first entry, milliseconds. */
  waitMs = 0;
  /** What is wrong and what would be right, when `kind` is `"error"`. */
  error = "";
}

/**
 * Parses the frame content `bytes[start, end)` into `into`, and returns its kind. Any bytes may stand
 * there: what is no request becomes `"error"` with a message for the client.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { parseRequest, Request } from "./wire.ts";
 *
 * const bytes = new TextEncoder().encode("PUT logs hello world");
 * const request = new Request();
 * strictEqual(parseRequest(bytes, 0, bytes.length, request), "PUT");
 * const payload = bytes.subarray(request.payloadStart, request.payloadEnd);
 * strictEqual(new TextDecoder().decode(payload), "hello world");
 * ```
 */
export function parseRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Request,
): RequestKind {
  into.topicStart =
    into.topicEnd =
    into.payloadStart =
    into.payloadEnd =
      start;
  into.error = "";
  const command = commandAt(bytes, start, end);
  if (command === null) return fail(into, unknownCommandMessage(bytes, start, end));
  const behind = start + command.length;
  if (command === "METRICS" || command === "TOPICS" || command === "NODES") {
    if (skipWhiteSpace(bytes, behind, end) !== end) {
      return fail(into, `${command} takes no argument: send ${command} alone`);
    }
    return into.kind = command;
  }
  if (command === "REMOVE-NODE") return parseRemoveNode(bytes, behind, end, into);
  return parseTopic(bytes, behind, end, command, into);
}

function parseTopic(
  bytes: Uint8Array,
  behindCommand: number,
  end: number,
  command: TopicCommand,
  into: Request,
): RequestKind {
  const topicStart = behindCommand + 1;
  let topicEnd = topicStart;
  while (topicEnd < end && isTopicByte(bytes[topicEnd]!)) topicEnd++;
  const length = topicEnd - topicStart;
  if (length <= 0) {
    const rest = bytes.subarray(Math.min(topicStart, end), end);
    return fail(into, noTopicMessage(command, rest));
  }
  if (length > TOPIC_NAME_BYTES_MAX) {
    return fail(into, `topic name of ${length} bytes is too long: ${TOPIC_NAME_RULE}`);
  }
  into.topicStart = topicStart;
  into.topicEnd = topicEnd;
  into.payloadStart = into.payloadEnd = end;
  const hasMore = bytes[topicEnd] === SPACE && topicEnd < end;
  const isPayload = command === "PUT" || command === "APPEND";
  if (hasMore && isPayload) {
    into.payloadStart = topicEnd + 1;
    if (command === "PUT") return into.kind = command;
    return finish(into, command, parseAppendArguments(bytes, into.payloadStart, end, into));
  }
  const trimmedEnd = isPayload ? end : trimEnd(bytes, topicEnd, end);
  if (topicEnd === trimmedEnd) {
    if (isPayload || command === "FETCH" || command === "TRIM") {
      return fail(into, missingMessage(command));
    }
    return into.kind = command;
  }
  if (hasMore && command === "FETCH") {
    return finish(into, command, parseFetchArguments(bytes, topicEnd + 1, trimmedEnd, into));
  }
  if (hasMore && (command === "REGISTER" || command === "TRIM")) {
    into.payloadStart = topicEnd + 1;
    into.payloadEnd = trimmedEnd;
    if (command === "TRIM" && !isOffset(bytes, into.payloadStart, trimmedEnd)) {
      return fail(into, `TRIM takes an offset, a number: ${usageOf("TRIM")}`);
    }
    return into.kind = command;
  }
  return fail(into, behindTopicMessage(command, bytes.subarray(topicStart, end), length));
}

function finish(into: Request, command: Command, misfit: string | null): RequestKind {
  if (misfit === null) return into.kind = command;
  return fail(into, `${misfit}: ${usageOf(command)}`);
}

function missingMessage(command: TopicCommand): string {
  const usage = usageOf(command);
  if (command === "PUT") return `missing payload: ${usage} (an empty payload keeps its space)`;
  return `missing ${command === "APPEND" ? "entries" : "offset"}: ${usage}`;
}

function isOffset(bytes: Uint8Array, start: number, end: number): boolean {
  return end > start && end - start <= OFFSET_DIGITS_MAX && digitsEnd(bytes, start, end) === end;
}

function parseRemoveNode(
  bytes: Uint8Array,
  behindCommand: number,
  end: number,
  into: Request,
): RequestKind {
  const start = Math.min(end, behindCommand + 1);
  const argumentEnd = trimEnd(bytes, start, end);
  const idEnd = digitsEnd(bytes, start, argumentEnd);
  const isAlone = idEnd === argumentEnd || isAcceptLoss(bytes.subarray(idEnd, argumentEnd));
  if (idEnd === start || !isAlone || idEnd - start > NODE_ID_DIGITS_MAX) {
    return fail(into, `REMOVE-NODE takes the id of a node, a number: ${usageOf("REMOVE-NODE")}`);
  }
  into.payloadStart = start;
  into.payloadEnd = argumentEnd;
  return into.kind = "REMOVE-NODE";
}

/** What follows the id where the node will never come back. */
export const ACCEPT_LOSS = " accept-loss";

function isAcceptLoss(bytes: Uint8Array): boolean {
  return bytes.length === ACCEPT_LOSS.length &&
    bytes.every((byte, i) => byte === ACCEPT_LOSS.charCodeAt(i));
}

function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  while (end > start && isWhiteSpace(bytes[end - 1]!)) end--;
  return end;
}

/** The command that the content starts with, if a space, white space or nothing follows it. */
function commandAt(bytes: Uint8Array, start: number, end: number): Command | null {
  for (const { command, bytes: word } of COMMAND_BYTES) {
    if (startsWith(bytes, start, end, word)) {
      const behind = start + word.length;
      return behind === end || isWhiteSpace(bytes[behind]!) ? command : null;
    }
  }
  return null;
}

function startsWith(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start < word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (bytes[start + i] !== word[i]) return false;
  }
  return true;
}

function skipWhiteSpace(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && isWhiteSpace(bytes[start]!)) start++;
  return start;
}

function isWhiteSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function fail(into: Request, message: string): "error" {
  into.error = message;
  return into.kind = "error";
}

function usageOf(command: Command): string {
  switch (command) {
    case "METRICS":
    case "TOPICS":
    case "NODES":
      return command;
    case "REMOVE-NODE":
      return "REMOVE-NODE <id> [accept-loss]";
    case "PUT":
      return "PUT <topic> <payload>";
    case "APPEND":
      return "APPEND <topic> <count> <count times: 4 bytes length, little-endian, then the entry>";
    case "FETCH":
      return "FETCH <topic> <offset> [count=N] [bytes=N] [wait=MS]";
    case "REGISTER":
      return "REGISTER <topic> [rf=N] [fsync=each|none|Nms] [retention_bytes=N] [retention_ms=N] " +
        "[retention_entries=N]";
    case "TRIM":
      return "TRIM <topic> <offset>";
    default:
      return `${command} <topic>`;
  }
}

function unknownCommandMessage(bytes: Uint8Array, start: number, end: number): string {
  if (start === end) return `empty request: send one of ${COMMANDS.join(", ")}`;
  let wordEnd = start;
  while (wordEnd < end && !isWhiteSpace(bytes[wordEnd]!)) wordEnd++;
  const word = bytes.subarray(start, wordEnd);
  const upper = COMMANDS.find((command) => command === decodeStart(word).toUpperCase());
  if (upper !== undefined) {
    return `unknown command ${quote(word)}: commands are upper-case, send ${usageOf(upper)}`;
  }
  return `unknown command ${quote(word)}: send one of ${COMMANDS.join(", ")}`;
}

function noTopicMessage(command: Command, rest: Uint8Array): string {
  if (skipWhiteSpace(rest, 0, rest.length) === rest.length) {
    return `missing topic: ${usageOf(command)}`;
  }
  return `bad topic name ${quote(rest)}: ${TOPIC_NAME_RULE}, one space before it`;
}

function behindTopicMessage(command: Command, rest: Uint8Array, topicLength: number): string {
  if (isWhiteSpace(rest[topicLength]!) && !BYTES_BEHIND_TOPIC.has(command)) {
    return `${command} takes a topic and nothing more: ${usageOf(command)}`;
  }
  const spaceAt = rest.indexOf(SPACE);
  const name = spaceAt < 0 ? rest : rest.subarray(0, spaceAt);
  return `bad topic name ${quote(name)}: ${TOPIC_NAME_RULE}`;
}

function decodeStart(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, QUOTED_BYTES_MAX));
}

/** In quotes, cut, and with everything escaped that could disturb a terminal or a log line. */
function quote(bytes: Uint8Array): string {
  const quoted = JSON.stringify(decodeStart(bytes)).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return bytes.length > QUOTED_BYTES_MAX ? `${quoted}…` : quoted;
}
