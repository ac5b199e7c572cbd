/**
 * `walrus bench`: how many messages a node acknowledges, and how fast.
 *
 * @module
 */

import * as hdr from "hdr-histogram-js";
import { type NodeMetrics, WalrusClient } from "../../client/mod.ts";
import { type Address, type Clock, type Connection, type Network, sleep } from "../../world/mod.ts";
import { FetchLoad } from "./fetch_load.ts";
import {
  ConnectionLoad,
  type LatencySink,
  type LoadKind,
  type LoadOptions,
  requestsOf,
} from "./load.ts";
import { OpenLoad } from "./open_load.ts";
import { Pacer } from "./pacer.ts";

/** What is measured. */
export interface BenchPlan {
  /** Append messages, or take what is there until it is all read or the time is up. */
  kind: LoadKind;
  /** Connections are spread over them in turn. */
  addresses: Address[];
  connections: number;
  /** Requests in flight on each connection; a fetch is always alone. */
  depth: number;
  /** Messages of one request, appended or fetched; `null`: one, or as many as a fetch brings. */
  batch: number | null;
  sizeBytes: number;
  seconds: number;
  /** Before the measurement starts. */
  warmUpSeconds: number;
  /** Connections are spread over so many topics. */
  topics: number;
  topicPrefix: string;
  /** Requests that are due each second, over all connections, whatever the answers do; `null`: a closed loop. */
  ratePerSecond: number | null;
  /** Beside the load, one more connection for each topic reads what is appended, as it comes. */
  withTails: boolean;
  /** Told of each second that went by. */
  onProgress?: (progress: BenchProgress) => void;
}

/** One second of a run. */
export interface BenchProgress {
  /** Since the measurement began; negative while it warms up. */
  seconds: number;
  messagesPerSecond: number;
  /** Of that second. */
  p99Ms: number;
}

/** What came out; durations in milliseconds, sizes in bytes. Printed as JSON with `--json`. */
export interface BenchResult {
  kind: LoadKind;
  connections: number;
  depth: number;
  /** Messages of one request; `null` where a fetch brings as many as the node gives. */
  batch: number | null;
  /** What was due; `null` in a closed loop. */
  rate_per_second: number | null;
  size_bytes: number;
  topics: number;
  seconds: number;
  messages: number;
  messages_per_second: number;
  megabytes_per_second: number;
  /** What the tails read; `null` without them. */
  tailed_per_second: number | null;
  latency_ms: Record<"min" | "p50" | "p90" | "p99" | "p99_9" | "max" | "mean", number>;
  nodes: number;
  durability: string;
  backend: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const TAIL_WAIT_MS = 500;
const MICROSECONDS_PER_MS = 1000;
const LATENCY_US_MAX = 600_000_000;
const SIGNIFICANT_DIGITS = 3;
/** Payloads are letters that differ in each message's place, so that nothing on the way can cheat. */
const FIRST_LETTER = 0x61;
const LETTERS = 26;

/** Counts latencies, once they are to be measured. */
class LatencyTally {
  isMeasuring = false;
  readonly whole = makeHistogram();
  readonly #second = makeHistogram();

  record(latencyMs: number, count: number): void {
    const us = Math.min(Math.max(1, Math.round(latencyMs * MICROSECONDS_PER_MS)), LATENCY_US_MAX);
    this.#second.recordValueWithCount(us, count);
    if (this.isMeasuring) this.whole.recordValueWithCount(us, count);
  }

