/**
 * Clusters of real processes in temporary folders, with their logs.
 *
 * @module
 */

import { findFreePorts } from "../../cli/local/mod.ts";
import { knowsAll, knowsLeader, LOCAL_NODES, LocalCluster } from "../../cli/local/local_cluster.ts";
import type { LocalNode, NodePlace } from "../../cli/local/local_node.ts";
import { openDisk } from "../../storage/disk/mod.ts";

/** How long a node may take to be ready again after a restart. */
export const READY_TIMEOUT_MS = 30_000;
/** Set to 1, the data of a test that fails is kept; the logs name its folder. */
const KEEP_VARIABLE = "WALRUS_TEST_KEEP";
/** Log lines of each node that are shown when a test fails. */
const LOG_LINES_SHOWN_MAX = 40;

/** The storage backends, each with what turns it on. */
export const BACKENDS: readonly { name: string; environment: Record<string, string> }[] = [
  { name: "io_uring", environment: { WALRUS_DISABLE_IO_URING: "" } },
  { name: "file", environment: { WALRUS_DISABLE_IO_URING: "1" } },
];

/** A cluster that a test works on. */
export interface RunningCluster {
  cluster: LocalCluster;
  nodes: readonly LocalNode[];
  clientPorts: readonly number[];
  /** All log lines of a node so far. */
  logOf(nodeId: number): readonly string[];
  /** Starts those nodes that don't run and waits until all know a leader. */
  restart(): Promise<void>;
}

/** Starts three nodes, on the loopback unless told otherwise, runs the test, and stops everything whatever happens. */
export async function withCluster(
  environment: Record<string, string>,
  test: (running: RunningCluster) => Promise<void>,
  options: {
    placeOf?: (nodeId: number) => NodePlace;
    clientPorts?: readonly number[];
    script?: string;
  } = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "walrus-test-" });
  const ports = findFreePorts(2 * LOCAL_NODES);
  const clientPorts = options.clientPorts ?? ports.slice(LOCAL_NODES);
  const logs = new Map<number, string[]>();
  const cluster = new LocalCluster({
    folder,
    raftPorts: ports.slice(0, LOCAL_NODES),
    clientPorts,
    environment: { WALRUS_LOG: "info", ...environment },
    ...(options.placeOf && { placeOf: options.placeOf }),
    ...(options.script && { script: options.script }),
    onLine: (nodeId, line) => {
      const lines = logs.get(nodeId) ?? [];
      lines.push(line);
      logs.set(nodeId, lines);
    },
  });
  let isFailed = false;
  try {
    await cluster.start();
    await test({
      cluster,
      nodes: cluster.nodes,
      clientPorts,
      logOf: (nodeId) => logs.get(nodeId) ?? [],
      restart: () => restartAll(cluster),
    });
  } catch (error) {
    isFailed = true;
    showLogs(logs);
    throw error;
  } finally {
    for (const node of cluster.nodes) node.signal("SIGCONT");
    await killAll(cluster.nodes);
    const isKept = isFailed && Deno.env.get(KEEP_VARIABLE) === "1";
    if (!isKept) await Deno.remove(folder, { recursive: true });
  }
}

function showLogs(logs: ReadonlyMap<number, readonly string[]>): void {
  const encoder = new TextEncoder();
  for (const [nodeId, lines] of logs) {
    for (const line of lines.slice(-LOG_LINES_SHOWN_MAX)) {
      Deno.stderr.writeSync(encoder.encode(`node ${nodeId} | ${line}\n`));
    }
  }
}

async function restartAll(cluster: LocalCluster): Promise<void> {
  for (const node of cluster.nodes) if (!node.isRunning) node.start();
  for (const node of cluster.nodes) {
    await node.ready({
      timeoutMs: READY_TIMEOUT_MS,
      isReady: (metrics) => knowsLeader(metrics) && knowsAll(metrics),
    });
  }
}

/** Runs steps of a test on one cluster; the first that fails ends the test, and its logs are shown. */
export function stepsOf(
  t: Deno.TestContext,
): (name: string, run: () => Promise<void>) => Promise<void> {
  return async (name, run) => {
    if (!await t.step(name, run)) throw new Error(`Failed: ${name}`);
  };
}

/** Kills all of them at the same moment, as a power cut does, and waits until they are gone. */
export async function killAll(nodes: readonly LocalNode[]): Promise<void> {
  for (const node of nodes) node.signal("SIGKILL");
  await Promise.all(nodes.map((node) => node.exit));
}

/**
 * Memory of a node's process in MiB: what is resident (`VmRSS`), or all that was asked for (`VmData`), which
 * shows buffers too that were allocated and never touched.
 */
export async function memoryMiB(node: LocalNode, kind: "VmRSS" | "VmData"): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${node.pid}/status`);
  const match = new RegExp(`^${kind}:\\s+(\\d+) kB$`, "m").exec(status);
  if (match === null) throw new Error(`No ${kind} of process ${node.pid}`);
  return Number(match[1]) / 1024;
}

/**
 * A test on each backend. Where io_uring can't be had the test's name carries the reason, and it is skipped:
 * CI decides whether the reason is good.
 */
export async function testOnBackends(
  name: string,
  test: (environment: Record<string, string>) => Promise<void>,
): Promise<void> {
  const reason = await whyNoUring();
  for (const { name: backend, environment } of BACKENDS) {
    const isSkipped = backend === "io_uring" && reason !== null;
    Deno.test({
      name: `${name} (${backend})${isSkipped ? ` (skipped: ${reason})` : ""}`,
      ignore: isSkipped,
      fn: () => test(environment),
    });
  }
}

async function whyNoUring(): Promise<string | null> {
  const directory = await Deno.makeTempDir({ prefix: "walrus-test-" });
  const disk = await openDisk({ directory, disableUring: false });
  await disk.close();
  await Deno.remove(directory, { recursive: true });
  return disk.backend === "io_uring" ? null : disk.reason;
}
