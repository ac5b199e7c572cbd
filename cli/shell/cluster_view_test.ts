import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { NodeList, NodeMetrics, TopicList } from "../../client/mod.ts";
import { painterFor } from "../terminal.ts";
import {
  clusterLine,
  type ClusterLook,
  clusterScreen,
  nodesTable,
  topicsTable,
} from "./cluster_view.ts";

const paint = painterFor(false);

function node(
  id: number,
  more: Partial<NodeList["nodes"][number]> = {},
): NodeList["nodes"][number] {
  return {
    id,
    incarnation: "i",
    raft_addr: `10.0.0.${id}:6000`,
    client_addr: `10.0.0.${id}:8080`,
    role: id === 1 ? "leader" : "voter",
    live: true,
    draining: false,
    given_up: false,
    leads: 1,
    holds: 12,
    ...more,
  };
}

function topic(name: string): TopicList["topics"][number] {
  return {
    topic: name,
    segments: 3,
    leader_node: 1,
    sealed_entries: 1_234_567,
    sealed_bytes: 2_500_000,
    replication_factor: 3,
    fsync: null,
  };
}

function look(atMs: number, entries: Record<number, number>): ClusterLook {
  const metrics = Object.entries(entries).map(([id, count]): [number, NodeMetrics] => [Number(id), {
    appends: { entries: count, commit_latency_ms: { p99: 3.14159 } },
    replication_lag: { 2: 5, 3: 1700 },
  } as unknown as NodeMetrics]);
  return {
    atMs,
    nodes: [node(1), node(2), node(3, { live: false })],
    topics: [topic("logs"), topic("web")],
    metrics: new Map(metrics),
  };
}

Deno.test("nodesTable() and topicsTable() align their columns", () => {
  deepStrictEqual(nodesTable([node(1), node(12, { live: false, draining: true })], paint), [
    "node  role            live  clients         raft            leads  holds",
    "1     leader          yes   10.0.0.1:8080   10.0.0.1:6000       1     12",
    "12    voter, leaving  NO    10.0.0.12:8080  10.0.0.12:6000      1     12",
  ]);
  const lost = node(3, { live: false, draining: true, given_up: true });
  match(nodesTable([lost], paint)[1]!, /^3 +voter, leaving, given up +NO /);
  deepStrictEqual(topicsTable([topic("logs")]), [
    "topic  segments  leader  sealed entries  sealed MB  replicas  fsync",
    "logs          3  node 1       1,234,567        2.5         3  as nodes do",
  ]);
});

Deno.test("clusterLine() says rates of nodes that were counted twice by one process", () => {
  const before = look(10_000, { 1: 100, 2: 5000 });
  const first = clusterLine({ now: before, before: null });
  strictEqual(
    first,
    "00:00:10Z  2 of 3 nodes live, metadata leader 1, 2 topics, 6 segments, - appends/s",
  );
  // Node 2 was started anew: its count began at 0.
  const line = clusterLine({ now: look(12_000, { 1: 2100, 2: 10, 3: 9 }), before });
  ok(line.endsWith(", 1,000 appends/s"), line);
});

Deno.test("clusterScreen() shows rates, and fits whatever screen there is", () => {
  const change = { now: look(2_000, { 1: 4000 }), before: look(1_000, { 1: 0 }) };
  const wide = clusterScreen(change, { columns: 200, rows: 40, paint });
  ok(wide[3]!.endsWith("4,000     3.1  1,700"), wide[3]);
  ok(wide[4]!.endsWith("-       -      -"), wide[4]);
  const many = { ...change.now, topics: Array.from({ length: 500 }, (_, i) => topic(`t${i}`)) };
  for (const [columns, rows] of [[80, 24], [20, 5], [1, 1]] as const) {
    const lines = clusterScreen({ now: many, before: null }, { columns, rows, paint });
    ok(lines.length <= rows, `${lines.length} lines on ${rows} rows`);
    ok(lines.every((line) => line.length <= columns), `on ${columns} columns`);
  }
  const cut = clusterScreen({ now: many, before: null }, { columns: 80, rows: 24, paint });
  strictEqual(cut.at(-1), "… and 485 more topics");
});
