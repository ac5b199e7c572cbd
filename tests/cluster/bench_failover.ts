/**
 * `deno task bench:failover`: what a real cluster of three on this machine does when leaders die and
 * segments roll, and how much it takes with three nodes and with two.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type BenchPlan, type BenchResult, runBench } from "../../cli/bench/bench.ts";
import { RealClock, RealNetwork } from "../../world/real/mod.ts";
import {
  askOnce,
  drainTopic,
  metricsOf,
  pause,
  RawClient,
  registerTopics,
  type RunningCluster,
  stateOf,
  until,
  withCluster,
} from "./mod.ts";

const KILLS = 20;
const ROLLOVERS = 50;
const STORM_ROLLOVERS = 1000;
const STORM_ENTRIES = 10;
const SIZE_BYTES = 726;
const PUT_SECONDS = 10;
const WARM_UP_SECONDS = 3;
/** How long a failed request waits for the next try, milliseconds. */
const RETRY_MS = 5;
/** After this the node that a producer speaks with is taken for dead: a bound, not a measure. */
const ANSWER_TIMEOUT_MS = 30_000;
const SETTLE_MS = 2000;

type Report = Record<string, unknown>;

/**
 * From kill −9 of the open segment's leader to the first acknowledgement on the next segment, milliseconds.
 * The producer speaks with another node, one request at a time; each third kill takes the Raft leader too.
 */
async function measureKills(running: RunningCluster): Promise<Report> {
  const ports = running.clientPorts;
  await registerTopics(ports[0]!, ["kills"]);
  const gapsMs: number[] = [];
  let raftLeaderToo = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await running.restart();
    await until(
      "the topic takes entries",
      async () => await askOnce(ports[0]!, "PUT kills before") === "OK",
    );
    await pause(SETTLE_MS);
    const { leader_node: leader, current_segment: segment } = await stateOf(ports[0]!, "kills");
    const { current_leader: raftLeader } = await metricsOf(ports[0]!);
    if (raftLeader === leader) raftLeaderToo++;
    const port = ports[leader % ports.length]!;
    const client = await RawClient.connect(port);
    assert.equal(await client.ask("PUT kills just before"), "OK");
    const killed = running.nodes[leader - 1]!;
    const startMs = performance.now();
    killed.signal("SIGKILL");
    for (;;) {
      await client.send("PUT kills after");
      const answer = await client.receive(ANSWER_TIMEOUT_MS);
      const nowMs = performance.now();
      const isNext = answer === "OK" && (await stateOf(port, "kills")).current_segment > segment;
      if (isNext) {
        gapsMs.push(nowMs - startMs);
        break;
      }
      await pause(RETRY_MS);
    }
    client.close();
    await killed.exit;
  }
  await running.restart();
  return { kills: KILLS, raft_leader_too: raftLeaderToo, first_ack_ms: summary(gapsMs) };
}

