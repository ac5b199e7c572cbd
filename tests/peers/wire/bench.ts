/**
 * `deno task bench:peers:wire [--seconds N] [--rounds N] [--dir D] [--json]`: the same appends over TCP, one
 * server after the other and round after round, each in a fresh folder, and how Walrus compares. Peers that
 * can't be had are left out and named.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import type { LoadPlan, LoadResult } from "./load.ts";
import { kafkaPerformance, type OwnLoad, redisBenchmark } from "./own_clients.ts";
import type { Server } from "./server.ts";
import {
  ECHO,
  kafka,
  nats,
  redis,
  type ServerKind,
  type Tools,
  WALRUS,
  WALRUS_CLUSTER,
} from "./servers.ts";
import { findTools } from "./tools.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    dir: { type: "string", default: ".cache/bench" },
    json: { type: "boolean", default: false },
  },
});
const SECONDS = Number(values.seconds);
const WARM_UP_SECONDS = 1;
const SIZE_BYTES = 726;

/** One server under one load. */
interface Work {
  load: string;
  kind: ServerKind;
  by: "our generator" | "its own client";
  run: (server: Server, tools: Tools) => Promise<Partial<LoadResult> & { perSecond: number }>;
}

const REDIS_ALWAYS = redis("always");
const REDIS_EVERY_SECOND = redis("everysec");
const NATS_DEFAULT = nats("default");
const NATS_ALWAYS = nats("always");
const KAFKA_DEFAULT = kafka("default");
const KAFKA_FLUSH = kafka("each message");
const WIDE = "256 × 1";
const DEEP = "256 × 16";
const BATCHES = "64 × 4 batches of 100";

const WORKS: Work[] = [
  ours(WIDE, ECHO, "walrus"),
  ours(WIDE, WALRUS, "walrus"),
  ours(WIDE, REDIS_ALWAYS, "redis"),
  ours(WIDE, NATS_ALWAYS, "nats"),
  own(WIDE, REDIS_ALWAYS, redisBenchmark),
  ours(DEEP, ECHO, "walrus"),
  ours(DEEP, WALRUS, "walrus"),
  ours(DEEP, WALRUS_CLUSTER, "walrus"),
  ours(DEEP, REDIS_ALWAYS, "redis"),
  ours(DEEP, REDIS_EVERY_SECOND, "redis"),
  ours(DEEP, NATS_DEFAULT, "nats"),
  ours(DEEP, NATS_ALWAYS, "nats"),
  own(DEEP, REDIS_ALWAYS, redisBenchmark),
  own("one producer, batches of its own", KAFKA_DEFAULT, kafkaPerformance),
  own("one producer, batches of its own", KAFKA_FLUSH, kafkaPerformance),
  ours(BATCHES, ECHO, "walrus-batch"),
  ours(BATCHES, WALRUS, "walrus-batch"),
];

/** What issue 8 asks for: the first at least so many times the second. */
const TARGETS: [string, string, number][] = [
  [nameOf(WIDE, WALRUS), nameOf(WIDE, REDIS_ALWAYS), 1.0],
  [nameOf(DEEP, WALRUS), nameOf(DEEP, REDIS_ALWAYS), 1.2],
  [nameOf(DEEP, WALRUS), nameOf(DEEP, NATS_DEFAULT), 1.0],
];

function nameOf(load: string, kind: ServerKind): string {
  return `${load}, ${kind.name}`;
}

function ours(load: string, kind: ServerKind, dialect: LoadPlan["dialect"]): Work {
  const [connections, depth] = load.split(" × ").map((part) => Number.parseInt(part));
  return {
    load,
    kind,
    by: "our generator",
    run: (server) =>
      runLoadProcess({
        dialect,
        ports: server.ports,
        connections: connections!,
        depth: depth!,
        sizeBytes: SIZE_BYTES,
        seconds: SECONDS,
        warmUpSeconds: WARM_UP_SECONDS,
        skipPrepare: kind === ECHO,
      }),
  };
}

