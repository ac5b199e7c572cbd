/**
 * Producing a topic's messages and reading them back, with every message compared as it comes.
 *
 * @module
 */

import { WalrusClient } from "../../client/mod.ts";
import { FailureError } from "../exit.ts";
import type { DemoTopic } from "./plan.ts";

/** Messages of one producer under way. */
const PUTS_IN_FLIGHT = 256;
/** Messages that a consumer asks for at once. */
const GETS_IN_FLIGHT = 64;
/** Behind an `EMPTY`, before asking again. */
const EMPTY_PAUSE_MS = 5;
/** With nothing to read for so long, what is missing will not come. */
const EMPTY_TIMEOUT_MS = 20_000;
/** Bytes of a message that a complaint shows. */
const SHOWN_BYTES_MAX = 60;

/** Sends all messages of a topic in order through one node. @throws {ClientError} at the first that fails. */
export async function produce(
  topic: DemoTopic,
  options: { address: string; onAcknowledged: () => void },
): Promise<void> {
  const client = await WalrusClient.connect(options.address, {
    timeoutMs: EMPTY_TIMEOUT_MS,
    maxInFlight: PUTS_IN_FLIGHT,
  });
  const inFlight: Promise<void>[] = [];
  try {
    for (const message of topic.messages) {
      if (inFlight.length >= PUTS_IN_FLIGHT) await inFlight.shift();
      const put = client.put(topic.name, message).then(options.onAcknowledged);
      put.catch(() => {}); // it is awaited above or below; until then it is no surprise
      inFlight.push(put);
    }
    await Promise.all(inFlight);
  } finally {
    await client.close();
  }
}

/** A topic being read in order, by one consumer after the other, and compared with what was sent. */
export class Comparison {
  readonly topic: DemoTopic;
  /** Messages that came and were right. */
  checked = 0;

  constructor(topic: DemoTopic) {
    this.topic = topic;
  }

  get isComplete(): boolean {
    return this.checked === this.topic.messages.length;
  }

  /** @throws {FailureError} unless it is the next message, to the byte. */
  check(message: Uint8Array): void {
    const wished = this.topic.messages[this.checked];
    if (wished === undefined) {
      throw new FailureError(
        `${this.topic.name} gives more than the ${this.checked} messages that were sent: ${
          shown(message)
        }`,
      );
    }
    if (!isEqual(wished, message)) {
      throw new FailureError(
        `${this.topic.name}, message ${this.checked}: sent ${shown(wished)}, got ${shown(message)}`,
      );
    }
    this.checked++;
  }
}

/** Reads until `until` messages are checked. @throws {FailureError} when one is wrong or none comes. */
export async function consume(
  comparison: Comparison,
  options: { address: string; until: number; onChecked: () => void },
): Promise<void> {
  const name = comparison.topic.name;
  const client = await WalrusClient.connect(options.address, { timeoutMs: EMPTY_TIMEOUT_MS });
  let emptySinceMs: number | null = null;
  try {
    while (comparison.checked < options.until) {
      const asked = Math.min(GETS_IN_FLIGHT, options.until - comparison.checked);
      const messages = await Promise.all(Array.from({ length: asked }, () => client.get(name)));
      // Those in flight together are answered in order; one behind an EMPTY may have found a message.
      const found = messages.filter((message) => message !== null);
      for (const message of found) {
        comparison.check(message);
        options.onChecked();
      }
      if (found.length > 0) emptySinceMs = null;
      else {
        emptySinceMs ??= performance.now();
        if (performance.now() - emptySinceMs > EMPTY_TIMEOUT_MS) throw missing(comparison);
        await new Promise((resolve) => setTimeout(resolve, EMPTY_PAUSE_MS));
      }
    }
  } finally {
    await client.close();
  }
}

/** @throws {FailureError} when the topic still gives a message: something is there twice. */
export async function mustBeEmpty(comparison: Comparison, address: string): Promise<void> {
  const client = await WalrusClient.connect(address);
  try {
    const message = await client.get(comparison.topic.name);
    if (message !== null) comparison.check(message);
  } finally {
    await client.close();
  }
}

function missing(comparison: Comparison): FailureError {
  const { topic, checked } = comparison;
  return new FailureError(
    `${topic.name} gives no message for ${EMPTY_TIMEOUT_MS / 1000} s, ` +
      `but ${topic.messages.length - checked} of ${topic.messages.length} are missing.`,
  );
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

function shown(message: Uint8Array): string {
  const text = JSON.stringify(new TextDecoder().decode(message.subarray(0, SHOWN_BYTES_MAX)));
  return `${text} (${message.length} bytes)`;
}
