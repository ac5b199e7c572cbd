/**
 * Short lives of a cluster of three and its topic `t`, event by event, to be put together in tests.
 *
 * @module
 */

import type { Command } from "../../server/metadata/mod.ts";
import type { TraceEvent } from "../../server/segments/segment_trace.ts";

/** The first segment's leader is node 1. */
export const NODES = [1, 2, 3] as const;
const ALL: readonly number[] = NODES;

/** One event of segment 1, or of another one where `fields` says so. */
export function on(node: number, kind: TraceEvent["kind"], fields: object = {}): TraceEvent {
  return { node, kind, topic: "t", segment: 1, ...fields } as unknown as TraceEvent;
}

/** A process begins; the segment's log holds what `kept` says. */
export function start(
  node: number,
  options: {
    run?: string;
    kept?: number;
    entries?: number;
    fenced?: boolean;
    durability?: "each" | "none";
  } = {},
): TraceEvent[] {
  const { kept, fenced, run = `run ${node}`, durability = "each" } = options;
  const length = kept ?? 0;
  const logs = kept === undefined
    ? []
    : [{ topic: "t", segment: 1, length, entries: options.entries ?? length, isCertain: true }];
  const fences = fenced ? [{ topic: "t", segment: 1 }] : [];
  return [
    { node, kind: "restart", run, incarnation: `disk ${node}`, durability, logs },
    { node, kind: "remember", fenced: fences, uncertain: [], isCertain: true },
    { node, kind: "ready", uncertain: [] },
  ];
}

/** Nodes apply a command. */
export function learn(
  index: number,
  command: Command,
  options: { nodes?: readonly number[]; isDone?: boolean } = {},
): TraceEvent[] {
  const { nodes = ALL, isDone = true } = options;
  return nodes.map((node) => ({ node, kind: "learn", index, command, isDone }));
}

/** A node makes itself and its run known. */
export function registration(id: number, run = `run ${id}`): Command {
  const host = `n${id}`;
  const addresses = { raftHost: host, raftPort: 6000, clientHost: host, clientPort: 8080 };
  return { kind: "registerNode", id, incarnation: `disk ${id}`, run, ...addresses };
}

/** A topic on these nodes, led by the first one. */
export function creation(replicas: readonly number[] = ALL): Command {
  const topic = { topic: "t", replicationFactor: replicas.length, durability: null };
  const rest = { firstSegment: 1, retention: { bytes: null, ms: null, entries: null } };
  return { kind: "createTopic", ...topic, ...rest, leader: replicas[0]!, replicas };
}

/** Three nodes that know each other and the topic, and its writer; metadata is at index 4. */
export function cluster(
  options: { replicas?: readonly number[]; durability?: "none" } = {},
): TraceEvent[] {
  const { replicas = ALL } = options;
  return [
    ...NODES.flatMap((node) => start(node, options)),
    ...NODES.flatMap((node) => learn(node, registration(node))),
    ...learn(4, creation(replicas)),
    ...NODES.map((node) => lease(node)),
    on(replicas[0]!, "openWriter", { length: 0 }),
  ];
}

/** A node looks again what it may append to. */
export function lease(node: number, isHeld = true): TraceEvent {
  return { node, kind: "refreshLease", isHeld };
}

/** Records go from the writer to some replicas, and are acknowledged by them and by itself. */
export function write(
  position: number,
  records: readonly number[],
  followers: readonly number[] = [2, 3],
): TraceEvent[] {
  const length = position + records.length;
  return [
    on(1, "append", { position, records }),
    ...followers.map((node) => on(node, "replicaAppend", { position, records })),
    on(1, "acknowledge", { length }),
    ...followers.map((node) => on(node, "acknowledge", { length })),
  ];
}

/** Written, and committed. */
export function put(
  position: number,
  records: readonly number[],
  followers?: readonly number[],
): TraceEvent[] {
  return [
    ...write(position, records, followers),
    on(1, "commit", { length: position + records.length }),
  ];
}

/** The seal of segment 1 as a command: planned where `run` is given. */
export function sealing(
  seal: { run: string | null; count: number; length?: number; cursor?: number; leader?: number },
): Command {
  const { run, count, length = count, cursor = 0, leader = 2 } = seal;
  return {
    kind: "sealSegment",
    topic: "t",
    segment: 1,
    expectedRun: run,
    count,
    length,
    bytes: 0,
    mayHaveLost: false,
    sealedMs: 0,
    cursors: [{ name: "", offset: cursor }],
    nextLeader: leader,
    nextReplicas: ALL,
  };
}

/** Closed, counted, sealed and learnt at index 5. */
export function rollover(count: number): TraceEvent[] {
  return [
    on(1, "close"),
    on(1, "takeCount", { count, length: count, cursor: 0 }),
    ...learn(5, sealing({ run: "run 1", count })),
  ];
}

/** `BeginSeal`, committed at index 5, and learnt by some nodes. */
export function begin(nodes: readonly number[] = [2, 3], by = 2): TraceEvent[] {
  return [
    on(by, "startRecovery"),
    ...learn(5, { kind: "beginSeal", topic: "t", segment: 1 }, { nodes }),
  ];
}

/** A replica is fenced and answers. */
export function fence(node: number, length: number, isCertain = true): TraceEvent[] {
  const answer = { length, entries: length, isCertain, cursor: null };
  return [on(node, "fence"), on(node, "answerFence", answer)];
}

/** Node 2 goes on with these answers: [node, length]. */
export function decide(...heard: [node: number, length: number][]): TraceEvent {
  const answers = heard.map(([node, length]) => ({ node, length, isCertain: true }));
  const length = Math.max(...answers.map((answer) => answer.length));
  return on(2, "decide", { answers, length, mayHaveLost: false });
}

/** Node 2 proposes its seal. */
export function propose(length: number, count = length): TraceEvent {
  return on(2, "proposeSeal", { count, length, cursor: 0, mayHaveLost: false });
}

/** A process ends. */
export function died(node: number): TraceEvent {
  return { node, kind: "crash" };
}

/** Another process begins in its place. */
export function restarted(
  node: number,
  kept: number,
  options: Parameters<typeof start>[1] = {},
): TraceEvent[] {
  return start(node, { run: `run ${node} again`, kept, ...options });
}

/** The command of {@link cluster} at that index, for a node that starts again. */
export function commandAt(index: number, replicas: readonly number[] = ALL): Command {
  const found = cluster({ replicas }).find((event) =>
    event.kind === "learn" && event.index === index
  );
  if (found?.kind !== "learn") throw new Error(`no command at ${index}`);
  return found.command;
}
