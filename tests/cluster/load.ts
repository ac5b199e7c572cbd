/**
 * A load that outlives its connections, as producers do, and the checks at its end.
 *
 * @module
 */

import assert from "node:assert/strict";
import { checkTopic, describeProblems } from "./checkers.ts";
import { drainTopic } from "./drain.ts";
import type { History } from "./history.ts";
import { askOnce } from "./raw_client.ts";
import { startWriter, type Writer } from "./writers.ts";

/** How long a cluster may stand still, or take for what is waited for, before the test fails. */
export const PATIENCE_MS = 60_000;
const RECONNECT_PAUSE_MS = 50;
const POLL_MS = 20;

/** Writers on all nodes. */
export interface LoadOptions {
  history: History;
  /** Where writers connect, in turn: each begins at another one, and takes the next when it is thrown out. */
  ports: readonly number[];
  topics: readonly string[];
  writersPerTopic: number;
  /** Requests in flight on each connection. */
  depth: number;
  valueBytes: number;
  /** What writers' names begin with, where one history has several loads. */
  prefix?: string;
}

/** Writers at work. */
export interface Load {
  /** Every `ERR` so far. */
  readonly errors: readonly string[];
  /** Connections that ended under their writers. */
  readonly reconnects: number;
  /** Resolves when everything that was sent is answered, or its connection is gone. */
  stop(): Promise<void>;
}

/** Starts to write; a writer whose connection ends goes on at the next port, under a new name. */
export function startLoad(options: LoadOptions): Load {
  const { history, ports, topics, writersPerTopic, depth, valueBytes, prefix = "" } = options;
  const errors: string[] = [];
  const writers: Set<Writer> = new Set();
  let isStopping = false;
  let reconnects = 0;

  const live = async (topic: string, index: number) => {
    for (let life = 0; !isStopping; life++) {
      const port = ports[(index + life) % ports.length]!;
      const name = `${prefix}${topic}-w${index}-c${life}`;
      const onError = (answer: string) => errors.push(answer);
      let writer: Writer;
      try {
        writer = await startWriter({ history, port, topic, name, depth, valueBytes, onError });
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
        await pause(RECONNECT_PAUSE_MS);
        continue;
      }
      writers.add(writer);
      if (isStopping) await writer.stop();
      await writer.ended;
      writers.delete(writer);
      if (!isStopping) reconnects++;
    }
  };
  const lives = Promise.all(
    topics.flatMap((topic, t) =>
      Array.from({ length: writersPerTopic }, (_, w) => live(topic, t + w))
    ),
  );
  // Whoever stops the load hears of it; until then it must not end the process.
  lives.catch(() => {});
  return {
    errors,
    get reconnects() {
      return reconnects;
    },
    stop: async () => {
      isStopping = true;
      await Promise.all([...writers].map((writer) => writer.stop()));
      await lives;
    },
  };
}

/** Makes topics. */
export async function registerTopics(port: number, topics: readonly string[]): Promise<void> {
  for (const topic of topics) assert.equal(await askOnce(port, `REGISTER ${topic}`), "OK");
}

/** Waits so long. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until it is so; the test fails when that never comes. Whatever `condition` throws counts as no. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = Date.now() + PATIENCE_MS;
  for (let last: unknown;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    assert.ok(Date.now() < endMs, `waited in vain: ${what}${last ? ` (${last})` : ""}`);
    await pause(POLL_MS);
  }
}

/** Waits until so many more are acknowledged. */
export async function untilAcknowledged(history: History, more: number): Promise<void> {
  const goal = history.count("ok") + more;
  await until(`${more} more acknowledgements`, () => history.count("ok") >= goal);
}

/** Drains the topics and has the checkers look at what they hold. */
export async function assertAllThere(
  ports: readonly number[],
  history: History,
  topics: readonly string[],
): Promise<void> {
  for (const topic of topics) {
    const read = await drainTopic(topic, ports);
    assert.equal(describeProblems(checkTopic(history.ofTopic(topic), read)), "", topic);
  }
}
