/**
 * Answers: written on the server's side, parsed on the client's (layout: wire.ts).
 *
 * @module
 */

import { FrameWriter } from "./frame_writer.ts";

const OK = new TextEncoder().encode("OK");
const OK_PREFIX = new TextEncoder().encode("OK ");
const EMPTY = new TextEncoder().encode("EMPTY");
const ERR_PREFIX = new TextEncoder().encode("ERR ");

/** The server's side: packs answers, in the order of their requests. */
export class ResponseWriter extends FrameWriter {
  /** `OK`: what `REGISTER` and `PUT` answer. */
  ok(): void {
    this.addFrame(OK);
  }
  /** `OK <payload>` with `source[start, end)`: what `GET` answers. */
  okPayload(source: Uint8Array, start = 0, end: number = source.length): void {
    this.addPrefixedFrame(OK_PREFIX, source, start, end);
  }
  /** `OK <text>`: what `APPEND` and `OFFSETS` answer. */
  okText(text: string): void {
    this.addTextFrame(`OK ${text}`);
  }
  /** `OK <first offset> <count> <packed entries>`: what `FETCH` answers. */
  okEntries(firstOffset: number, count: number, packed: Uint8Array): void {
    this.addPrefixedFrame(entriesPrefix(firstOffset, count), packed);
  }
  /** The same up to the packed entries, which follow when the caller sends them. */
  okEntriesHead(firstOffset: number, count: number, packedBytes: number): void {
    this.addFrameHead(entriesPrefix(firstOffset, count), packedBytes);
  }
  /** `EMPTY`: there is nothing for `GET` or `FETCH` to read now. */
  empty(): void {
    this.addFrame(EMPTY);
  }
  /** `ERR <message>`. */
  error(message: string): void {
    this.addTextFrame(`ERR ${message}`);
  }
  /** Bare JSON, as `STATE` and `METRICS` answer it; `text` is the JSON. */
  json(text: string): void {
    this.addTextFrame(text);
  }
}

function entriesPrefix(firstOffset: number, count: number): Uint8Array {
  return new TextEncoder().encode(`OK ${firstOffset} ${count} `);
}

/** A parsed answer. `payload` is a view into the buffer that was parsed. */
export type Response =
  | { readonly kind: "ok" }
  | { readonly kind: "payload"; readonly payload: Uint8Array }
  | { readonly kind: "empty" }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "json"; readonly text: string }
  /** Not an answer of this protocol; something else listens there. */
  | { readonly kind: "garbage" };

const OK_RESPONSE: Response = { kind: "ok" };
const EMPTY_RESPONSE: Response = { kind: "empty" };
const GARBAGE_RESPONSE: Response = { kind: "garbage" };
const OPENING_BRACE = 0x7b;

/** Parses the frame content `bytes[start, end)`. Any bytes may stand there. */
export function parseResponse(bytes: Uint8Array, start = 0, end: number = bytes.length): Response {
  if (startsWith(bytes, start, end, OK)) {
    if (end - start === OK.length) return OK_RESPONSE;
    if (!startsWith(bytes, start, end, OK_PREFIX)) return GARBAGE_RESPONSE;
    return { kind: "payload", payload: bytes.subarray(start + OK_PREFIX.length, end) };
  }
  if (end - start === EMPTY.length && startsWith(bytes, start, end, EMPTY)) return EMPTY_RESPONSE;
  if (startsWith(bytes, start, end, ERR_PREFIX)) {
    return { kind: "error", message: decode(bytes.subarray(start + ERR_PREFIX.length, end)) };
  }
  if (start < end && bytes[start] === OPENING_BRACE) {
    return { kind: "json", text: decode(bytes.subarray(start, end)) };
  }
  return GARBAGE_RESPONSE;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function startsWith(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start < word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (bytes[start + i] !== word[i]) return false;
  }
  return true;
}
