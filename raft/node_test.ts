import assert from "node:assert/strict";
import { DiskFullError, StoreFailedError } from "../storage/errors.ts";
import {
  BusyError,
  CommandTooLargeError,
  MembershipChangeError,
  NotRaftLeaderError,
  OutcomeUnknownError,
  ProposalDroppedError,
  RaftStoppedError,
  RaftTimeoutError,
} from "./errors.ts";
import { MAX_COMMAND_BYTES, MAX_SNAPSHOT_BYTES } from "./limits.ts";
import { NodeGroup } from "./testing/mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const WAIT = { timeoutMs: 5000 };

Deno.test("RaftNode: a bootstrapped node leads alone, and a proposal costs one append", async () => {
  const group = new NodeGroup(1);
  const { node, store, machine } = await group.start(1, { bootstrap: true });
  await group.until(() => node.status.applied === 2);
  assert.equal(node.status.role, "leader");
  assert.equal(node.status.quorumContactMs(), 0);
  const before = store.logs.get("raft/log")!.appends;
  assert.deepEqual(await group.run(node.propose(bytes("a"), WAIT)), { index: 3, result: "a@3" });
  assert.equal(store.logs.get("raft/log")!.appends, before + 1);
  assert.deepEqual(machine.commands, ["a"]);
  await group.stop();
});

Deno.test("RaftNode: proposals of one turn share one append", async () => {
  const group = new NodeGroup(1);
  const { node, store } = await group.start(1, { bootstrap: true });
  await group.until(() => node.status.applied === 2);
  const before = store.logs.get("raft/log")!.appends;
  const results = await group.run(
    Promise.all(["a", "b", "c"].map((text) => node.propose(bytes(text), WAIT))),
  );
  assert.deepEqual(results.map(({ index }) => index), [3, 4, 5]);
  assert.equal(store.logs.get("raft/log")!.appends, before + 1);
  await group.stop();
});

Deno.test("RaftNode: nodes join as learners, are promoted, and apply the same", async () => {
  const group = new NodeGroup(2);
  await group.startVoters(3);
  const leader = group.leader()!;
  await group.run(leader.node.propose(bytes("x"), WAIT));
  await group.run(leader.node.propose(bytes("y"), WAIT));
  await group.for(500);
  for (const { node, machine } of group.members.values()) {
    assert.deepEqual(machine.commands, ["x", "y"]);
    assert.deepEqual(node.status.config.voters, [1, 2, 3]);
    assert.equal(node.status.leader, 1);
    assert.ok(node.status.quorumContactMs() < 200, `${node.status.quorumContactMs()}`);
  }
  assert.deepEqual(group.logs, []);
  await group.stop();
});

Deno.test("RaftNode: a new leader comes within 1.5 s of the old one's death, and nothing is lost", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const group = new NodeGroup(seed);
    await group.startVoters(3);
    await group.run(group.members.get(1)!.node.propose(bytes("kept"), WAIT));
    group.crash(1);
    group.members.delete(1);
    const start = group.clock.nowMs();
    await group.until(() => group.leader() !== undefined);
    assert.ok(
      group.clock.nowMs() - start < 1500,
      `seed ${seed}: ${group.clock.nowMs() - start} ms`,
    );
    await group.run(group.leader()!.node.propose(bytes("more"), WAIT));
    assert.deepEqual(group.leader()!.machine.commands, ["kept", "more"]);
    await group.stop();
  }
});

Deno.test("RaftNode: a restarted node has what was durable, and catches up", async () => {
  const group = new NodeGroup(3);
  await group.startVoters(3);
  await group.run(group.members.get(1)!.node.propose(bytes("a"), WAIT));
  group.crash(3);
  await group.run(group.members.get(1)!.node.propose(bytes("b"), WAIT));
  const { node, machine } = await group.start(3);
  await group.until(() => machine.commands.length === 2);
  assert.deepEqual(machine.commands, ["a", "b"]);
  assert.equal(node.status.role, "follower");
  await group.stop();
});

Deno.test("RaftNode: all crash, all come back", async () => {
  const group = new NodeGroup(4, { snapshotEntries: 20, limits: { retainEntries: 5 } });
  await group.startVoters(3);
  for (let i = 0; i < 50; i++) await group.run(group.leader()!.node.propose(bytes(`${i}`), WAIT));
  for (const id of [1, 2, 3]) group.crash(id);
  const start = group.clock.nowMs();
  for (const id of [1, 2, 3]) await group.start(id);
  await group.until(() => group.leader() !== undefined);
  assert.ok(group.clock.nowMs() - start < 1000);
  await group.run(group.leader()!.node.propose(bytes("50"), WAIT));
  assert.deepEqual(group.leader()!.machine.commands, Array.from({ length: 51 }, (_, i) => `${i}`));
  assert.equal(group.leader()!.machine.restores, 1);
  await group.stop();
});

