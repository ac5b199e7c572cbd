/**
 * `deno task bench:failover`: what a real cluster of three on this machine does when leaders die and
 * segments roll, and how much it takes with three nodes and with two.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type BenchPlan, runBench } from "../../cli/bench/bench.ts";
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
const ROLLOVER_ENTRIES = 200;
const STORM_ROLLOVERS = 1000;
const STORM_ENTRIES = 10;
/** The storm is repeated so often, to see growth beside noise. */
const STORM_MARKS = 3;
const STORM_DEPTH = 8;
const WARM_UP_ENTRIES = 200;
const SIZE_BYTES = 726;
const PUT_SECONDS = 10;
const GET_SECONDS = 5;
const WARM_UP_SECONDS = 3;
const DEGRADED_ROUNDS = 6;
const DEGRADED_SECONDS = 5;
/** For a node that was killed, to copy what it missed, milliseconds. */
const CATCH_UP_MS = 5000;
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

/**
 * The longest gap between two acknowledgements of a producer with one request after the other: through
 * rollovers, and, to know what the machine makes of it just then, without any.
 */
async function measureRollovers(running: RunningCluster): Promise<Report> {
  const [port] = running.clientPorts as [number];
  await registerTopics(port, ["rolling"]);
  const rolling = await gapsOf(port, "rolling", ROLLOVER_ENTRIES * (ROLLOVERS + 1));
  const { current_segment: segment } = await stateOf(port, "rolling");
  assert.ok(segment > ROLLOVERS, `${segment} segments`);
  let control: number[] = [];
  await withCluster({ WALRUS_LOG: "warn" }, async ({ clientPorts }) => {
    const [quietPort] = clientPorts as [number];
    await registerTopics(quietPort, ["quiet"]);
    control = await gapsOf(quietPort, "quiet", rolling.length);
  });
  // From the last answer of a full segment to the first one of the next. Entry 0 is not among the gaps.
  const between = rolling.filter((_, i) => (i + 1) % ROLLOVER_ENTRIES === 0);
  return {
    rollovers: segment - 1,
    rollover_gap_ms: summary(between),
    gap_ms: summary(rolling),
    gap_ms_without: summary(control),
  };
}