function own(load: string, kind: ServerKind, client: (load: OwnLoad) => Promise<number>): Work {
  const [connections = 1, depth = 1] = load.split(" × ").map((part) => Number.parseInt(part));
  return {
    load,
    kind,
    by: "its own client",
    run: async (server, tools) => {
      const port = server.ports[0]!;
      const seconds = SECONDS;
      const plan = { port, connections, depth, sizeBytes: SIZE_BYTES, seconds, tools };
      return { perSecond: await client(plan) };
    },
  };
}

async function runLoadProcess(plan: LoadPlan): Promise<LoadResult> {
  const script = fileURLToPath(new URL("load.ts", import.meta.url));
  const args = ["run", "-q", "-A", script, JSON.stringify(plan)];
  const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).split("\n")[0]);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** All that one work has measured, round after round. */
interface Row {
  name: string;
  by: Work["by"];
  durability: string;
  version: string;
  perSecond: number[];
  p50Ms: number[];
  p99Ms: number[];
  failures: string[];
}

async function measure(work: Work, row: Row, tools: Tools): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: values.dir, prefix: "wire_" });
  let server: Server | undefined;
  try {
    server = await work.kind.start({ folder: await Deno.realPath(folder), tools });
    row.version = server.version;
    const { perSecond, p50Ms, p99Ms } = await work.run(server, tools);
    row.perSecond.push(perSecond);
    if (p50Ms !== undefined) row.p50Ms.push(p50Ms);
    if (p99Ms !== undefined) row.p99Ms.push(p99Ms);
  } catch (error) {
    row.failures.push((error as Error).message);
  } finally {
    await server?.stop();
  }
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

function report(rows: Row[], missing: Map<string, string>): string {
  const table = new Table({
    head: ["load, server", "durability", "messages/s", "lowest–highest", "p50 ms", "p99 ms"],
    style: { head: [], border: [], compact: true },
  });
  const whole = (value: number) => Math.round(value).toLocaleString("en");
  const ms = (numbers: number[]) => numbers.length > 0 ? median(numbers).toFixed(1) : "";
  for (const row of rows) {
    const { name, by, version, perSecond } = row;
    table.push([
      `${name}${version && ` (${version})`}${by === "its own client" ? ", by its own client" : ""}`,
      row.failures.length > 0 ? `FAILED: ${row.failures[0]}` : row.durability,
      whole(median(perSecond)),
      `${whole(Math.min(...perSecond))}–${whole(Math.max(...perSecond))}`,
      ms(row.p50Ms),
      ms(row.p99Ms),
    ]);
  }
  const lines = [table.toString()];
  for (const { ours, theirs, ratio, reach } of comparisons(rows)) {
    const verdict = Number.isNaN(ratio) ? "not measured" : ratio >= reach ? "reached" : "MISSED";
    lines.push(`${ours} = ${ratio.toFixed(2)} × ${theirs} (reach ${reach}: ${verdict})`);
  }
  for (const [tool, reason] of missing) lines.push(`${tool} was left out: ${reason}`);
  return lines.join("\n");
}

function comparisons(rows: Row[]) {
  const rate = (name: string) => {
    const row = rows.find((row) => row.name === name && row.by === "our generator");
    return median(row?.perSecond ?? []);
  };
  return TARGETS.map(([ours, theirs, reach]) => (
    { ours, theirs, reach, ratio: rate(ours) / rate(theirs) }
  ));
}

async function compareAll(): Promise<void> {
  await Deno.mkdir(values.dir, { recursive: true });
  const { tools, missing } = await findTools();
  const works = WORKS.filter(({ kind }) => kind.needs === null || !missing.has(kind.needs));
  const rows = works.map(({ load, kind, by }): Row => ({
    ...{ name: nameOf(load, kind), by, durability: kind.durability, version: "" },
    ...{ perSecond: [], p50Ms: [], p99Ms: [], failures: [] },
  }));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, work] of works.entries()) await measure(work, rows[i]!, tools);
  }
  const text = values.json
    ? JSON.stringify({ rows, comparisons: comparisons(rows), missing: [...missing] }, null, 2)
    : report(rows, missing);
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

await compareAll();
