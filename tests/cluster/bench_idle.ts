/**
 * What nodes cost that nobody asks anything: CPU time of a single node and of three, from the system's books.
 * `deno task bench:idle [SECONDS]`. Three topics are there, with an entry each.
 *
 * @module
 */

import { findFreePorts } from "../../cli/local/mod.ts";
import { LocalNode } from "../../cli/local/local_node.ts";
import { pause, registerTopics } from "./load.ts";
import { askOnce } from "./raw_client.ts";
import { withCluster } from "./running_cluster.ts";

const SECONDS_DEFAULT = 60;
/** After the start: connections, the first snapshot of the compiler's work, zeroed files. */
const SETTLE_MS = 5000;
/** The unit of `utime` and `stime` in `/proc/PID/stat`, as Linux gives it to processes. */
const TICKS_PER_SECOND = 100;
const TOPICS = ["idle-a", "idle-b", "idle-c"];

const seconds = Number(Deno.args[0] ?? SECONDS_DEFAULT);

/** CPU time of a process so far, user and system, in clock ticks. */
async function ticksOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Per cent of one core that each process takes. */
async function measure(nodes: readonly LocalNode[]): Promise<number[]> {
  await pause(SETTLE_MS);
  const before = await Promise.all(nodes.map((node) => ticksOf(node.pid!)));
  await pause(seconds * 1000);
  const after = await Promise.all(nodes.map((node) => ticksOf(node.pid!)));
  return after.map((ticks, i) => (ticks - before[i]!) / TICKS_PER_SECOND / seconds * 100);
}

async function fill(port: number): Promise<void> {
  await registerTopics(port, TOPICS);
  for (const topic of TOPICS) await askOnce(port, `PUT ${topic} entry`);
}

async function measureSingle(): Promise<number[]> {
  const dataDir = await Deno.makeTempDir({ prefix: "walrus-idle-" });
  const [raftPort, clientPort] = findFreePorts(2) as [number, number];
  const node = new LocalNode({ nodeId: 1, dataDir, raftPort, clientPort });
  try {
    node.start();
    await node.ready({ timeoutMs: 30_000 });
    await fill(clientPort);
    return await measure([node]);
  } finally {
    await node.kill();
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function measureThree(): Promise<number[]> {
  let percents: number[] = [];
  await withCluster({}, async ({ nodes, clientPorts }) => {
    await fill(clientPorts[0]!);
    percents = await measure(nodes);
  });
  return percents;
}

function show(what: string, percents: readonly number[]): void {
  const text = percents.map((percent) => `${percent.toFixed(2)} %`).join(", ");
  Deno.stdout.writeSync(
    new TextEncoder().encode(`${what}: ${text} of a core over ${seconds} s\n`),
  );
}

show("single node", await measureSingle());
show("three nodes", await measureThree());
Deno.stdout.writeSync(
  new TextEncoder().encode(`load: ${Deno.loadavg().map((l) => l.toFixed(1))}\n`),
);
