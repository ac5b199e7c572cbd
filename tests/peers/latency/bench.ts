/**
 * `deno task bench:latency [--seconds N] [--rounds N] [--rates A,B…] [--dir D] [--json]`: how long a synced
 * `PUT` takes when requests come at fixed times (an open loop), beside what the disk and a server that does
 * nothing take in the same run. The generator has a processor of its own, the others have the rest.
 *
 * @module
 */

import { parseArgs } from "node:util";
import Table from "cli-table3";
import { findFreePorts } from "../../../cli/local/mod.ts";
import { LocalNode } from "../../../cli/local/local_node.ts";
import { buildPeer, runPeer } from "../mod.ts";
import { findEcho, findOpenLoop, runProgram } from "../wire/tools.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    /** Single messages each second, besides half of the highest rates. */
    rates: { type: "string", default: "1000,5000,20000" },
    dir: { type: "string", default: ".cache/bench" },
    json: { type: "boolean", default: false },
  },
});

const SIZE_BYTES = 726;
const CONNECTIONS = 256;
const FEW_CONNECTIONS = 64;
const GROUP = 16;
const WARM_UP_SECONDS = 3;
const READY_TIMEOUT_MS = 30_000;
/** What the issue asks of the p99, times the disk's. */
const TARGET = 5;

/** Latencies of one row in one round, in milliseconds. */
interface Sample {
  p50Ms: number;
  p90Ms?: number;
  p99Ms: number;
  p999Ms: number;
  sent?: number;
  sentLate?: number;
}

/** By the row's name, in rounds. */
type Samples = Map<string, Sample[]>;

/** Messages each second in a closed loop. */
interface Highest {
  singles: number;
  groups: number;
}

/** What is due, and how. */
interface Load {
  connections: number;
  rate: number;
  group: number;
}

const processors = navigator.hardwareConcurrency;
if (processors < 2) fail("The generator needs a processor of its own: there is only one here.");
const GENERATOR = ["taskset", "-c", "0"];
const OTHERS = ["taskset", "-c", processors === 2 ? "1" : `1-${processors - 1}`];
const seconds = Number(values.seconds);
await Deno.mkdir(values.dir, { recursive: true });
const loop = await buildPeer("pwrite_loop");
if (!loop.ok) fail(`The disk's own loop can't be built: ${loop.reason}`);
const [echo, generator] = await Promise.all([findEcho(), findOpenLoop()]);

await compareAll();

async function compareAll(): Promise<void> {
  const samples: Samples = new Map();
  const highest = { singles: await highestRate(1), groups: await highestRate(GROUP) };
  const singles = values.rates.split(",").map(Number);
  const loads: Load[] = [
    ...singles.map((rate) => ({ connections: FEW_CONNECTIONS, rate, group: 1 })),
    { connections: CONNECTIONS, rate: Math.round(highest.singles / 2), group: 1 },
    { connections: CONNECTIONS, rate: Math.round(highest.groups / 2), group: GROUP },
  ];
  const keep = (name: string, sample: Sample) =>
    samples.set(name, [...samples.get(name) ?? [], sample]);
  for (let round = 0; round < Number(values.rounds); round++) {
    keep("disk: write + fdatasync", await measureDisk());
    for (const load of loads) {
      keep(`echo, ${nameOf(load)}`, await withEcho((port) => measure(port, load)));
      keep(`Walrus, ${nameOf(load)}`, await withNode((port) => measure(port, load)));
    }
  }
  show(samples, highest);
}

function nameOf({ rate, group, connections }: Load): string {
  const shape = group === 1 ? "" : ` by ${group}`;
  return `${rate.toLocaleString("en")}/s${shape} on ${connections}`;
}

/** One thread on the processors that the servers have. */
async function measureDisk(): Promise<Sample> {
  const peer = { ...loop, path: await wrapped(OTHERS, (loop as { path: string }).path) };
  const result = await runPeer(peer as typeof loop & { ok: true }, {
    directory: values.dir,
    work: "append",
    threads: 1,
    count: 10_000_000,
    minBytes: SIZE_BYTES,
    maxBytes: SIZE_BYTES,
    sync: "each",
    secondsMax: seconds,
  });
  return {
    p50Ms: result.p50Us / 1000,
    p99Ms: result.p99Us / 1000,
    p999Ms: result.p999Us / 1000,
  };
}