/** The longest gap between two acknowledgements of a producer with one request after the other. */
async function measureRollovers(running: RunningCluster, entries: number): Promise<Report> {
  const [port] = running.clientPorts as [number];
  await registerTopics(port, ["rolling"]);
  const client = await RawClient.connect(port);
  const gapsMs: number[] = [];
  assert.equal(await client.ask("PUT rolling first"), "OK");
  let lastMs = performance.now();
  for (let i = 0; i < entries * (ROLLOVERS + 1); i++) {
    assert.equal(await client.ask(`PUT rolling ${i}`), "OK");
    const nowMs = performance.now();
    gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  client.close();
  const { current_segment: segment } = await stateOf(port, "rolling");
  assert.ok(segment > ROLLOVERS, `${segment} segments`);
  return { rollovers: segment - 1, gap_ms: summary(gapsMs) };
}

/** Segments of ten entries, as fast as they roll, with a producer on each node. */
async function measureStorm(running: RunningCluster): Promise<Report> {
  const ports = running.clientPorts;
  await registerTopics(ports[0]!, ["storm"]);
  const perNode = Math.ceil(STORM_ROLLOVERS * STORM_ENTRIES / ports.length) + STORM_ENTRIES;
  const depth = 8;
  const produce = async (port: number, name: string, count: number) => {
    const client = await RawClient.connect(port);
    for (let i = 0; i < depth; i++) await client.send(`PUT storm ${name}-${i}`);
    for (let i = 0; i < count; i++) {
      assert.equal(await client.receive(), "OK");
      if (i + depth < count) await client.send(`PUT storm ${name}-${i + depth}`);
    }
    client.close();
  };
  // What the first segments cost once is not the growth.
  await Promise.all(ports.map((port, i) => produce(port, `warm-${i}`, 20 * STORM_ENTRIES)));
  const before = await footprint(running);
  const startMs = performance.now();
  await Promise.all(ports.map((port, i) => produce(port, `${i}`, perNode)));
  const seconds = (performance.now() - startMs) / 1000;
  const after = await footprint(running);
  const read = await drainTopic("storm", ports);
  const expected = ports.length * (perNode + 20 * STORM_ENTRIES);
  const segments = after.segments - before.segments;
  return {
    rollovers: segments,
    rollovers_per_second: segments / seconds,
    entries: expected,
    lost: expected - new Set(read).size,
    duplicated: read.length - new Set(read).size,
    rss_mib_before: before.rssMib,
    rss_mib_after: after.rssMib,
    rss_bytes_per_segment: after.rssMib.map((mib, i) =>
      Math.round((mib - before.rssMib[i]!) * 2 ** 20 / segments)
    ),
    state_bytes_per_segment: Math.round((after.stateBytes - before.stateBytes) / segments),
  };
}

async function footprint(
  running: RunningCluster,
): Promise<{ rssMib: number[]; stateBytes: number; segments: number }> {
  const state = await askOnce(running.clientPorts[0]!, "STATE storm");
  return {
    rssMib: running.nodes.map(({ pid }) => rssMib(pid!)),
    stateBytes: state.length,
    segments: JSON.parse(state).current_segment,
  };
}

function rssMib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

function load(running: RunningCluster, plan: Partial<BenchPlan>): Promise<BenchResult> {
  const addresses = running.nodes.filter((node) => node.isRunning)
    .map((node) => ({ host: "127.0.0.1", port: node.options.clientPort }));
  return runBench({
    kind: "put",
    addresses,
    connections: 256,
    depth: 16,
    sizeBytes: SIZE_BYTES,
    seconds: PUT_SECONDS,
    warmUpSeconds: WARM_UP_SECONDS,
    topics: 1,
    topicPrefix: "bench",
    ...plan,
  }, { clock: new RealClock(), network: new RealNetwork() });
}

const shortOf = ({ messages_per_second: rate, latency_ms: latency }: BenchResult): Report => ({
  per_second: Math.round(rate),
  p50_ms: latency.p50,
  p99_ms: latency.p99,
  max_ms: latency.max,
});

/** PUT with three nodes, GET of what that put there on one shared cursor, and PUT with one node dead. */
async function measureLoad(running: RunningCluster): Promise<Report> {
  const three = await load(running, {});
  const get = await load(running, { kind: "get", connections: 64, warmUpSeconds: 0, seconds: 5 });
  await running.nodes[2]!.kill();
  await pause(SETTLE_MS);
  const two = await load(running, { topicPrefix: "degraded" });
  await running.restart();
  return {
    put_three_nodes: shortOf(three),
    get_shared_cursor: shortOf(get),
    put_one_dead: shortOf(two),
    one_dead_share: two.messages_per_second / three.messages_per_second,
  };
}

function summary(values: readonly number[]): Record<"p50" | "p99" | "max", number> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1]! * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

const MEASURES: Record<string, () => Promise<Report>> = {
  kills: () => measured({}, measureKills),
  rollovers: () =>
    measured({ WALRUS_MAX_SEGMENT_ENTRIES: "200" }, (running) => measureRollovers(running, 200)),
  storm: () => measured({ WALRUS_MAX_SEGMENT_ENTRIES: `${STORM_ENTRIES}` }, measureStorm),
  load: () => measured({}, measureLoad),
};

async function measured(
  environment: Record<string, string>,
  measure: (running: RunningCluster) => Promise<Report>,
): Promise<Report> {
  let report: Report = {};
  const before = Deno.loadavg()[0];
  await withCluster({ WALRUS_LOG: "warn", ...environment }, async (running) => {
    report = await measure(running);
  });
  return { ...report, machine_load: [before, Deno.loadavg()[0]] };
}

if (import.meta.main) {
  const isJson = Deno.args.includes("--json");
  const wished = Deno.args.filter((arg) => !arg.startsWith("--"));
  const names = wished.length > 0 ? wished : Object.keys(MEASURES);
  const report: Report = {};
  const out = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  for (const name of names) {
    const measure = MEASURES[name];
    if (!measure) throw new Error(`${name} is none of ${Object.keys(MEASURES).join(", ")}`);
    report[name] = await measure();
    if (!isJson) out(`${name} ${JSON.stringify(report[name], null, 2)}`);
  }
  if (isJson) out(JSON.stringify(report));
}
