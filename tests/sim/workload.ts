/**
 * Producers and consumers of the simulated cluster, and what they were told.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { type Attempt, History, type Outcome } from "../cluster/history.ts";
import { recordOf } from "./chronicle.ts";
import { SimClient } from "./client.ts";
import { OffsetReader } from "./offset_reader.ts";
import type { Shape } from "./shape.ts";
import type { Seen, Sent, SimTake } from "./topic_history.ts";
import type { Horizon } from "./horizon.ts";
import type { Transcript } from "./transcript.ts";

/** Requests on one connection before the client takes another, at most. */
const REQUESTS_PER_CONNECTION_MAX = 60;
const RECONNECT_MS = 40;
/** Longest pause after an error, milliseconds. */
const ERROR_PAUSE_MS = 150;

/** What the load is made from. */
export interface WorkloadParts {
  clock: SimClock;
  network: SimNetwork;
  random: SeededRandom;
  shape: Shape;
  transcript: Transcript;
  hosts: readonly string[];
  /** What answers may not fall behind. */
  horizon: Horizon;
  /** The life of the topic that the node on that host knows, or one before it. */
  bornAt: (host: string, topic: string) => number;
  /** Told of answers that can't be right. */
  onFailure: (message: string) => void;
  /** Told of answers that say that a node could not do it, other than that it starts or stops. */
  onError: (message: string) => void;
}

