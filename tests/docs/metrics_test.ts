import assert from "node:assert/strict";
import { type NodeMetrics, WalrusClient } from "../../client/mod.ts";
import { findFreePorts, LocalNode } from "../../cli/local/mod.ts";

const OPERATIONS = await Deno.readTextFile(new URL("../../spec/OPERATIONS.md", import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
/** Groups of numbers, each of which has a meaning of its own. */
const GROUPS: ReadonlySet<string> = new Set(["appends", "repair", "scrub", "storage"]);

/** The keys in the first column of the table; `.b` behind `a.c` is `a.b`. */
function documentedKeys(): string[] {
  const section = OPERATIONS.split("## What the numbers mean")[1]!.split("\n## ")[0]!;
  return section.split("\n").filter((line) => line.startsWith("| `")).flatMap((line) => {
    let group = "";
    return [...line.split("|")[1]!.matchAll(/`([\w.]+)`/g)].map(([, key]) => {
      if (key!.startsWith(".")) return group + key!;
      group = key!.split(".")[0]!;
      return key!;
    });
  });
}

function keysOf(metrics: NodeMetrics): string[] {
  return Object.entries(metrics).flatMap(([key, value]) =>
    GROUPS.has(key) ? Object.keys(value as object).map((inner) => `${key}.${inner}`) : [key]
  );
}

Deno.test("OPERATIONS.md says what every key of METRICS means, and of no other", async () => {
  const dataDir = await Deno.makeTempDir();
  const [raftPort, clientPort] = findFreePorts(2) as [number, number];
  const node = new LocalNode({ nodeId: 1, dataDir, raftPort, clientPort });
  node.start();
  try {
    await node.ready({ timeoutMs: READY_TIMEOUT_MS });
    await using client = await WalrusClient.connect(node.clientAddress);
    assert.deepEqual(documentedKeys().sort(), keysOf(await client.metrics()).sort());
  } finally {
    await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
    await Deno.remove(dataDir, { recursive: true });
  }
});