  /** The last second's, which are forgotten then. */
  takeP99Ms(): number {
    const p99Ms = this.#second.getValueAtPercentile(99) / MICROSECONDS_PER_MS;
    this.#second.reset();
    return p99Ms;
  }
}

function makeHistogram(): hdr.Histogram {
  return hdr.build({
    bitBucketSize: 32,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
  });
}

/** Of tails: they wait most of the time. */
const NO_SINK: LatencySink = { record: () => {} };

/** One connection's load, of either kind of loop. */
type Load = Pick<ConnectionLoad, "answered" | "run" | "stop">;

/** Runs the load. @throws {FailureError | ClientError | NetworkError} at the first request that fails. */
export async function runBench(
  plan: BenchPlan,
  world: { clock: Clock; network: Network },
): Promise<BenchResult> {
  const { clock } = world;
  const metrics = await prepareTopics(plan);
  const tally = new LatencyTally();
  const connections = await connectAll(plan.connections, plan, world.network);
  const tails = await connectAll(plan.withTails ? plan.topics : 0, plan, world.network);
  const readers = await fetchLoads(plan, {
    connections: tails,
    clock,
    sink: NO_SINK,
    isTail: true,
  });
  const { loads, run } = plan.kind === "fetch"
    ? await startFetches(plan, { connections, clock, tally })
    : startLoads(plan, { connections, clock, tally });
  try {
    const running = Promise.all([run(), ...readers.map((reader) => reader.run())]);
    const tailed = () => readers.reduce((sum, reader) => sum + reader.answered, 0);
    const perAnswer = plan.kind === "put" ? plan.batch ?? 1 : 1;
    const answered = () => perAnswer * loads.reduce((sum, load) => sum + load.answered, 0);
    const watch = { running, clock, tally, answered, plan };
    await watchFor(plan.warmUpSeconds, { ...watch, fromSeconds: -plan.warmUpSeconds });
    tally.isMeasuring = true;
    const before = { answered: answered(), tailed: tailed(), atMs: clock.nowMs() };
    await watchFor(plan.seconds, { ...watch, fromSeconds: 0 });
    tally.isMeasuring = false;
    const after = { answered: answered(), tailed: tailed(), atMs: clock.nowMs() };
    for (const load of [...loads, ...readers]) load.stop();
    await running;
    return resultOf(plan, {
      messages: after.answered - before.answered,
      tailed: after.tailed - before.tailed,
      seconds: (after.atMs - before.atMs) / 1000,
      histogram: tally.whole,
      metrics,
    });
  } finally {
    for (const connection of [...connections, ...tails]) connection.close();
  }
}

/** Lets the load run for so long, or until it is done, and tells of each second. */
async function watchFor(
  seconds: number,
  options: {
    running: Promise<unknown>;
    clock: Clock;
    tally: LatencyTally;
    answered: () => number;
    plan: BenchPlan;
    fromSeconds: number;
  },
): Promise<void> {
  const { running, clock, tally, answered, plan, fromSeconds } = options;
  let isDone = false;
  const done = running.then(() => isDone = true);
  for (let passed = 0; passed < seconds && !isDone;) {
    const step = Math.min(1, seconds - passed);
    const before = { answered: answered(), atMs: clock.nowMs() };
    await Promise.race([done, sleep(clock, step * 1000)]);
    passed += step;
    const messagesPerSecond = (answered() - before.answered) * 1000 /
      (clock.nowMs() - before.atMs);
    const p99Ms = tally.takeP99Ms();
    plan.onProgress?.({ seconds: fromSeconds + passed, messagesPerSecond, p99Ms });
  }
}

/** Connections begin at different places of their topic; tails at its end. */
async function fetchLoads(
  plan: BenchPlan,
  options: { connections: Connection[]; clock: Clock; sink: LatencySink; isTail: boolean },
): Promise<FetchLoad[]> {
  const { connections, clock, sink, isTail } = options;
  const batch = isTail ? null : plan.batch;
  const waitMs = isTail ? TAIL_WAIT_MS : null;
  if (connections.length === 0) return [];
  const client = await WalrusClient.connect(plan.addresses);
  try {
    return await Promise.all(connections.map(async (connection, i) => {
      const topic = topicName(plan, i);
      const { next } = await client.offsets(topic);
      const offset = isTail ? next : Math.floor(next * i / connections.length);
      return new FetchLoad({ connection, clock, topic, offset, batch, waitMs, sink });
    }));
  } finally {
    await client.close();
  }
}

async function startFetches(
  plan: BenchPlan,
  options: { connections: Connection[]; clock: Clock; tally: LatencyTally },
): Promise<{ loads: Load[]; run: () => Promise<unknown> }> {
  const { connections, clock, tally } = options;
  const loads = await fetchLoads(plan, { connections, clock, sink: tally, isTail: false });
  return { loads, run: () => Promise.all(loads.map((load) => load.run())) };
}

function startLoads(
  plan: BenchPlan,
  options: { connections: Connection[]; clock: Clock; tally: LatencyTally },
): { loads: Load[]; run: () => Promise<unknown> } {
  const { connections, clock, tally } = options;
  const payload = payloadOf(plan.sizeBytes);
  const optionsOf = (connection: Connection, i: number): LoadOptions => ({
    ...{ connection, clock, kind: plan.kind, topic: topicName(plan, i) },
    ...{
      payload,
      depth: plan.depth,
      batch: plan.kind === "put" ? plan.batch ?? 1 : 1,
      sink: tally,
    },
  });
  if (plan.ratePerSecond === null) {
    const loads = connections.map((connection, i) => new ConnectionLoad(optionsOf(connection, i)));
    return { loads, run: () => Promise.all(loads.map((load) => load.run())) };
  }
  const intervalMs = 1000 * connections.length / plan.ratePerSecond;
  const startMs = clock.nowMs();
  const loads = connections.map((connection, i) =>
    new OpenLoad({
      connection,
      clock,
      request: requestsOf({ ...optionsOf(connection, i), depth: 1 }),
      intervalMs,
      // They take turns, as independent clients would: not all of them at the same instant.
      startMs: startMs + intervalMs * i / connections.length,
      inFlightMax: plan.depth,
      sink: tally,
    })
  );
  const pacer = new Pacer(() => {
    for (const load of loads) load.pump();
  });
  const run = async () => {
    const pacing = pacer.run();
    try {
      await Promise.all(loads.map((load) => load.run()));
    } finally {
      pacer.stop();
      await pacing;
    }
  };
  return { loads, run };
}

async function prepareTopics(plan: BenchPlan): Promise<NodeMetrics> {
  const client = await WalrusClient.connect(plan.addresses);
  try {
    for (let i = 0; i < plan.topics; i++) await client.register(topicName(plan, i));
    return await client.metrics();
  } finally {
    await client.close();
  }
}

function topicName(plan: BenchPlan, i: number): string {
  return `${plan.topicPrefix}-${i % plan.topics}`;
}

async function connectAll(
  count: number,
  plan: BenchPlan,
  network: Network,
): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let i = 0; i < count; i++) {
    const address = plan.addresses[i % plan.addresses.length]!;
    connections.push(await network.connect(address, { timeoutMs: CONNECT_TIMEOUT_MS }));
  }
  return connections;
}