Deno.test("RaftNode.propose() on a follower says who leads", async () => {
  const group = new NodeGroup(5);
  await group.startVoters(3);
  await group.for(300);
  const error = await group.members.get(2)!.node.propose(bytes("x"), WAIT).catch((error) => error);
  assert.ok(error instanceof NotRaftLeaderError);
  assert.equal(error.leader, 1);
  await group.stop();
});

Deno.test("RaftNode.propose() refuses what is too large, and too many at once", async () => {
  const group = new NodeGroup(5, { limits: { uncommittedBytes: 1000 } });
  await group.startVoters(3);
  const { node } = group.members.get(1)!;
  await assert.rejects(
    node.propose(new Uint8Array(MAX_COMMAND_BYTES + 1), WAIT),
    CommandTooLargeError,
  );
  group.cut.add("2").add("3");
  const first = node.propose(new Uint8Array(900), WAIT);
  first.catch(() => {});
  await group.for(10);
  await assert.rejects(group.run(node.propose(new Uint8Array(200), WAIT)), BusyError);
  await group.stop();
});

Deno.test("RaftNode.propose() on a leader that is cut off: dropped when another's entry takes its place", async () => {
  const group = new NodeGroup(6);
  await group.startVoters(3);
  group.cut.add("1");
  const lost = group.members.get(1)!.node.propose(bytes("lost"), { timeoutMs: 60_000 });
  const outcome = lost.catch((error) => error);
  await group.until(() => (group.leader()?.id ?? 1) !== 1);
  await group.run(group.leader()!.node.propose(bytes("won"), WAIT));
  group.cut.clear();
  assert.ok(await group.run(outcome) instanceof ProposalDroppedError);
  await group.for(300);
  assert.deepEqual(group.members.get(1)!.machine.commands, ["won"]);
  await group.stop();
});

Deno.test("RaftNode.propose() without a majority: the outcome is unknown after the time given", async () => {
  const group = new NodeGroup(7);
  await group.startVoters(3);
  group.cut.add("1");
  await assert.rejects(
    group.run(group.members.get(1)!.node.propose(bytes("?"), { timeoutMs: 300 })),
    OutcomeUnknownError,
  );
  assert.ok(group.members.get(1)!.node.status.quorumContactMs() > 200);
  await group.stop();
});

Deno.test("RaftNode.readIndex() covers what was acknowledged, on every node", async () => {
  const group = new NodeGroup(8);
  await group.startVoters(3);
  for (let i = 0; i < 5; i++) {
    const { index } = await group.run(group.leader()!.node.propose(bytes(`${i}`), WAIT));
    for (const { node, machine } of group.members.values()) {
      assert.ok(await group.run(node.readIndex(WAIT)) >= index);
      assert.equal(machine.commands.length, i + 1);
    }
  }
  await group.stop();
});

Deno.test("RaftNode.readIndex() finds the new leader, and ends in time without one", async () => {
  const group = new NodeGroup(9);
  await group.startVoters(3);
  group.crash(1);
  group.members.delete(1);
  await group.run(group.members.get(2)!.node.readIndex(WAIT));
  group.cut.add("3");
  await assert.rejects(
    group.run(group.members.get(3)!.node.readIndex({ timeoutMs: 400 })),
    RaftTimeoutError,
  );
  await group.stop();
});

Deno.test("RaftNode.transferLeadership() moves it in a moment", async () => {
  const group = new NodeGroup(10);
  await group.startVoters(3);
  const start = group.clock.nowMs();
  await group.run(group.members.get(1)!.node.transferLeadership(3, WAIT));
  assert.equal(group.leader()!.id, 3);
  assert.ok(group.clock.nowMs() - start < 50);
  await assert.rejects(group.members.get(1)!.node.transferLeadership(2, WAIT), NotRaftLeaderError);
  await assert.rejects(
    group.members.get(3)!.node.transferLeadership(9, WAIT),
    MembershipChangeError,
  );
  group.cut.add("2");
  await assert.rejects(
    group.run(group.members.get(3)!.node.transferLeadership(2, WAIT)),
    RaftTimeoutError,
  );
  await group.run(group.members.get(3)!.node.propose(bytes("still here"), WAIT));
  await group.stop();
});

