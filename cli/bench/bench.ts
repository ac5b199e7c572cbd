/**
 * `walrus bench`, first form: how many messages a node acknowledges, and how fast.
 *
 * @module
 */

import * as hdr from "hdr-histogram-js";
import { type NodeMetrics, WalrusClient } from "../../client/mod.ts";
import { type Address, type Clock, type Connection, type Network, sleep } from "../../world/mod.ts";
import { ConnectionLoad, type LoadKind } from "./load.ts";

/** What is measured. */
export interface BenchPlan {
  /** Append messages, or take what is there until it is all read or the time is up. */
  kind: LoadKind;
  /** Connections are spread over them in turn. */
  addresses: Address[];
  connections: number;
  /** Requests in flight on each connection. */
  depth: number;
  sizeBytes: number;
  seconds: number;
  /** Before the measurement starts. */
  warmUpSeconds: number;
  /** Connections are spread over so many topics. */
  topics: number;
  topicPrefix: string;
}

/** What came out; durations in milliseconds, sizes in bytes. Printed as JSON with `--json`. */
export interface BenchResult {
  kind: LoadKind;
  connections: number;
  depth: number;
  size_bytes: number;
  topics: number;
  seconds: number;
  messages: number;
  messages_per_second: number;
  megabytes_per_second: number;
  latency_ms: Record<"min" | "p50" | "p90" | "p99" | "p99_9" | "max" | "mean", number>;
  nodes: number;
  durability: string;
  backend: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const MICROSECONDS_PER_MS = 1000;
const LATENCY_US_MAX = 600_000_000;
const SIGNIFICANT_DIGITS = 3;
/** Payloads are letters that differ in each message's place, so that nothing on the way can cheat. */
const FIRST_LETTER = 0x61;
const LETTERS = 26;

/** Runs the load. @throws {FailureError | ClientError | NetworkError} at the first request that fails. */
export async function runBench(
  plan: BenchPlan,
  world: { clock: Clock; network: Network },
): Promise<BenchResult> {
  const { clock } = world;
  const metrics = await prepareTopics(plan);
  const histogram = hdr.build({
    bitBucketSize: 32,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
  });
  let isMeasuring = false;
  const sink = {
    record(latencyMs: number, count: number): void {
      if (!isMeasuring) return;
      const us = Math.min(Math.max(1, Math.round(latencyMs * MICROSECONDS_PER_MS)), LATENCY_US_MAX);
      histogram.recordValueWithCount(us, count);
    },
  };
  const connections = await connectAll(plan, world.network);
  const loads = connections.map((connection, i) =>
    new ConnectionLoad({
      connection,
      clock,
      kind: plan.kind,
      topic: topicName(plan, i),
      payload: payloadOf(plan.sizeBytes),
      depth: plan.depth,
      sink,
    })
  );
  try {
    const running = Promise.all(loads.map((load) => load.run()));
    const answered = () => loads.reduce((sum, load) => sum + load.answered, 0);
    await Promise.race([running, sleep(clock, plan.warmUpSeconds * 1000)]);
    isMeasuring = true;
    const before = { answered: answered(), atMs: clock.nowMs() };
    await Promise.race([running, sleep(clock, plan.seconds * 1000)]);
    isMeasuring = false;
    const after = { answered: answered(), atMs: clock.nowMs() };
    for (const load of loads) load.stop();
    await running;
    return resultOf(plan, {
      messages: after.answered - before.answered,
      seconds: (after.atMs - before.atMs) / 1000,
      histogram,
      metrics,
    });
  } finally {
    for (const connection of connections) connection.close();
  }
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

async function connectAll(plan: BenchPlan, network: Network): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let i = 0; i < plan.connections; i++) {
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
    seconds: number;
    histogram: hdr.Histogram;
    metrics: NodeMetrics;
  },
): BenchResult {
  const { messages, seconds, histogram, metrics } = measured;
  const percentile = (percent: number) =>
    histogram.getValueAtPercentile(percent) / MICROSECONDS_PER_MS;
  const rate = messages / seconds;
  return {
    kind: plan.kind,
    connections: plan.connections,
    depth: plan.depth,
    size_bytes: plan.sizeBytes,
    topics: plan.topics,
    seconds,
    messages,
    messages_per_second: rate,
    megabytes_per_second: rate * plan.sizeBytes / 1e6,
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