/** All clients of one simulation. */
export class Workload {
  readonly history: History;
  readonly sent: Sent[] = [];
  readonly seen: Seen[] = [];
  readonly takes: SimTake[] = [];
  readonly #parts: WorkloadParts;
  #isProducing = true;
  #isConsuming = true;
  #running = 0;
  #numbers = 0;
  /** What stands for each value in the nodes' events: no two may share it. */
  readonly #records = new Set<number>();

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    this.history = new History(() => parts.clock.nowMs());
  }

  /** Clients that have not ended yet. */
  get running(): number {
    return this.#running;
  }

  start(): void {
    const { shape } = this.#parts;
    for (let i = 1; i <= shape.producers; i++) {
      this.#run(`p${i}`, (...args) => this.#produce(...args));
    }
    for (let i = 1; i <= shape.consumers; i++) {
      this.#run(`c${i}`, (...args) => this.#consume(...args));
    }
    for (let i = 1; i <= shape.readers; i++) {
      const reader = new OffsetReader({ ...this.#parts, isReading: () => this.#isConsuming }, this);
      this.#run(`r${i}`, (...args) => reader.read(...args));
    }
  }

  stopProducers(): void {
    this.#isProducing = false;
  }

  stopConsumers(): void {
    this.#isConsuming = false;
  }

  /** One value through one node. */
  async put(
    client: SimClient,
    request: { topic: string; writer: string; bytes: number },
  ): Promise<Outcome> {
    const { topic } = request;
    const sent = this.#begin(client, request, 1);
    const value = encode(sent.attempts[0]!.value);
    return await this.#settle(sent, "PUT", client.ask((out) => out.addPut(topic, value)));
  }

  /** So many values as one batch through one node. */
  async append(
    client: SimClient,
    request: { topic: string; writer: string; bytes: number; entries: number },
  ): Promise<Outcome> {
    const { topic } = request;
    const sent = this.#begin(client, request, request.entries);
    const values = sent.attempts.map(({ value }) => encode(value));
    return await this.#settle(sent, "APPEND", client.ask((out) => out.addAppend(topic, values)));
  }

  /** One `GET`. */
  async take(client: SimClient, request: { topic: string; reader: string }): Promise<SimTake> {
    const { clock, transcript } = this.#parts;
    const take: SimTake = {
      ...request,
      minBorn: this.#parts.bornAt(client.host, request.topic),
      startMs: clock.nowMs(),
      endMs: Infinity,
      outcome: "unknown",
      value: null,
    };
    this.takes.push(take);
    let answer: string;
    try {
      answer = await client.ask((out) => out.addTopicRequest("GET", request.topic));
    } catch {
      answer = "(closed)";
    }
    transcript.add(request.reader, `GET ${request.topic} → ${answer.slice(0, 80)}`);
    this.checkError(`GET ${request.topic}`, answer);
    if (answer.startsWith("OK ")) {
      take.outcome = "ok";
      take.value = answer.slice(3);
    } else if (answer === "EMPTY") take.outcome = "empty";
    else if (isCertainlyNotDone(answer)) take.outcome = "failed";
    if (take.outcome !== "unknown") take.endMs = clock.nowMs();
    return take;
  }

  /** Holds an answer to what clients may be told in this world. */
  checkError(request: string, answer: string): void {
    // A node that forwards a request to one that stops can't always tell what became of it.
    const isKnown = /this node is (starting|stopping)|^ERR outcome unknown: .*connection/.test(
      answer,
    );
    if (!answer.startsWith("ERR") || isKnown) return;
    this.#parts.onError(`${request.slice(0, 40)} → ${answer}`);
  }

  #begin(
    client: SimClient,
    { topic, writer, bytes }: { topic: string; writer: string; bytes: number },
    entries: number,
  ): Sent {
    const attempts = Array.from({ length: entries }, () => {
      const value = this.#newValue(writer, bytes);
      return this.history.begin({ topic, value, writer });
    });
    const sent = {
      topic,
      attempts,
      minBorn: this.#parts.bornAt(client.host, topic),
      offset: null,
    };
    this.sent.push(sent);
    return sent;
  }

  #newValue(writer: string, bytes: number): string {
    for (;;) {
      const value = `${writer}-${++this.#numbers}-`.padEnd(bytes, "x");
      const record = recordOf(value);
      if (this.#records.has(record)) continue;
      this.#records.add(record);
      return value;
    }
  }

  async #settle(sent: Sent, command: string, answering: Promise<string>): Promise<Outcome> {
    const [{ value, writer }] = sent.attempts as [Attempt];
    let answer: string;
    try {
      answer = await answering;
    } catch {
      answer = "(closed)";
    }
    const count = sent.attempts.length;
    const what = `${command} ${value.slice(0, 24)}${count > 1 ? ` and ${count - 1} more` : ""}`;
    this.#parts.transcript.add(writer, `${what} → ${answer}`);
    this.checkError(`${command} ${value}`, answer);
    const isDone = command === "PUT" ? answer === "OK" : /^OK \d+$/.test(answer);
    if (isDone && command === "APPEND") {
      sent.offset = Number(answer.slice(3));
      this.#parts.horizon.note(sent.topic, sent.offset + count);
    }
    const outcome = isDone ? "ok" : isCertainlyNotDone(answer) ? "failed" : "unknown";
    for (const attempt of sent.attempts) this.history.settle(attempt, outcome);
    return outcome;
  }

  async #run(
    name: string,
    client: (name: string, client: SimClient, random: SeededRandom) => Promise<void>,
  ): Promise<void> {
    const { clock, hosts, network, random } = this.#parts;
    const own = random.fork(name);
    const isProducer = name.startsWith("p");
    this.#running++;
    for (let n = 1; isProducer ? this.#isProducing : this.#isConsuming; n++) {
      try {
        const connection = await SimClient.connect({ clock, network }, name, own.pick(hosts));
        await client(`${name}.${n}`, connection, own);
        connection.close();
      } catch {
        await sleep(clock, RECONNECT_MS);
      }
    }
    this.#running--;
  }

  async #produce(name: string, client: SimClient, random: SeededRandom): Promise<void> {
    const { shape } = this.#parts;
    await this.#pipeline(client, random, () => this.#isProducing, async () => {
      const request = {
        topic: random.pick(shape.topics),
        writer: name,
        bytes: random.below(shape.valueBytesMax),
      };
      const isBatch = random.chance(shape.batchChance);
      const entries = isBatch ? 1 + random.below(shape.batchEntriesMax) : 0;
      const outcome = isBatch
        ? await this.append(client, { ...request, entries })
        : await this.put(client, request);
      return outcome === "ok";
    });
  }

  async #consume(name: string, client: SimClient, random: SeededRandom): Promise<void> {
    const { shape } = this.#parts;
    const topic = random.pick(shape.topics);
    await this.#pipeline(client, random, () => this.#isConsuming, async () => {
      const { outcome } = await this.take(client, { topic, reader: name });
      return outcome === "ok" || outcome === "empty";
    });
  }

  /** Bursts of requests with pauses between them, until the connection ends or had its share. */
  async #pipeline(
    client: SimClient,
    random: SeededRandom,
    goesOn: () => boolean,
    request: () => Promise<boolean>,
  ): Promise<void> {
    const { clock, shape } = this.#parts;
    let left = 1 + random.below(REQUESTS_PER_CONNECTION_MAX);
    while (left > 0 && goesOn() && !client.isClosed) {
      const burst = 1 + random.below(shape.depthMax);
      left -= burst;
      const done = await Promise.all(Array.from({ length: burst }, request));
      // Not a storm of errors while a node starts: they cost time and find nothing.
      await sleep(
        clock,
        random.between(0, done.every(Boolean) ? shape.thinkMsMax : ERROR_PAUSE_MS),
      );
    }
  }
}

/** Answers after which the request certainly had no effect. */
export function isCertainlyNotDone(answer: string): boolean {
  return /^ERR unknown topic|^ERR .*Nothing was done$/.test(answer);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
