/**
 * One Raft member as a process: the driver, the real store and disk, and the metadata state machine. It
 * takes requests as lines of JSON on standard input and answers on standard output.
 *
 * @module
 */

import { RaftNode } from "../../raft/mod.ts";
import {
  encodeCommand,
  encodeSnapshot,
  KEEP_ALL,
  MetadataMachine,
} from "../../server/metadata/mod.ts";
import { openDisk } from "../../storage/disk/mod.ts";
import { openLogStore } from "../../storage/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { PeerWire, receiveFrames } from "./wire.ts";

/** What a member is started with, as JSON in its first argument. */
export interface MemberConfig {
  id: number;
  /** By id. */
  ports: Record<string, number>;
  directory: string;
  bootstrap: boolean;
  snapshotEntries: number;
}

/** `number` is given back with the answer. */
export type MemberRequest =
  & { number: number }
  & (
    | { op: "propose"; topic: string; timeoutMs: number }
    | { op: "addLearner" | "promote"; id: number; timeoutMs: number }
    | { op: "state" }
    | { op: "load"; clients: number; seconds: number }
  );

export interface MemberState {
  role: string;
  term: number;
  leader: number | null;
  applied: number;
  lastIndex: number;
  committed: number;
  topics: number;
  /** SHA-256 of the state machine's snapshot. */
  digest: string;
  /** Topics that were made more than once in this life of the process. */
  madeTwice: string[];
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!));

async function main(config: MemberConfig): Promise<void> {
  const { id, ports } = config;
  const clock = new RealClock();
  const random = new RealRandom();
  const disk = await openDisk({ directory: config.directory });
  const store = await openLogStore({ disk, clock, random, crc: disk.crc32c });
  const machine = new MetadataMachine();
  const made = new Map<string, number>();
  machine.subscribe((change) => {
    if (change === null) made.clear();
    else if (change.kind === "topic") made.set(change.topic, (made.get(change.topic) ?? 0) + 1);
  });
  const wires = new Map<number, PeerWire>();
  for (const [peer, port] of Object.entries(ports)) {
    if (Number(peer) !== id) wires.set(Number(peer), new PeerWire(port, id));
  }
  let lastRole = "";
  const node = await RaftNode.open({
    id,
    store,
    clock,
    random,
    logger: silentLogger,
    stateMachine: machine,
    bootstrap: config.bootstrap,
    snapshotEntries: config.snapshotEntries,
    send: (to, message) => wires.get(to)?.send(message),
    onStatus: ({ role, term, failure }) => {
      if (failure) tell({ event: "failure", message: failure.message });
      if (`${role} ${term}` === lastRole) return;
      lastRole = `${role} ${term}`;
      tell({ event: "role", role, term });
    },
  });
  void receiveFrames(ports[id]!, (from, message) => node.step(from, message));
  tell({ event: "open" });
  for await (const request of requests()) {
    answer(request).then(
      (result) => tell({ number: request.number, result }),
      (error) => tell({ number: request.number, error: error.name, leader: error.leader }),
    );
  }
  Deno.exit(0);

  function answer(request: MemberRequest): Promise<unknown> {
    switch (request.op) {
      case "propose":
        return node.propose(createTopic(request.topic), { timeoutMs: request.timeoutMs });
      case "addLearner":
        return node.addLearner(request.id, request);
      case "promote":
        return node.promote(request.id, request);
      case "state":
        return state();
      case "load":
        return load(node, request);
    }
  }

  async function state(): Promise<MemberState> {
    const { role, term, leader, applied, lastIndex, committed } = node.status;
    const hash = await crypto.subtle.digest("SHA-256", encodeSnapshot(machine.state).slice());
    return {
      role,
      term,
      leader,
      applied,
      lastIndex,
      committed,
      topics: machine.state.topics.size,
      digest: [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
      madeTwice: [...made].filter(([, count]) => count > 1).map(([topic]) => topic),
    };
  }
}

/** Clients that propose one command after another, for the numbers in the README of issue 4. */
async function load(
  node: RaftNode,
  options: { clients: number; seconds: number },
): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + options.seconds * 1000;
  await Promise.all(Array.from({ length: options.clients }, async (_, client) => {
    for (let i = 0; performance.now() < end; i++) {
      const at = performance.now();
      await node.propose(createTopic(`load-${client}-${i % 50}`), { timeoutMs: 10_000 });
      latencies.push(performance.now() - at);
    }
  }));
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? NaN;
  return {
    perSecond: latencies.length / ((performance.now() - start) / 1000),
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}

function createTopic(topic: string): Uint8Array {
  return encodeCommand({
    kind: "createTopic",
    topic,
    replicationFactor: 1,
    durability: null,
    leader: 1,
    replicas: [1],
    firstSegment: 1,
    retention: KEEP_ALL,
  });
}

async function* requests(): AsyncGenerator<MemberRequest> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

function tell(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}
