/**
 * Reading a topic to its end.
 *
 * @module
 */

import { RawClient } from "./raw_client.ts";

/** Requests in flight while draining. */
const DRAIN_DEPTH = 64;
/** How long errors are answered with another attempt before the drain gives up. */
const ERRORS_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 100;

/**
 * Everything from the topic's shared cursor to its end, in order, asked of the nodes in turn. Errors are tried
 * again for a while: a node may still be finding its leader.
 */
export async function drainTopic(topic: string, ports: readonly number[]): Promise<string[]> {
  const clients = await Promise.all(ports.map((port) => RawClient.connect(port)));
  const read: string[] = [];
  let errorsSinceMs: number | null = null;
  try {
    for (let round = 0;; round++) {
      const client = clients[round % clients.length]!;
      for (let i = 0; i < DRAIN_DEPTH; i++) await client.send(`GET ${topic}`);
      let isEmpty = false;
      for (let i = 0; i < DRAIN_DEPTH; i++) {
        const answer = await client.receive();
        if (answer.startsWith("OK ")) read.push(answer.slice(3));
        else if (answer === "EMPTY") isEmpty = true;
        else if (answer.startsWith("ERR ")) {
          errorsSinceMs ??= Date.now();
          if (Date.now() - errorsSinceMs > ERRORS_TIMEOUT_MS) throw new Error(answer);
          await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
        } else throw new Error(`Not an answer to GET: ${answer}`);
      }
      if (isEmpty) return read;
    }
  } finally {
    for (const client of clients) client.close();
  }
}
