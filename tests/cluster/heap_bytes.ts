/**
 * What the heaps of running nodes hold, without garbage.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { until } from "./load.ts";
import type { RunningCluster } from "./running_cluster.ts";

/** What the line begins with that a weighed node writes. */
export const HEAP_LINE = "heap bytes: ";

/** What a cluster is started with whose heaps are to be weighed. */
export const WEIGHED = {
  script: fileURLToPath(new URL("weighed_node.ts", import.meta.url)),
  environment: { DENO_V8_FLAGS: "--expose-gc" },
};

/** Of each node, in their order. */
export async function heapBytesOf({ nodes, logOf }: RunningCluster): Promise<number[]> {
  const found: number[] = [];
  for (const node of nodes) {
    const { nodeId } = node.options;
    const answers = () => logOf(nodeId).filter((line) => line.startsWith(HEAP_LINE));
    const before = answers().length;
    node.signal("SIGUSR2");
    await until(`node ${nodeId} weighs its heap`, () => answers().length > before);
    found.push(Number(answers().at(-1)!.slice(HEAP_LINE.length)));
  }
  return found;
}
