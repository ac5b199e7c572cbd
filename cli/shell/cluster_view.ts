/**
 * The cluster as tables, a screen and a line: from answers to text, nothing else.
 *
 * @module
 */

import type { NodeList, NodeMetrics, TopicList } from "../../client/mod.ts";
import type { Paint } from "../terminal.ts";

type NodeRow = NodeList["nodes"][number];
type TopicRow = TopicList["topics"][number];

/** What one look at the cluster found. */
export interface ClusterLook {
  atMs: number;
  nodes: readonly NodeRow[];
  topics: readonly TopicRow[];
  /** Of the nodes that answered, by id. */
  metrics: ReadonlyMap<number, NodeMetrics>;
}

/** Two looks, so that there are rates; `before` is `null` at the first. */
export interface ClusterChange {
  now: ClusterLook;
  before: ClusterLook | null;
}

/** Where a screen goes. */
export interface ScreenOptions {
  columns: number;
  rows: number;
  paint: Paint;
}

const MEGABYTE = 1_000_000;
/** Where there is nothing to say. */
const NONE = "-";

/** All nodes; with their rates where a change is given. */
export function nodesTable(
  nodes: readonly NodeRow[],
  paint: Paint,
  change: ClusterChange | null = null,
): string[] {
  const head = ["node", "role", "live", "clients", "raft", "leads", "holds"];
  const rows = nodes.map((node) => [
    String(node.id),
    `${node.role}${node.draining ? ", leaving" : ""}${node.given_up ? ", given up" : ""}`,
    node.live ? "yes" : "NO",
    node.client_addr,
    node.raft_addr,
    String(node.leads),
    String(node.holds),
    ...change === null ? [] : countsOf(node.id, change),
  ]);
  const counts = change === null ? [] : ["appends/s", "p99 ms", "lag"];
  const lines = alignedTable([...head, ...counts], rows, { right: ["leads", "holds", ...counts] });
  return lines.map((line, i) => nodes[i - 1]?.live === false ? paint("red", line) : line);
}

/** All topics. */
export function topicsTable(topics: readonly TopicRow[]): string[] {
  const head = ["topic", "segments", "leader", "sealed entries", "sealed MB", "replicas", "fsync"];
  const rows = topics.map((topic) => [
    topic.topic,
    String(topic.segments),
    `node ${topic.leader_node}`,
    grouped(topic.sealed_entries),
    (topic.sealed_bytes / MEGABYTE).toFixed(1),
    String(topic.replication_factor),
    topic.fsync ?? "as nodes do",
  ]);
  return alignedTable(head, rows, {
    right: ["segments", "sealed entries", "sealed MB", "replicas"],
  });
}

/** A whole screen: never wider or higher than it is. */
export function clusterScreen(
  change: ClusterChange,
  { columns, rows, paint }: ScreenOptions,
): string[] {
  const { now } = change;
  const room = Math.max(0, rows - now.nodes.length - FIXED_LINES);
  const topics = topicsTable(now.topics);
  const hidden = Math.max(0, now.topics.length - room);
  const lines = [
    paint("bold", cut(clusterLine(change), columns)),
    "",
    ...nodesTable(now.nodes, UNPAINTED, change).map((line, i) =>
      styled(cut(line, columns), { i, paint, isAlarm: now.nodes[i - 1]?.live === false })
    ),
    "",
    ...topics.slice(0, topics.length - hidden).map((line, i) =>
      styled(cut(line, columns), { i, paint, isAlarm: false })
    ),
  ];
  if (hidden > 0) lines.push(cut(`… and ${hidden} more topics`, columns));
  return lines.slice(0, rows);
}

const UNPAINTED: Paint = (_style, text) => text;
/** Of a screen, besides nodes and topics: what stands between, two heads, the line of what is hidden. */
const FIXED_LINES = 6;

/** One line that says it all, for logs. */
export function clusterLine({ now, before }: ClusterChange): string {
  const time = new Date(now.atMs).toISOString().slice(11, 19);
  const live = now.nodes.filter((node) => node.live).length;
  const leader = now.nodes.find((node) => node.role === "leader")?.id ?? "none";
  const segments = now.topics.reduce((sum, topic) => sum + topic.segments, 0);
  const rates = now.nodes.map((node) => rateOf(node.id, { now, before }));
  const known = rates.filter((rate) => rate !== null);
  const rate = known.length === 0
    ? NONE
    : grouped(Math.round(known.reduce((sum, x) => sum + x, 0)));
  return `${time}Z  ${live} of ${now.nodes.length} nodes live, metadata leader ${leader}, ` +
    `${counted(now.topics.length, "topic")}, ${counted(segments, "segment")}, ${rate} appends/s`;
}

function countsOf(id: number, change: ClusterChange): string[] {
  const metrics = change.now.metrics.get(id);
  const rate = rateOf(id, change);
  const p99 = numberAt(metrics, ["appends", "commit_latency_ms", "p99"]);
  const lags = Object.values((metrics?.["replication_lag"] ?? {}) as Record<string, unknown>);
  const lag = lags.filter((value) => typeof value === "number");
  return [
    rate === null ? NONE : grouped(Math.round(rate)),
    p99 === null ? NONE : p99.toFixed(1),
    lag.length === 0 ? NONE : grouped(Math.max(...lag)),
  ];
}

/** Appends a second; `null` where a node did not answer twice, or was started anew. */
function rateOf(id: number, { now, before }: ClusterChange): number | null {
  if (before === null) return null;
  const entries = [before, now].map((look) =>
    numberAt(look.metrics.get(id), ["appends", "entries"])
  );
  const [from, to] = entries as [number | null, number | null];
  const seconds = (now.atMs - before.atMs) / 1000;
  if (from === null || to === null || to < from || seconds <= 0) return null;
  return (to - from) / seconds;
}

function numberAt(value: unknown, path: readonly string[]): number | null {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return null;
    at = (at as Record<string, unknown>)[key];
  }
  return typeof at === "number" ? at : null;
}

/** Columns as wide as their longest cell, two spaces between. */
function alignedTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { right }: { right: readonly string[] },
): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) =>
    row.map((cell, i) =>
      right.includes(head[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
    ).join("  ").trimEnd()
  );
}

function grouped(count: number): string {
  return count.toLocaleString("en");
}

function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
}

function cut(line: string, columns: number): string {
  return line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line;
}

function styled(
  line: string,
  { i, paint, isAlarm }: { i: number; paint: Paint; isAlarm: boolean },
): string {
  if (i === 0) return paint("dim", line);
  return isAlarm ? paint("red", line) : line;
}