function payloadOf(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => FIRST_LETTER + i % LETTERS);
}

function resultOf(
  plan: BenchPlan,
  measured: {
    messages: number;
    tailed: number;
    seconds: number;
    histogram: hdr.Histogram;
    metrics: NodeMetrics;
  },
): BenchResult {
  const { messages, tailed, seconds, histogram, metrics } = measured;
  const percentile = (percent: number) =>
    // The histogram rounds a percentile up, and the largest value not.
    Math.min(histogram.getValueAtPercentile(percent), histogram.maxValue) / MICROSECONDS_PER_MS;
  const rate = messages / seconds;
  return {
    kind: plan.kind,
    connections: plan.connections,
    depth: plan.kind === "fetch" ? 1 : plan.depth,
    batch: plan.kind === "fetch" ? plan.batch : plan.batch ?? 1,
    rate_per_second: plan.ratePerSecond,
    size_bytes: plan.sizeBytes,
    topics: plan.topics,
    seconds,
    messages,
    messages_per_second: rate,
    megabytes_per_second: rate * plan.sizeBytes / 1e6,
    tailed_per_second: plan.withTails ? tailed / seconds : null,
    latency_ms: {
      min: histogram.totalCount > 0 ? histogram.minNonZeroValue / MICROSECONDS_PER_MS : 0,
      p50: percentile(50),
      p90: percentile(90),
      p99: percentile(99),
      p99_9: percentile(99.9),
      max: histogram.maxValue / MICROSECONDS_PER_MS,
      mean: histogram.mean / MICROSECONDS_PER_MS,
    },
    nodes: Object.keys(metrics.membership_config?.membership?.nodes ?? {}).length,
    durability: metrics.durability ?? "not said by the node",
    backend: metrics.backend ?? "not said by the node",
  };
}