Deno.test("RaftNode.removeNode() removes a follower, then the leader itself", async () => {
  const group = new NodeGroup(11);
  await group.startVoters(3);
  const first = group.members.get(1)!.node;
  await group.run(first.removeNode(2, WAIT));
  assert.deepEqual(first.status.config.voters, [1, 3]);
  await group.run(first.removeNode(1, WAIT));
  assert.equal(first.status.role, "follower");
  await group.until(() => group.leader()?.id === 3);
  assert.deepEqual(group.leader()!.node.status.config.voters, [3]);
  await assert.rejects(group.run(group.leader()!.node.removeNode(3, WAIT)), MembershipChangeError);
  await group.run(group.leader()!.node.propose(bytes("alone"), WAIT));
  await group.stop();
});

Deno.test("RaftNode: membership calls can be repeated, and wait for each other", async () => {
  const group = new NodeGroup(12);
  await group.startVoters(3);
  const { node } = group.members.get(1)!;
  await group.start(4);
  await group.start(5);
  await group.run(Promise.all([
    node.addLearner(4, WAIT),
    node.addLearner(5, WAIT),
    node.addLearner(4, WAIT),
  ]));
  await group.run(
    Promise.all([node.promote(4, WAIT), node.promote(5, WAIT), node.promote(5, WAIT)]),
  );
  assert.deepEqual(node.status.config.voters, [1, 2, 3, 4, 5]);
  await assert.rejects(group.run(node.promote(9, WAIT)), MembershipChangeError);
  await group.run(node.removeNode(9, WAIT));
  await group.stop();
});

Deno.test("RaftNode.promote() waits for a learner that can't be reached, and gives up", async () => {
  const group = new NodeGroup(13);
  await group.startVoters(3);
  const { node } = group.members.get(1)!;
  await group.run(node.addLearner(4, WAIT));
  await assert.rejects(group.run(node.promote(4, { timeoutMs: 500 })), RaftTimeoutError);
  assert.deepEqual(node.status.config.learners, [4]);
  await group.stop();
});

Deno.test("RaftNode: a node that lags behind the log's beginning gets the snapshot in pieces", async () => {
  const group = new NodeGroup(14, {
    snapshotEntries: 10,
    limits: { retainEntries: 3, snapshotChunkBytes: 16 },
  });
  await group.startVoters(3);
  group.cut.add("3");
  const { node } = group.members.get(1)!;
  for (let i = 0; i < 40; i++) await group.run(node.propose(bytes(`${i}`), WAIT));
  assert.ok(node.status.snapshotIndex > 20);
  group.cut.clear();
  await group.until(() => group.members.get(3)!.node.status.applied === node.status.applied);
  const { machine } = group.members.get(3)!;
  assert.deepEqual(machine.commands, group.members.get(1)!.machine.commands);
  assert.equal(machine.restores, 1);
  group.crash(3);
  const again = await group.start(3);
  await group.until(() => again.node.status.applied === node.status.applied);
  assert.deepEqual(again.machine.commands, group.members.get(1)!.machine.commands);
  await group.stop();
});

Deno.test("RaftNode: the log on disk and in memory stays short", async () => {
  const group = new NodeGroup(15, { snapshotEntries: 100, limits: { retainEntries: 10 } });
  const { node, store } = await group.start(1, { bootstrap: true });
  await group.until(() => node.status.role === "leader");
  for (let i = 0; i < 50; i++) {
    await group.run(Promise.all(Array.from({ length: 20 }, () => node.propose(bytes("x"), WAIT))));
  }
  assert.equal(node.status.applied, 1002);
  assert.ok(store.logs.get("raft/log")!.records.length < 400);
  await group.stop();
});

Deno.test("RaftNode: a snapshot that is too large is not taken, and the node goes on", async () => {
  const group = new NodeGroup(21, { snapshotEntries: 5 });
  const { node, machine } = await group.start(1, { bootstrap: true });
  await group.until(() => node.status.role === "leader");
  machine.snapshot = () => new Uint8Array(MAX_SNAPSHOT_BYTES + 1);
  for (let i = 0; i < 10; i++) await group.run(node.propose(bytes("x"), WAIT));
  assert.deepEqual([node.status.snapshotIndex, node.status.failure], [0, null]);
  assert.match(group.logs[0]!, /too large/);
  await group.stop();
});

