/**
 * Closed-loop load in any dialect: each connection keeps `depth` requests in flight, and sends as many
 * as one read has answered in one write. Runs as a process of its own, so that one server's load doesn't
 * inherit another one's heap:
 *
 *     deno run -A load.ts '{"dialect":"redis","port":6379,"connections":256,"depth":16,…}'
 *
 * prints one line of JSON, a {@link LoadResult}.
 *
 * @module
 */

import * as hdr from "hdr-histogram-js";
import { type Clock, type Connection, sleep } from "../../../world/mod.ts";
import { RealClock, RealNetwork } from "../../../world/real/mod.ts";
import type { Dialect } from "./dialect.ts";
import { NatsDialect } from "./nats_dialect.ts";
import { RedisDialect } from "./redis_dialect.ts";
import { WalrusBatchDialect, WalrusDialect } from "./walrus_dialect.ts";

/** The load. */
export interface LoadPlan {
  dialect: keyof typeof DIALECTS;
  /** On the loopback; connections are spread over them in turn. */
  ports: number[];
  connections: number;
  /** Requests in flight on each. */
  depth: number;
  sizeBytes: number;
  seconds: number;
  warmUpSeconds: number;
  /** An echo server needs no topic. */
  skipPrepare?: boolean;
}

/** What came out. */
export interface LoadResult {
  messages: number;
  seconds: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

const DIALECTS = {
  walrus: () => new WalrusDialect("bench"),
  "walrus-batch": () => new WalrusBatchDialect("bench"),
  redis: () => new RedisDialect(),
  nats: () => new NatsDialect(),
};
const CONNECT_TIMEOUT_MS = 10_000;
const US_PER_MS = 1000;
const LATENCY_US_MAX = 60_000_000;
const LETTER = 0x61;
const LETTERS = 26;

/** Counts what is answered while it is on. */
class Tally {
  isOn = false;
  messages = 0;
  readonly histogram = hdr.build({
    bitBucketSize: 32,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 3,
  });

  add(latencyMs: number, count: number): void {
    if (!this.isOn) return;
    this.messages += count;
    const us = Math.min(Math.max(1, Math.round(latencyMs * US_PER_MS)), LATENCY_US_MAX);
    this.histogram.recordValueWithCount(us, count);
  }
}

/** One connection's loop. */
class Lane {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #dialect: Dialect;
  readonly #depth: number;
  /** `depth` requests, one behind the other. */
  readonly #requests: Uint8Array;
  /** When the requests were sent that lack an answer: a ring of `depth`. */
  readonly #sentAtMs: Float64Array;
  #sent = 0;
  #answered = 0;
  #isStopped = false;

  constructor(
    connection: Connection,
    options: { dialect: Dialect; request: Uint8Array; depth: number; clock: Clock; tally: Tally },
  ) {
    this.#connection = connection;
    this.#clock = options.clock;
    this.#tally = options.tally;
    this.#dialect = options.dialect;
    this.#depth = options.depth;
    const { length } = options.request;
    this.#requests = new Uint8Array(length * options.depth);
    for (let i = 0; i < options.depth; i++) this.#requests.set(options.request, i * length);
    this.#sentAtMs = new Float64Array(options.depth);
  }

  async run(): Promise<void> {
    const scanner = this.#dialect.scanner();
    await this.#send(this.#depth);
    while (this.#answered < this.#sent) {
      const count = await this.#connection.read(scanner.space());
      if (count === null) throw new Error("The server hung up.");
      const answers = scanner.filled(count);
      if (answers === 0) continue;
      this.#settle(answers);
      if (!this.#isStopped) await this.#send(answers);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  #send(count: number): Promise<void> {
    const nowMs = this.#clock.nowMs();
    for (let i = 0; i < count; i++) this.#sentAtMs[this.#sent++ % this.#depth] = nowMs;
    const length = this.#requests.length / this.#depth;
    return this.#connection.write(this.#requests.subarray(0, count * length));
  }

  /** Those that were sent together are counted together. */
  #settle(answers: number): void {
    const nowMs = this.#clock.nowMs();
    const end = this.#answered + answers;
    while (this.#answered < end) {
      const sentAtMs = this.#sentAtMs[this.#answered % this.#depth]!;
      let count = 0;
      while (this.#answered < end && this.#sentAtMs[this.#answered % this.#depth] === sentAtMs) {
        this.#answered++;
        count++;
      }
      this.#tally.add(nowMs - sentAtMs, count * this.#dialect.messagesPerRequest);
    }
  }
}

/** Runs it in this process. @throws {Error} at the first refusal. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const clock = new RealClock();
  const dialect = DIALECTS[plan.dialect]();
  const payload = Uint8Array.from({ length: plan.sizeBytes }, (_, i) => LETTER + i % LETTERS);
  const connections: Connection[] = [];
  const connect = async (index: number) => {
    const address = { host: "127.0.0.1", port: plan.ports[index % plan.ports.length]! };
    const connection = await new RealNetwork().connect(address, { timeoutMs: CONNECT_TIMEOUT_MS });
    connections.push(connection);
    return connection;
  };
  try {
    if (!plan.skipPrepare) await dialect.prepare(await connect(0));
    const tally = new Tally();
    const lanes: Lane[] = [];
    for (let i = 0; i < plan.connections; i++) {
      const connection = await connect(i);
      await dialect.greet(connection);
      const request = dialect.request(payload);
      lanes.push(new Lane(connection, { dialect, request, depth: plan.depth, clock, tally }));
    }
    const running = Promise.all(lanes.map((lane) => lane.run()));
    await Promise.race([running, sleep(clock, plan.warmUpSeconds * 1000)]);
    tally.isOn = true;
    const fromMs = clock.nowMs();
    await Promise.race([running, sleep(clock, plan.seconds * 1000)]);
    tally.isOn = false;
    const seconds = (clock.nowMs() - fromMs) / 1000;
    for (const lane of lanes) lane.stop();
    await running;
    const percentileMs = (percent: number) =>
      tally.histogram.getValueAtPercentile(percent) / US_PER_MS;
    return {
      messages: tally.messages,
      seconds,
      perSecond: tally.messages / seconds,
      p50Ms: percentileMs(50),
      p99Ms: percentileMs(99),
      maxMs: tally.histogram.maxValue / US_PER_MS,
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

if (import.meta.main) {
  const result = await runLoad(JSON.parse(Deno.args[0]!) as LoadPlan);
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
}
