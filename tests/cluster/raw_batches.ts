/**
 * `APPEND` and `FETCH` from the protocol's text alone (spec/PROTOCOL.md), as in `raw_client.ts`.
 *
 * @module
 */

import { RawClient } from "./raw_client.ts";

const LENGTH_BYTES = 4;

/** The content of an `APPEND` frame. */
export function appendRequest(
  topic: string,
  entries: readonly (string | Uint8Array)[],
): Uint8Array {
  const parts: Uint8Array[] = [encode(`APPEND ${topic} ${entries.length} `)];
  for (const entry of entries) {
    const bytes = typeof entry === "string" ? encode(entry) : entry;
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, bytes.length, true);
    parts.push(length, bytes);
  }
  const request = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    request.set(part, at);
    at += part.length;
  }
  return request;
}

/** What a `FETCH` was answered. */
export interface RawFetched {
  firstOffset: number;
  entries: Uint8Array[];
}

/** The answer's parts; throws for `EMPTY`, `ERR` and everything else. */
export function parseFetched(answer: Uint8Array): RawFetched {
  // Offsets and counts are short: a few bytes of the front are enough for the words.
  const head = /^OK (\d+) (\d+) /.exec(new TextDecoder("latin1").decode(answer.subarray(0, 64)));
  if (head === null) throw new Error(`Not a FETCH answer: ${decode(answer.subarray(0, 200))}`);
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const entries: Uint8Array[] = [];
  let at = head[0].length;
  while (entries.length < Number(head[2])) {
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at, true);
    if (at > answer.length) throw new Error("An entry ends behind its answer.");
    entries.push(answer.subarray(start, at));
  }
  if (at !== answer.length) throw new Error(`${answer.length - at} bytes behind the last entry`);
  return { firstOffset: Number(head[1]), entries };
}

/** Everything of a topic from its first entry on, as one node gives it. */
export async function fetchTopic(topic: string, port: number, limits = ""): Promise<string[]> {
  const client = await RawClient.connect(port);
  const read: string[] = [];
  try {
    for (;;) {
      await client.send(`FETCH ${topic} ${read.length} ${limits}`);
      const answer = await client.receiveBytes();
      if (answer === null) throw new Error("The connection ended.");
      if (decode(answer.subarray(0, 5)) === "EMPTY") return read;
      const { firstOffset, entries } = parseFetched(answer);
      if (firstOffset !== read.length) throw new Error(`${firstOffset}, not ${read.length}`);
      for (const entry of entries) read.push(decode(entry));
    }
  } finally {
    client.close();
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
