import assert from "node:assert/strict";
import type { RaftNode } from "../../raft/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { SimClock } from "../../world/sim/mod.ts";
import { RefusedError } from "../errors.ts";
import {
  type Command,
  KEEP_ALL,
  type Metadata,
  METADATA_FORMAT,
  MetadataState,
  REPAIR_FORMAT,
} from "../metadata/mod.ts";
import type { Digest } from "../segments/mod.ts";
import { Repair, type RepairLink } from "./repair.ts";

const LENGTH = 5;
const WHOLE: Digest = { length: LENGTH, entries: LENGTH, checksum: 7 };
const NOTHING: Digest = { length: 0, entries: 0, checksum: 0 };
/** A repair looks at its segments once a second. */
const LOOK_MS = 1100;

/** Four nodes, which all hold segment 1 of topic t: one more than should. */
function fourHolders(format = METADATA_FORMAT): MetadataState {
  const state = new MetadataState();
  const commands: Command[] = [{ kind: "raiseFormat", format }];
  for (const id of [1, 2, 3, 4]) {
    const address = { raftHost: "h", raftPort: id, clientHost: "h", clientPort: id };
    commands.push({
      kind: "registerNode",
      id,
      incarnation: `d${id}`,
      run: `r${id}`,
      ...address,
    });
  }
  commands.push({
    kind: "createTopic",
    topic: "t",
    replicationFactor: 3,
    durability: null,
    leader: 1,
    replicas: [1, 2, 3, 4],
    firstSegment: 1,
    retention: KEEP_ALL,
  }, {
    kind: "sealSegment",
    topic: "t",
    segment: 1,
    expectedRun: "r1",
    count: LENGTH,
    length: LENGTH,
    bytes: 50,
    mayHaveLost: false,
    cursors: [],
    sealedMs: 1,
    nextLeader: 1,
    nextReplicas: [1, 2, 3],
  });
  for (const command of commands) assert.deepEqual(state.apply(command, []), { ok: true });
  return state;
}

/** A node that takes itself for Raft's leader, and looks at the others like this. */
function repairAt(
  clock: SimClock,
  state: MetadataState,
  parts: { lost: number[]; digest: RepairLink["digest"] },
): Repair {
  const repair = new Repair({
    nodeId: 1,
    raft: {
      status: { role: "leader", config: { voters: [1, 2, 3, 4], learners: [] } },
    } as unknown as RaftNode,
    metadata: {
      state,
      propose: (command: Command) => {
        const outcome = state.apply(command, []);
        return outcome.ok ? Promise.resolve() : Promise.reject(new RefusedError(outcome.reason));
      },
    } as unknown as Metadata,
    link: { complete: () => Promise.reject(new Error("nothing is to be copied")), ...parts },
    clock,
    logger: silentLogger,
    isLive: (node) => !parts.lost.includes(node),
    isLost: (node) => parts.lost.includes(node),
  });
  repair.start();
  return repair;
}

Deno.test("Repair drops nothing on the word of replicas that another leader has changed meanwhile", async () => {
  const clock = new SimClock();
  const state = fourHolders();
  const replicas = () => state.topics.get("t")!.segments[0]!.replicas;
  const held = new Map([[1, WHOLE], [2, WHOLE], [3, NOTHING], [4, WHOLE]]);
  // The first leader would drop 4, since 1 and 2 have it; it stands still before it hears their answers.
  let resume = () => {};
  const pause = new Promise<void>((resolve) => resume = resolve);
  const first = repairAt(clock, state, {
    lost: [],
    digest: (node) => {
      const answer = held.get(node)!;
      return pause.then(() => answer);
    },
  });
  await clock.runFor(LOOK_MS);
  // The second one takes 1 for lost, and drops it, since 2 and 4 have it.
  const second = repairAt(clock, state, {
    lost: [1],
    digest: (node) => Promise.resolve(held.get(node)!),
  });
  await clock.runFor(LOOK_MS);
  assert.deepEqual(replicas(), [2, 3, 4]);
  held.set(1, NOTHING);
  second.stop();
  resume();
  await clock.runFor(LOOK_MS);
  assert.deepEqual(replicas(), [2, 3, 4], "else only 2 had it");
  assert.deepEqual([first.progress.dropped, first.progress.failed], [0, 1]);
  first.stop();
});

Deno.test("Repair drops a replica when a majority of the others hold the segment whole, not before", async () => {
  const clock = new SimClock();
  const state = fourHolders();
  const held = new Map([[1, WHOLE], [2, NOTHING], [3, NOTHING], [4, WHOLE]]);
  const repair = repairAt(clock, state, {
    lost: [],
    digest: (node) => Promise.resolve(held.get(node)!),
  });
  await clock.runFor(LOOK_MS);
  assert.equal(repair.progress.dropped, 0);
  held.set(3, WHOLE);
  await clock.runFor(10 * LOOK_MS);
  assert.equal(repair.progress.dropped, 1);
  assert.deepEqual(state.topics.get("t")!.segments[0]!.replicas, [1, 2, 3]);
  repair.stop();
});

Deno.test("Repair decides anew what it began to look at before anybody counted changes", async () => {
  const clock = new SimClock();
  const state = fourHolders(REPAIR_FORMAT - 1);
  const repair = repairAt(clock, state, {
    lost: [],
    digest: () => {
      // All nodes read it from here on: what was done before was not counted.
      state.apply({ kind: "raiseFormat", format: REPAIR_FORMAT }, []);
      return Promise.resolve(WHOLE);
    },
  });
  await clock.runFor(LOOK_MS);
  assert.deepEqual([repair.progress.dropped, repair.progress.failed], [0, 1]);
  await clock.runFor(10 * LOOK_MS);
  assert.equal(repair.progress.dropped, 1);
  repair.stop();
});

Deno.test("Repair takes no member of Raft for a removed one that only this node has not heard of yet", async () => {
  const clock = new SimClock();
  const state = new MetadataState();
  const register = (id: number) => {
    const address = { raftHost: "h", raftPort: id, clientHost: "h", clientPort: id };
    const node = { id, incarnation: `d${id}`, run: `r${id}`, ...address };
    assert.ok(state.apply({ kind: "registerNode", ...node }, []).ok);
  };
  for (const id of [1, 2]) register(id);
  const removed: number[] = [];
  const repair = new Repair({
    nodeId: 1,
    raft: {
      status: { role: "leader", config: { voters: [1, 2], learners: [3, 4] } },
      removeNode: (id: number) => Promise.resolve(void removed.push(id)),
    } as unknown as RaftNode,
    metadata: {
      state,
      // Node 3 was let in by the leader before this one; node 4 is on its way out.
      refresh: () => Promise.resolve(register(3)),
    } as unknown as Metadata,
    link: {} as RepairLink,
    clock,
    logger: silentLogger,
    isLive: () => true,
    isLost: () => false,
  });
  repair.start();
  await clock.runFor(LOOK_MS);
  repair.stop();
  assert.deepEqual(removed, [4]);
});
