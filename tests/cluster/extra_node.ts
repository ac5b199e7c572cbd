/**
 * Nodes beside the three of a running cluster.
 *
 * @module
 */

import { LocalNode, type LocalNodeOptions } from "../../cli/local/local_node.ts";
import { findFreePorts } from "../../cli/local/free_ports.ts";
import type { RunningCluster } from "./running_cluster.ts";

/** A node that a test starts by itself. */
export interface ExtraNode {
  node: LocalNode;
  /** Its log lines so far. */
  lines: readonly string[];
}

/**
 * Runs `test` with a node that is not started yet, on ports of its own, set to join node 1; `changes` says
 * what is different. Kills it at the end.
 */
export async function withExtraNode(
  running: RunningCluster,
  changes: Partial<LocalNodeOptions> & { nodeId: number },
  test: (extra: ExtraNode) => Promise<void>,
): Promise<void> {
  const [first] = running.nodes;
  const { dataDir, environment, raftPort } = first!.options;
  const [ownRaftPort, ownClientPort] = findFreePorts(2) as [number, number];
  const lines: string[] = [];
  const node = new LocalNode({
    dataDir: `${dataDir}-extra-${changes.nodeId}`,
    raftPort: ownRaftPort,
    clientPort: ownClientPort,
    joinPort: raftPort,
    environment: environment ?? {},
    ...changes,
    onLine: (line) => lines.push(line),
  });
  try {
    await test({ node, lines });
  } finally {
    await node.kill();
  }
}