async function gapsOf(port: number, topic: string, count: number): Promise<number[]> {
  const client = await RawClient.connect(port);
  const gapsMs: number[] = [];
  assert.equal(await client.ask(`PUT ${topic} first`), "OK");
  let lastMs = performance.now();
  for (let i = 0; i < count; i++) {
    assert.equal(await client.ask(`PUT ${topic} ${i}`), "OK");
    const nowMs = performance.now();
    gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  client.close();
  return gapsMs;
}

/** Segments of ten entries, as fast as they roll, with a producer on each node; looked at on the way. */
async function measureStorm(running: RunningCluster): Promise<Report> {
  const ports = running.clientPorts;
  await registerTopics(ports[0]!, ["storm"]);
  const perNode = Math.ceil(STORM_ROLLOVERS * STORM_ENTRIES / ports.length);
  // What the first segments cost once is not the growth.
  await Promise.all(ports.map((port, i) => produce(port, `warm-${i}`, WARM_UP_ENTRIES)));
  const marks = [await footprint(running)];
  const startMs = performance.now();
  for (let mark = 1; mark <= STORM_MARKS; mark++) {
    await Promise.all(ports.map((port, i) => produce(port, `${mark}-${i}`, perNode)));
    marks.push(await footprint(running));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const read = await drainTopic("storm", ports);
  const entries = ports.length * (STORM_MARKS * perNode + WARM_UP_ENTRIES);
  const [first, second] = [marks[0]!, marks[1]!];
  const last = marks.at(-1)!;
  const rollovers = last.segments - first.segments;
  return {
    rollovers,
    rollovers_per_second: rollovers / seconds,
    entries,
    lost: entries - new Set(read).size,
    duplicated: read.length - new Set(read).size,
    marks,
    // Behind the first thousand: before that a process still grows to its working size.
    rss_bytes_per_segment: last.rssMib.map((mib, i) =>
      Math.round((mib - second.rssMib[i]!) * 2 ** 20 / (last.segments - second.segments))
    ),
    state_bytes_per_segment: Math.round((last.stateBytes - first.stateBytes) / rollovers),
  };
}

/** One connection with a few requests in flight; no request may fail. */
async function produce(port: number, name: string, count: number): Promise<void> {
  const client = await RawClient.connect(port);
  for (let i = 0; i < STORM_DEPTH; i++) await client.send(`PUT storm ${name}-${i}`);
  for (let i = 0; i < count; i++) {
    assert.equal(await client.receive(), "OK");
    if (i + STORM_DEPTH < count) await client.send(`PUT storm ${name}-${i + STORM_DEPTH}`);
  }
  client.close();
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

/** Runs a load; adds what it cost in processor time, which other work on the machine hardly changes. */
async function load(running: RunningCluster, plan: Partial<BenchPlan>): Promise<Report> {
  const addresses = running.nodes.filter((node) => node.isRunning)
    .map((node) => ({ host: "127.0.0.1", port: node.options.clientPort }));
  const nodes = running.nodes.flatMap(({ pid }) => pid === null ? [] : [pid]);
  const before = { nodes: nodes.map(cpuMs), self: cpuMs(Deno.pid) };
  const result = await runBench({
    ratePerSecond: null,
    withTails: false,
    batch: null,
    kind: "put",
    addresses,
    connections: 256,
    depth: 16,
    sizeBytes: SIZE_BYTES,
    seconds: PUT_SECONDS,
    warmUpSeconds: 0,
    topics: 1,
    topicPrefix: "bench",
    ...plan,
  }, { clock: new RealClock(), network: new RealNetwork() });
  const usOf = (ms: number) => Math.round(ms / result.messages * 1e5) / 100;
  const nodesMs = nodes.reduce((sum, pid, i) => sum + cpuMs(pid) - before.nodes[i]!, 0);
  return {
    per_second: Math.round(result.messages_per_second),
    latency_ms: result.latency_ms,
    cpu_us_per_message: { nodes: usOf(nodesMs), client: usOf(cpuMs(Deno.pid) - before.self) },
  };
}

/** Processor time of a process so far, milliseconds. */
function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // Behind the command's name in brackets; the kernel counts hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** PUT with three nodes, GET of what that put there on one shared cursor, and PUT with one node dead. */
async function measureLoad(running: RunningCluster): Promise<Report> {
  await load(running, { seconds: WARM_UP_SECONDS, topicPrefix: "warm" });
  const three = await load(running, {});
  const get = await load(running, { kind: "get", connections: 64, seconds: GET_SECONDS });
  await running.nodes[2]!.kill();
  await pause(SETTLE_MS);
  const two = await load(running, { topicPrefix: "degraded" });
  await running.restart();
  return { put_three_nodes: three, get_shared_cursor: get, put_one_dead: two };
}

/**
 * PUT with all nodes and with one of them dead, in turns, so that what else the machine does falls on both. Each
 * round another node is killed; when it is back it has the time to catch up.
 */
async function measureDegraded(running: RunningCluster): Promise<Report> {
  await load(running, { seconds: WARM_UP_SECONDS, topicPrefix: "warm" });
  const rounds: { all: Report; one_dead: Report; ratio: number; machine_load: number }[] = [];
  for (let round = 0; round < DEGRADED_ROUNDS; round++) {
    const plan = { seconds: DEGRADED_SECONDS, warmUpSeconds: 1 };
    const all = await load(running, { ...plan, topicPrefix: `all-${round}` });
    const victim = running.nodes[round % running.nodes.length]!;
    await victim.kill();
    await pause(SETTLE_MS);
    const one = await load(running, { ...plan, topicPrefix: `one-${round}` });
    await running.restart();
    await pause(CATCH_UP_MS);
    const ratio = Math.round(Number(one["per_second"]) / Number(all["per_second"]) * 100) / 100;
    rounds.push({ all, one_dead: one, ratio, machine_load: Deno.loadavg()[0]! });
  }
  return { rounds, ratio_percent: summary(rounds.map(({ ratio }) => 100 * ratio)) };
}

function summary(values: readonly number[]): Record<"p50" | "p99" | "max", number> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1]! * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

const MEASURES: Record<string, () => Promise<Report>> = {
  kills: () => measured({}, measureKills),
  rollovers: () =>
    measured({ WALRUS_MAX_SEGMENT_ENTRIES: `${ROLLOVER_ENTRIES}` }, measureRollovers),
  storm: () => measured({ WALRUS_MAX_SEGMENT_ENTRIES: `${STORM_ENTRIES}` }, measureStorm),
  load: () => measured({}, measureLoad),
  degraded: () => measured({}, measureDegraded),
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
