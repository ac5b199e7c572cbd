/**
 * `deno task bench:paths [NAME …]`: what each path through a cluster of three takes of the processor, on each of
 * the nodes, per message. Rates depend on what else the machine does; processor time much less.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { type BenchPlan, runBench } from "../../cli/bench/bench.ts";
import { RealClock, RealNetwork } from "../../world/real/mod.ts";
import { LOCAL_NODES } from "../../cli/local/mod.ts";
import { askOnce, type RunningCluster, withCluster } from "./mod.ts";

const SECONDS = 4;
const SIZE_BYTES = 726;
/** Of the kernel's accounting. */
const TICK_US = 10_000;
/** No rollover in between. */
const ENVIRONMENT = {
  WALRUS_MAX_SEGMENT_ENTRIES: "1000000000",
  WALRUS_MAX_SEGMENT_BYTES: "1000000000000",
};

/** One path: which topic, which node is asked, and what for. */
interface Path {
  name: string;
  topic: "alone" | "batches" | "replicated";
  through: "leader" | "other";
  plan?: Partial<BenchPlan>;
}

const TOPICS = { alone: "rf=1", batches: "rf=1", replicated: "rf=3" } as const;

/** Reads need what the appends before them have put there. */
const PATHS: readonly Path[] = [
  { name: "put-256x1", topic: "alone", through: "leader", plan: { depth: 1 } },
  { name: "put-256x16", topic: "alone", through: "leader" },
  {
    name: "batch-64x100",
    topic: "batches",
    through: "leader",
    plan: { connections: 64, depth: 1, batch: 100 },
  },
  { name: "forward-256x1", topic: "alone", through: "other", plan: { depth: 1 } },
  { name: "forward-256x16", topic: "alone", through: "other" },
  { name: "replicate-256x16", topic: "replicated", through: "leader" },
  { name: "forward-replicate-256x16", topic: "replicated", through: "other" },
  { name: "get-64x16", topic: "alone", through: "leader", plan: { kind: "get", connections: 64 } },
  { name: "fetch-8", topic: "batches", through: "leader", plan: { kind: "fetch", connections: 8 } },
  {
    name: "fetch-8-elsewhere",
    topic: "batches",
    through: "other",
    plan: { kind: "fetch", connections: 8 },
  },
];

const wanted = Deno.args.length > 0 ? PATHS.filter(({ name }) => Deno.args.includes(name)) : PATHS;
await withCluster(ENVIRONMENT, async (running) => {
  for (const [topic, settings] of Object.entries(TOPICS)) {
    await askOnce(running.clientPorts[0]!, `REGISTER ${topic}-0 ${settings}`);
  }
  for (const path of wanted) console.log(await measure(running, path));
});

async function measure(running: RunningCluster, path: Path): Promise<string> {
  const state = await askOnce(running.clientPorts[0]!, `STATE ${path.topic}-0`);
  const leader: number = JSON.parse(state).leader_node;
  const other = leader % LOCAL_NODES + 1;
  const third = other % LOCAL_NODES + 1;
  const asked = path.through === "leader" ? leader : other;
  const before = running.nodes.map(({ pid }) => cpuUs(pid!));
  const load = Deno.loadavg()[0]!.toFixed(0);
  const result = await runBench({
    kind: "put",
    batch: null,
    addresses: [{ host: "127.0.0.1", port: running.clientPorts[asked - 1]! }],
    connections: 256,
    depth: 16,
    sizeBytes: SIZE_BYTES,
    seconds: SECONDS,
    warmUpSeconds: 0,
    topics: 1,
    topicPrefix: path.topic,
    ratePerSecond: null,
    withTails: false,
    ...path.plan,
  }, { clock: new RealClock(), network: new RealNetwork() });
  const spentUs = (node: number) => {
    const us = cpuUs(running.nodes[node - 1]!.pid!) - before[node - 1]!;
    return (us / result.messages).toFixed(2);
  };
  const rate = Math.round(result.messages_per_second).toLocaleString("en");
  return `${path.name.padEnd(25)} ${rate.padStart(10)}/s  µs of processor a message: ` +
    `leader ${spentUs(leader)}, the next node ${spentUs(other)}, the third ${spentUs(third)}` +
    `  (load ${load})`;
}

/** Processor time of all threads of a process so far. */
function cpuUs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}
