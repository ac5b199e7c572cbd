/**
 * `deno task bench:scaling [--seconds N] [--only NAME] [--dir D] [--out D]`: how cost grows with
 * connections, topics, message length, segments and nodes. Writes `scaling.json` and one SVG for each
 * of them. One machine runs all nodes and the load: rates fall where its cores are shared.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WalrusClient } from "../../client/mod.ts";
import { Burden } from "./burdens.ts";
import { type ChartTexts, type Point, renderChart } from "./chart.ts";
import { MeasuredCluster } from "./nodes.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "5" },
    only: { type: "string" },
    dir: { type: "string", default: ".cache/bench" },
    out: { type: "string", default: "spec/performance" },
  },
});

/** What `walrus bench` is asked for. */
interface Load {
  connections: number;
  depth: number;
  size: number;
  topics: number;
}

/** What it answers, as far as it is needed here. */
interface BenchAnswer {
  messages_per_second: number;
  megabytes_per_second: number;
  latency_ms: { p50: number; p99: number };
}

/** One point of a sweep. */
interface Measurement extends BenchAnswer {
  x: number;
  residentBytes: number;
  /** Resident, for what is measured, over the same node without it. */
  moreBytes?: number;
  /** The same load's just before, on the same node, without what is measured. */
  p99WithoutMs?: number;
  /** Of `STATE`, where segments are counted. */
  stateBytes?: number;
}

interface Sweep extends ChartTexts {
  xs: number[];
  measure: (x: number) => Promise<Measurement>;
  series: Record<string, (measurement: Measurement) => number>;
}

const BASE: Load = { connections: 64, depth: 16, size: 726, topics: 1 };
/** Requests in flight of all connections together, where connections are many. */
const IN_FLIGHT_TOTAL = 4096;
/** A load that leaves the node room. */
const SMALL: Load = { ...BASE, depth: 1 };
const MIB = 1024 * 1024;
const ENTRIES_PER_SEGMENT = 100;
const RATE = { "messages/s": (m: Measurement) => m.messages_per_second };

const SWEEPS: Record<string, Sweep> = {
  connections: {
    title: "One node, synced, 4,096 messages in flight over all connections",
    x: "connections",
    y: "messages/s",
    xs: [1, 10, 100, 1000, 10_000],
    measure: (x) =>
      onCluster(1, x, {
        load: { ...BASE, connections: x, depth: Math.max(1, Math.round(IN_FLIGHT_TOTAL / x)) },
      }),
    series: RATE,
  },
  topics: {
    title: "One node, synced, 256 connections × 16",
    x: "topics",
    y: "messages/s",
    xs: [1, 10, 100, 1000, 10_000],
    measure: (x) => {
      const connections = Math.max(256, x);
      const depth = Math.max(1, Math.round(IN_FLIGHT_TOTAL / connections));
      return onCluster(1, x, { load: { ...BASE, connections, depth, topics: x } });
    },
    series: RATE,
  },
  size: {
    title: "One node, synced, 64 connections × 16 (× 1 from 64 KiB)",
    x: "bytes of a message",
    y: "MB/s",
    xs: [10, 100, 1000, 10_000, 65_536, 1_048_576],
    measure: (x) =>
      onCluster(1, x, { load: { ...BASE, size: x, depth: x >= 65_536 ? 1 : BASE.depth } }),
    series: { "MB/s": (m) => m.megabytes_per_second },
  },
  segments: {
    title: `One node that holds so many sealed segments of ${ENTRIES_PER_SEGMENT} messages`,
    x: "segments",
    y: "messages/s",
    xs: [1, 10, 100, 1000, 10_000],
    measure: measureSegments,
    series: RATE,
  },
  idle: {
    title: "One node: memory for idle connections",
    x: "idle connections",
    y: "MiB more",
    xs: [1, 10, 100, 1000, 10_000],
    measure: measureIdle,
    series: { "MiB more": (m) => m.moreBytes! / MIB },
  },
  deaf: {
    title: "One node, 64 connections × 1, beside clients that ask and never read",
    x: "clients that never read",
    y: "p99 of the others, ms",
    xs: [1, 10, 100, 1000],
    measure: measureDeaf,
    series: {
      "beside them": (m) => m.latency_ms.p99,
      "without them": (m) => m.p99WithoutMs!,
    },
  },
  nodes: {
    title: "Replication 3 (1 and 2 on fewer nodes), synced on a majority, 256 connections × 16",
    x: "nodes, all on this machine",
    y: "messages/s",
    xs: [1, 2, 3, 4, 5],
    measure: (x) => onCluster(x, x, { load: { ...BASE, connections: 256 } }),
    series: RATE,
  },
};