async function measure(port: number, { connections, rate, group }: Load): Promise<Sample> {
  const options = {
    port,
    connections,
    rate,
    group,
    size: SIZE_BYTES,
    "warm-up": WARM_UP_SECONDS,
    seconds,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse(await runProgram(GENERATOR[0]!, [...GENERATOR.slice(1), generator, ...args]));
}

/** What a closed loop reaches on 256 connections, each with so many requests in flight. */
async function highestRate(depth: number): Promise<number> {
  return await withNode(async (port) => {
    const main = new URL("../../../main.ts", import.meta.url).pathname;
    const args = ["run", "-A", main, "bench", "--json", "--addr", `127.0.0.1:${port}`];
    const load = ["-c", CONNECTIONS, "-d", depth, "--size", SIZE_BYTES, "--seconds", seconds];
    const text = await runProgram(Deno.execPath(), [...args, ...load.map(String)]);
    return JSON.parse(text).messages_per_second;
  }, []);
}

async function withNode<T>(
  use: (port: number) => Promise<T>,
  prefix: readonly string[] = OTHERS,
): Promise<T> {
  const dataDir = await Deno.makeTempDir({ dir: values.dir, prefix: "walrus-latency-" });
  const [raftPort, clientPort] = findFreePorts(2) as [number, number];
  const place = { host: "127.0.0.1", joinHost: "127.0.0.1", prefix };
  const node = new LocalNode({ nodeId: 1, dataDir, raftPort, clientPort, place });
  try {
    node.start();
    await node.ready({ timeoutMs: READY_TIMEOUT_MS });
    return await use(clientPort);
  } finally {
    await node.kill();
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function withEcho<T>(use: (port: number) => Promise<T>): Promise<T> {
  const [port] = findFreePorts(1) as [number];
  const [program, ...args] = OTHERS;
  const child = new Deno.Command(program!, {
    args: [...args, echo, String(port)],
    stdout: "piped",
  }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read(); // "ready"
    reader.releaseLock();
    return await use(port);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await child.stdout.cancel();
  }
}

/** A program that runs another one with a prefix: what runs peers takes a path only. */
async function wrapped(prefix: readonly string[], path: string): Promise<string> {
  const script = `${values.dir}/wrapped_${path.split("/").at(-1)}`;
  await Deno.writeTextFile(script, `#!/bin/sh\nexec ${prefix.join(" ")} ${path} "$@"\n`);
  await Deno.chmod(script, 0o755);
  return await Deno.realPath(script);
}

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1]!;
}

function show(samples: Samples, { singles, groups }: Highest): void {
  const rows = [...samples].map(([name, list]) => {
    const of = (key: "p50Ms" | "p99Ms" | "p999Ms") => median(list.map((sample) => sample[key]));
    const p99s = list.map(({ p99Ms }) => p99Ms);
    const late = median(list.map(({ sent = 1, sentLate = 0 }) => sentLate / sent));
    return {
      name,
      p50Ms: of("p50Ms"),
      p99Ms: of("p99Ms"),
      p99RangeMs: [Math.min(...p99s), Math.max(...p99s)],
      p999Ms: of("p999Ms"),
      sentLate: late,
    };
  });
  const diskMs = rows[0]!.p99Ms;
  const load = Deno.loadavg().map((value) => Number(value.toFixed(1)));
  if (values.json) {
    print(JSON.stringify({ highest: { singles, groups }, rows, load }));
    return;
  }
  print(
    `highest rates on ${CONNECTIONS} connections: ${Math.round(singles)}/s × 1, ` +
      `${Math.round(groups)}/s × ${GROUP}; medians of ${values.rounds} rounds`,
  );
  const head = ["", "p50 ms", "p99 ms", "range", "p99.9 ms", "× disk's p99", "sent late"];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { name, p50Ms, p99Ms, p99RangeMs, p999Ms, sentLate } of rows) {
    table.push([
      name,
      p50Ms.toFixed(3),
      p99Ms.toFixed(3),
      p99RangeMs.map((ms) => ms.toFixed(2)).join("–"),
      p999Ms.toFixed(3),
      (p99Ms / diskMs).toFixed(1),
      `${(sentLate * 100).toFixed(1)} %`,
    ]);
  }
  print(table.toString());
  print(`asked: at most ${TARGET} × the disk's; load ${load.join(" ")}`);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function fail(why: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`${why}\n`));
  Deno.exit(1);
}
