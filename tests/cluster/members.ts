/**
 * Nodes that come and go, and what the others say of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { LocalNode } from "../../cli/local/local_node.ts";
import { until } from "./load.ts";
import { askOnce } from "./raw_client.ts";
import { metricsOf, nodesOf } from "./reports.ts";

/** What a node is told whose incarnation was removed. */
export const REMOVED =
  /was removed from the cluster: to have it back, start it with an empty data directory/;

const votersOf = async (port: number) =>
  (await metricsOf(port)).membership_config.membership.configs.flat();

/** Starts it, and waits until it is a voter, as another node sees it. */
export async function joinCluster(node: LocalNode, seenFrom: number): Promise<void> {
  node.start();
  await until(`node ${node.options.nodeId} is a voter`, async () => {
    return (await votersOf(seenFrom)).includes(node.options.nodeId);
  });
}

/** Removes a node, and waits until it is gone from metadata and Raft. */
export async function removeNode(id: number, port: number): Promise<void> {
  assert.equal(await askOnce(port, `REMOVE-NODE ${id}`), "OK");
  await until(`node ${id} is gone`, async () => {
    const isKnown = (await nodesOf(port)).some((node) => node.id === id);
    return !isKnown && !(await votersOf(port)).includes(id);
  });
}

/** Waits until the process has ended by itself. */
export async function exitCodeOf(node: LocalNode): Promise<number> {
  await until(`node ${node.options.nodeId} has ended`, () => !node.isRunning);
  return (await node.exit).code;
}

/** Port of some node that is not `id`. */
export function portBeside(nodes: readonly LocalNode[], id: number): number {
  return nodes.find((node) => node.options.nodeId !== id && node.isRunning)!.options.clientPort;
}
