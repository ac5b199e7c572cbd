/**
 * `deno task demo [FILE…]`: the main job on real input, with nothing set up before.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { type TopicState, WalrusClient } from "../client/mod.ts";
import {
  chooseSegmentEntries,
  Comparison,
  consume,
  countLines,
  dealFiles,
  type DemoTopic,
  type InputFile,
  mustBeEmpty,
  produce,
  readNamedFiles,
  readOwnChoice,
  segmentTable,
  startProgress,
  summaryOf,
  type TopicReport,
} from "./demo/mod.ts";
import { describeError, EXIT, exitCodeOf, FailureError } from "./exit.ts";
import { findFreePorts, knowsAll, LOCAL_NODES, LocalCluster, type LocalNode } from "./local/mod.ts";
import { type Output, processOutput } from "./terminal.ts";

/** Of each topic, so much is read while it is written; the rest after the crash. */
const READ_AT_ONCE_SHARE = 0.5;
const RESTART_TIMEOUT_MS = 30_000;

/** Everything that the steps of the demonstration share. */
interface Demo {
  output: Output;
  cluster: LocalCluster;
  topics: DemoTopic[];
  comparisons: Comparison[];
}

/** The whole story; throws unless every message came back once and in order. */
async function runDemo(
  files: InputFile[],
  folder: string,
  { output, signal }: { output: Output; signal: AbortSignal },
): Promise<void> {
  const topics = dealFiles(files);
  const segmentEntries = chooseSegmentEntries(topics);
  const ports = findFreePorts(2 * LOCAL_NODES);
  const logs = await Deno.open(`${folder}/nodes.log`, { create: true, append: true });
  const encoder = new TextEncoder();
  const cluster = new LocalCluster({
    folder,
    raftPorts: ports.slice(0, LOCAL_NODES),
    clientPorts: ports.slice(LOCAL_NODES),
    environment: { WALRUS_MAX_SEGMENT_ENTRIES: `${segmentEntries}`, NO_COLOR: "1" },
    onLine: (nodeId, line) => void logs.writeSync(encoder.encode(`node ${nodeId} ${line}\n`)),
  });
  signal.addEventListener("abort", () => {
    for (const node of cluster.nodes) node.signal("SIGKILL");
  });
  const demo = {
    output,
    cluster,
    topics,
    comparisons: topics.map((topic) => new Comparison(topic)),
  };
  const bytes = files.flatMap((file) => file.lines).reduce((sum, line) => sum + line.length, 0);
  say(output, `${files.length} files, ${countLines(files)} lines, ${bytes} bytes`);
  say(output, `Three nodes start under ${folder}, with segments of ${segmentEntries} entries …`);
  try {
    await cluster.start();
    const { backend, durability } = await withClient(cluster, (client) => client.metrics());
    say(output, `They write with ${backend}; sync mode: ${durability}.`);
    await carry(demo);
    await crashAndRestart(demo);
    await readRest(demo);
    await report(demo);
  } finally {
    await cluster.stop();
    logs.close();
  }
}

async function carry({ output, cluster, topics, comparisons }: Demo): Promise<void> {
  await withClient(cluster, async (client) => {
    for (const topic of topics) await client.register(topic.name);
  });
  const total = comparisons.reduce((sum, { topic }) => sum + topic.messages.length, 0);
  const readNow = comparisons.map(({ topic }) =>
    Math.ceil(topic.messages.length * READ_AT_ONCE_SHARE)
  );
  say(output, `Writing through nodes 1 and 2, reading half of it at once through nodes 2 and 3 …`);
  const progress = startProgress();
  const written = progress.add("written", total);
  const read = progress.add("read", readNow.reduce((sum, count) => sum + count, 0));
  const startMs = performance.now();
  let writtenMs = 0;
  try {
    const writers = topics.map((topic, i) =>
      produce(topic, { address: addressOf(cluster, i), onAcknowledged: () => written.step() })
    );
    const readers = comparisons.map((comparison, i) =>
      consume(comparison, {
        address: addressOf(cluster, i + 1),
        until: readNow[i]!,
        onChecked: () => read.step(),
      })
    );
    const writing = Promise.all(writers).then(() => writtenMs = performance.now() - startMs);
    await Promise.all([writing, ...readers]);
  } finally {
    progress.stop();
  }
  const seconds = writtenMs / 1000;
  say(output, `${total} messages acknowledged in ${seconds.toFixed(2)} s: ${rate(total, seconds)}`);
}

