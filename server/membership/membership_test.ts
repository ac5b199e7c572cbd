import assert from "node:assert/strict";
import type { RaftNode } from "../../raft/mod.ts";
import { SimClock } from "../../world/sim/mod.ts";
import {
  type Command,
  type Metadata,
  METADATA_FORMAT,
  MetadataState,
  type NodeInfo,
} from "../metadata/mod.ts";
import { Membership } from "./membership.ts";

function nodeInfo(id: number): NodeInfo {
  const address = { raftHost: `h${id}`, raftPort: 1, clientHost: `h${id}`, clientPort: 2 };
  return { id, incarnation: `disk-${id}`, run: `run-${id}`, ...address };
}

/** The Raft leader, node 1, of three; node 3 died when it spoke an older version. */
function setUp() {
  const clock = new SimClock();
  const state = new MetadataState();
  const apply = (command: Command) => assert.ok(state.apply(command, []).ok);
  for (const id of [1, 2, 3]) apply({ kind: "registerNode", ...nodeInfo(id) });
  const lines: string[] = [];
  const log = (level: string, message: string, fields: unknown) =>
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const config = { voters: [1, 2, 3], learners: [] };
  const silent = new Map<number, number>([[3, 60_000]]);
  const membership = new Membership({
    raft: { status: { role: "leader", leader: 1, config } } as unknown as RaftNode,
    metadata: {
      state,
      propose: (command: Command) => Promise.resolve(apply(command)),
    } as unknown as Metadata,
    clock,
    logger: { log } as never,
    self: nodeInfo(1),
    versionOf: (node) => node === 3 ? METADATA_FORMAT - 1 : METADATA_FORMAT,
    silentMs: (node) => silent.get(node) ?? 0,
  });
  return { clock, state, apply, lines, silent, membership };
}

Deno.test("Membership raises the format though a node that is being removed died before the upgrade", async () => {
  const { clock, state, apply, silent, membership } = setUp();
  membership.start();
  await clock.runFor(10_000);
  assert.equal(state.format, 1, "it may come back, and could not read it");
  silent.set(3, 100);
  apply({ kind: "drainNode", id: 3 });
  await clock.runFor(10_000);
  assert.equal(state.format, 1, "it is on its way out, and there");
  silent.set(3, 60_000);
  await clock.runFor(10_000);
  assert.equal(state.format, METADATA_FORMAT);
  membership.stop();
});

Deno.test("Membership tells the log once of each node that was given up", () => {
  const { apply, lines, membership } = setUp();
  apply({ kind: "giveUpNode", id: 3 });
  for (let i = 0; i < 3; i++) membership.nodesChanged();
  assert.deepEqual(lines, [
    'warn a node was given up: STATE says which segments may have lost something (may_have_lost) {"given_up":3}',
  ]);
});