async function onCluster(nodes: number, x: number, { load }: { load: Load }): Promise<Measurement> {
  await using cluster = await MeasuredCluster.start({ directory: values.dir, nodes });
  const answer = await bench(cluster.addresses, load);
  return { x, ...answer, residentBytes: cluster.residentBytes() };
}

/** Fills segments until there are `x`, then measures on top of them. */
async function measureSegments(x: number): Promise<Measurement> {
  const environment = { WALRUS_MAX_SEGMENT_ENTRIES: `${ENTRIES_PER_SEGMENT}` };
  await using cluster = await MeasuredCluster.start({
    directory: values.dir,
    nodes: 1,
    environment,
  });
  await using client = await WalrusClient.connect(cluster.addresses);
  await client.register("full");
  const payload = new Uint8Array(BASE.size).fill(0x61);
  for (let sent = 0; sent < x * ENTRIES_PER_SEGMENT;) {
    const count = Math.min(1000, x * ENTRIES_PER_SEGMENT - sent);
    await Promise.all(Array.from({ length: count }, () => client.put("full", payload)));
    sent += count;
  }
  const residentBytes = cluster.residentBytes();
  const stateBytes = JSON.stringify(await client.state("full")).length;
  const answer = await bench(cluster.addresses, BASE);
  return { x, ...answer, residentBytes, stateBytes };
}

async function measureIdle(x: number): Promise<Measurement> {
  await using cluster = await MeasuredCluster.start({ directory: values.dir, nodes: 1 });
  // What a load leaves behind is not the idle connections' fault.
  await bench(cluster.addresses, SMALL);
  const beforeBytes = cluster.residentBytes();
  const burden = await Burden.idle(cluster.addresses, x);
  await cluster.quiet();
  const moreBytes = cluster.residentBytes() - beforeBytes;
  const answer = await bench(cluster.addresses, SMALL);
  burden.close();
  return { x, ...answer, moreBytes, residentBytes: cluster.residentBytes() };
}

async function measureDeaf(x: number): Promise<Measurement> {
  await using cluster = await MeasuredCluster.start({ directory: values.dir, nodes: 1 });
  const without = await bench(cluster.addresses, SMALL);
  const beforeBytes = cluster.residentBytes();
  const burden = await Burden.deaf(cluster.addresses, { count: x, topic: "bench-0" });
  await cluster.quiet();
  const answer = await bench(cluster.addresses, SMALL);
  const residentBytes = cluster.residentBytes();
  const moreBytes = residentBytes - beforeBytes;
  burden.close();
  return { x, ...answer, p99WithoutMs: without.latency_ms.p99, moreBytes, residentBytes };
}

async function bench(addresses: string, load: Load): Promise<BenchAnswer> {
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const args = ["run", "-q", "-A", main, "bench", "--json", "--addr", addresses];
  args.push("--seconds", values.seconds, "--warm-up", "1", "--topics", `${load.topics}`);
  args.push("--connections", `${load.connections}`, "--depth", `${load.depth}`);
  args.push("--size", `${load.size}`);
  const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function sweepAll(): Promise<void> {
  await Deno.mkdir(values.dir, { recursive: true });
  await Deno.mkdir(values.out, { recursive: true });
  const results: Record<string, Measurement[]> = {};
  for (const [name, sweep] of Object.entries(SWEEPS)) {
    if (values.only !== undefined && values.only !== name) continue;
    const measured: Measurement[] = results[name] = [];
    for (const x of sweep.xs) {
      measured.push(await sweep.measure(x));
      print(`${name} ${JSON.stringify(measured.at(-1))}`);
    }
    const points: Point[] = Object.entries(sweep.series).flatMap(([series, y]) =>
      measured.map((measurement) => ({ x: measurement.x, y: y(measurement), series }))
    );
    await Deno.writeTextFile(`${values.out}/${name}.svg`, await renderChart(points, sweep));
  }
  await Deno.writeTextFile(`${values.out}/scaling.json`, `${JSON.stringify(results, null, 2)}\n`);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

await sweepAll();