/** Kills a node that leads nothing open, and starts it again on the same data. */
async function crashAndRestart({ output, cluster, topics }: Demo): Promise<void> {
  const states = await statesOf(cluster, topics);
  const busy = new Set(states.map((state) => state.leader_node));
  const victim = cluster.nodes.findLast((node) => !busy.has(node.options.nodeId));
  if (victim === undefined) throw new FailureError("Every node leads an open segment.");
  const id = victim.options.nodeId;
  const led = states.flatMap((state) => Object.values(state.segment_leaders)).filter((n) =>
    n === id
  );
  say(output, `Node ${id} leads nothing open (it led ${led.length} sealed segments): kill -9 …`);
  await victim.kill();
  const startMs = performance.now();
  await restart(victim);
  const seconds = (performance.now() - startMs) / 1000;
  say(output, `Node ${id} is back after ${seconds.toFixed(2)} s.`);
}

async function restart(node: LocalNode): Promise<void> {
  node.start();
  await node.ready({ timeoutMs: RESTART_TIMEOUT_MS, isReady: knowsAll });
}

async function readRest({ output, cluster, comparisons }: Demo): Promise<void> {
  const total = comparisons.reduce(
    (sum, { topic, checked }) => sum + topic.messages.length - checked,
    0,
  );
  say(output, `Reading the other ${total} messages through nodes 3 and 1 …`);
  const progress = startProgress();
  const read = progress.add("read", total);
  const startMs = performance.now();
  try {
    await Promise.all(comparisons.map((comparison, i) =>
      consume(comparison, {
        address: addressOf(cluster, i + 2),
        until: comparison.topic.messages.length,
        onChecked: () => read.step(),
      })
    ));
  } finally {
    progress.stop();
  }
  const seconds = (performance.now() - startMs) / 1000;
  say(output, `${total} messages read in ${seconds.toFixed(2)} s: ${rate(total, seconds)}`);
  for (const [i, comparison] of comparisons.entries()) {
    await mustBeEmpty(comparison, addressOf(cluster, i));
  }
}

async function report({ output, cluster, topics, comparisons }: Demo): Promise<void> {
  const states = await statesOf(cluster, topics);
  const reports: TopicReport[] = topics.map((topic, i) => ({ topic, state: states[i]! }));
  output.out(`${segmentTable(reports)}\n`);
  const { sealed, leaders } = summaryOf(reports);
  say(output, `${sealed} sealed segments; leaders were nodes ${leaders.join(", ")}`);
  const checked = comparisons.reduce((sum, comparison) => sum + comparison.checked, 0);
  const complete = comparisons.every((comparison) => comparison.isComplete);
  if (!complete) throw new FailureError(`Only ${checked} messages came back.`);
  const verdict = `All ${checked} lines came back, each once, in order, byte for byte.`;
  output.out(`${output.paint("green", verdict)}\n`);
}

function statesOf(cluster: LocalCluster, topics: readonly DemoTopic[]): Promise<TopicState[]> {
  return withClient(
    cluster,
    (client) => Promise.all(topics.map((topic) => client.state(topic.name))),
  );
}

async function withClient<T>(
  cluster: LocalCluster,
  action: (client: WalrusClient) => Promise<T>,
): Promise<T> {
  const client = await WalrusClient.connect(cluster.addresses);
  try {
    return await action(client);
  } finally {
    await client.close();
  }
}

function addressOf(cluster: LocalCluster, i: number): string {
  return cluster.nodes[i % LOCAL_NODES]!.clientAddress;
}

function rate(count: number, seconds: number): string {
  return `${Math.round(count / seconds).toLocaleString("en")}/s`;
}

function say(output: Output, text: string): void {
  output.out(`${output.paint("bold", "▸")} ${text}\n`);
}

/** Runs it in a temporary folder, which stays only when something went wrong. */
async function main(args: readonly string[], output: Output): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "walrus-demo-" });
  const remove = () => Deno.removeSync(folder, { recursive: true });
  const interrupt = new AbortController();
  const stop = () => {
    interrupt.abort();
    remove();
    Deno.exit(EXIT.failure);
  };
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  try {
    const files = args.length > 0
      ? await readNamedFiles(args)
      : await readOwnChoice(fileURLToPath(new URL("..", import.meta.url)));
    await runDemo(files, folder, { output, signal: interrupt.signal });
    remove();
    return EXIT.ok;
  } catch (error) {
    const exitCode = exitCodeOf(error);
    output.error(`demo: ${describeError(error, { withStack: true })}\n`);
    if (exitCode === EXIT.usage) remove();
    else output.error(`demo: the nodes' logs and data are kept in ${folder}\n`);
    return exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args, processOutput()));