Deno.test("RaftNode.step() logs and drops what it can't understand", async () => {
  const group = new NodeGroup(16);
  await group.startVoters(2);
  const { node } = group.members.get(2)!;
  const term = node.status.term;
  node.step(1, new Uint8Array(0));
  node.step(1, bytes("GET / HTTP/1.1\r\n\r\n"));
  node.step(1, new Uint8Array(100).fill(255));
  assert.equal(group.logs.length, 3);
  assert.equal(node.status.term, term);
  await group.stop();
});

Deno.test("RaftNode: a machine is told that its snapshot is on disk when it is there", async () => {
  const group = new NodeGroup(22, { snapshotEntries: 10, limits: { retainEntries: 3 } });
  await group.startVoters(3);
  group.cut.add("3");
  const { node, machine: own } = group.members.get(1)!;
  for (let i = 0; i < 40; i++) await group.run(node.propose(bytes(`${i}`), WAIT));
  assert.ok(own.durable.includes(node.status.snapshotIndex), "its own ones too");
  const { machine, store } = group.members.get(3)!;
  const log = store.logs.get("raft/log")!;
  store.manual = true;
  group.cut.clear();
  for (let i = 0; i < 10_000 && machine.restores === 0; i++) {
    log.syncAll();
    await group.for(0.1);
  }
  await group.for(100);
  assert.deepEqual(machine.durable, [], "it is on its way");
  log.syncAll();
  await group.for(1);
  assert.equal(machine.durable.length, 1);
  store.manual = false;
  group.crash(3);
  const again = await group.start(3);
  assert.deepEqual(again.machine.durable, machine.durable, "a start finds it there");
  await group.stop();
});

Deno.test("RaftNode: a full disk is waited out", async () => {
  const group = new NodeGroup(17);
  const { node, store } = await group.start(1, { bootstrap: true });
  await group.until(() => node.status.role === "leader" && node.status.applied === 2);
  const log = store.logs.get("raft/log")!;
  log.failure = new DiskFullError("no room");
  const proposal = node.propose(bytes("a"), { timeoutMs: 10_000 });
  await group.for(1200);
  log.failure = null;
  assert.equal((await group.run(proposal)).result, "a@3");
  group.crash(1);
  const again = await group.start(1);
  await group.until(() => again.machine.commands.length === 1);
  await group.stop();
});

Deno.test("RaftNode: a failed disk stops the node, and says so", async () => {
  const group = new NodeGroup(18);
  const statuses: (Error | null)[] = [];
  const { node, store } = await group.start(1, {
    bootstrap: true,
    onStatus: ({ failure }) => statuses.push(failure),
  });
  await group.until(() => node.status.role === "leader" && node.status.applied === 2);
  store.logs.get("raft/log")!.failure = new StoreFailedError("fdatasync failed");
  await assert.rejects(group.run(node.propose(bytes("a"), WAIT)), OutcomeUnknownError);
  assert.ok(node.status.failure instanceof StoreFailedError);
  assert.ok(statuses[statuses.length - 1] instanceof StoreFailedError);
  await assert.rejects(node.propose(bytes("b"), WAIT), RaftStoppedError);
  await group.stop();
});

Deno.test("RaftNode: nothing that promises leaves before the disk has it", async () => {
  const group = new NodeGroup(19);
  await group.startVoters(3);
  const follower = group.members.get(2)!;
  group.cut.add("3");
  follower.store.manual = true;
  const proposal = group.members.get(1)!.node.propose(bytes("a"), WAIT);
  await group.for(200);
  assert.equal(
    group.members.get(1)!.node.status.committed,
    group.members.get(1)!.node.status.lastIndex - 1,
  );
  follower.store.logs.get("raft/log")!.syncAll();
  await group.run(proposal);
  await group.stop();
});

Deno.test("RaftNode.stop() rejects what waits", async () => {
  const group = new NodeGroup(20);
  await group.startVoters(3);
  group.cut.add("2").add("3");
  const { node } = group.members.get(1)!;
  const outcomes = Promise.all([
    node.propose(bytes("a"), WAIT).catch((error) => error),
    node.readIndex(WAIT).catch((error) => error),
    node.waitApplied(1e9, WAIT).catch((error) => error),
  ]);
  await group.for(10);
  await node.stop();
  const [proposed, read, applied] = await outcomes;
  assert.ok(proposed instanceof OutcomeUnknownError);
  assert.ok(read instanceof RaftStoppedError);
  assert.ok(applied instanceof RaftStoppedError);
  await group.stop();
});
