/**
 * Three nodes on this machine that know each other.
 *
 * @module
 */

import type { NodeMetrics } from "../../client/mod.ts";
import { LocalNode, type LocalNodeOptions, type NodePlace } from "./local_node.ts";

/** Nodes of a local cluster. */
export const LOCAL_NODES = 3;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/** Where the nodes of a local cluster stand, and what they have in common. */
export interface LocalClusterOptions {
  /** Each node's data is in a folder of its own there. */
  folder: string;
  raftPorts: readonly number[];
  clientPorts: readonly number[];
  environment?: Record<string, string>;
  /** See {@link LocalNodeOptions.script}. */
  script?: string;
  /** Where each node stands, unless that is this machine's loopback. */
  placeOf?: (nodeId: number) => NodePlace;
  onLine?: (nodeId: number, line: string) => void;
}

/** Node 1 starts the cluster, the others join it. */
export class LocalCluster {
  readonly nodes: readonly LocalNode[];
  readonly #isNew: boolean;

  constructor(options: LocalClusterOptions) {
    this.#isNew = isEmptyOrMissing(options.folder);
    this.nodes = Array.from({ length: LOCAL_NODES }, (_, i) => {
      const nodeId = i + 1;
      const node: LocalNodeOptions = {
        nodeId,
        dataDir: `${options.folder}/node-${nodeId}`,
        raftPort: options.raftPorts[i]!,
        clientPort: options.clientPorts[i]!,
        environment: options.environment ?? {},
        onLine: (line) => options.onLine?.(nodeId, line),
      };
      if (options.script) node.script = options.script;
      if (options.placeOf) node.place = options.placeOf(nodeId);
      if (i > 0) node.joinPort = options.raftPorts[0]!;
      return new LocalNode(node);
    });
  }

  /** Client addresses with commas between. */
  get addresses(): string {
    return this.nodes.map((node) => node.clientAddress).join(",");
  }

  /** Starts all nodes and waits until each of them knows all. @throws {FailureError} */
  async start(): Promise<void> {
    const [first, ...others] = this.nodes;
    first!.start();
    // A new cluster begins with one node; an old one needs a majority before anything is ready.
    if (this.#isNew) await first!.ready({ timeoutMs: START_TIMEOUT_MS, isReady: knowsLeader });
    for (const node of others) node.start();
    for (const node of this.nodes) {
      await node.ready({ timeoutMs: START_TIMEOUT_MS, isReady: knowsAll });
    }
  }

  /** Stops all nodes at once; true when each stopped with order. */
  async stop(): Promise<boolean> {
    const running = this.nodes.filter((node) => node.isRunning);
    const exits = await Promise.all(
      running.map((node) => node.stop({ timeoutMs: STOP_TIMEOUT_MS })),
    );
    return exits.every((exit) => exit.code === 0);
  }
}

function isEmptyOrMissing(folder: string): boolean {
  try {
    return [...Deno.readDirSync(folder)].every((entry) => !entry.name.startsWith("node-"));
  } catch {
    return true;
  }
}

/** The node serves, and knows who leads the metadata. */
export function knowsLeader(metrics: NodeMetrics): boolean {
  return metrics.current_leader !== null;
}

/** All nodes are voting members, as far as this one knows. */
export function knowsAll(metrics: NodeMetrics): boolean {
  const configs = metrics.membership_config.membership.configs;
  return knowsLeader(metrics) && configs.length === 1 && configs[0]!.length === LOCAL_NODES;
}
