import assert from "node:assert/strict";
import { type LogLevel, silentLogger } from "../world/mod.ts";
import { PoweredGroup } from "./testing/mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const WAIT = { timeoutMs: 3000 };

/** Proposes numbered commands to whoever leads, all the time, and reads anywhere. */
class Client {
  /** The index of each command that was. */
  readonly acknowledged = new Map<string, number>();
  reads = 0;
  staleReads = 0;
  #acknowledgedIndex = 0;
  #next = 0;
  #stopped = false;

  constructor(private readonly group: PoweredGroup) {
    this.#go();
  }

  stop(): void {
    this.#stopped = true;
  }

  #go(): void {
    if (this.#stopped) return;
    const leader = this.group.leader();
    for (let i = this.group.random.below(4); leader && i >= 0; i--) {
      const text = `c${this.#next++}`;
      leader.node!.propose(bytes(text), WAIT).then(
        ({ index }) => {
          this.acknowledged.set(text, index);
          this.#acknowledgedIndex = Math.max(this.#acknowledgedIndex, index);
        },
        () => {},
      );
    }
    this.#read();
    this.group.clock.after(1 + this.group.random.below(20), () => this.#go());
  }

  /** Linearizable: whatever was acknowledged before it began is in what the node has then. */
  #read(): void {
    const { node } = this.group.members[this.group.random.below(3)]!;
    if (node === null) return;
    const floor = this.#acknowledgedIndex;
    node.readIndex(WAIT).then((index) => {
      this.reads++;
      if (index < floor || node.status.applied < index) this.staleReads++;
    }, () => {});
  }
}

async function agreeAtEnd(group: PoweredGroup, client: Client): Promise<void> {
  client.stop();
  assert.equal(client.staleReads, 0);
  for (const { id, node } of group.members) if (node === null) await group.powerOn(id);
  const { clock, members } = group;
  await clock.runUntil(() => group.leader() !== undefined, { maxMs: 10_000 });
  const { index } = await clock.settle(group.leader()!.node!.propose(bytes("end"), WAIT));
  await clock.settle(Promise.all(members.map(({ node }) => node!.waitApplied(index, WAIT))));
  const [first, ...others] = members;
  for (const { machine } of others) assert.deepEqual(machine.commands, first!.machine.commands);
  const seen = new Set(first!.machine.commands);
  assert.equal(seen.size, first!.machine.commands.length, "nothing is applied twice");
  for (const text of client.acknowledged.keys()) assert.ok(seen.has(text), `${text} is lost`);
  // In the order of their indexes.
  const order = [...client.acknowledged].sort((a, b) => a[1] - b[1]).map(([text]) => text);
  assert.deepEqual(
    first!.machine.commands.filter((text) => client.acknowledged.has(text)),
    order,
  );
  for (const { node } of members) await node!.stop();
}

for (let seed = 0; seed < 8; seed++) {
  Deno.test(`RaftNode on the real store: power losses lose nothing that was acknowledged, seed ${seed}`, async () => {
    const group = new PoweredGroup(seed, { snapshotEntries: 40, limits: { retainEntries: 10 } });
    await group.start();
    const client = new Client(group);
    for (let round = 0; round < 25; round++) {
      await group.clock.runFor(group.random.below(700));
      const pick = group.random.below(8);
      if (pick < 3) group.powerOff(pick + 1);
      else if (pick === 3) { for (const id of [1, 2, 3]) group.powerOff(id); }
      await group.clock.runFor(group.random.below(600));
      for (const { id, node } of group.members) {
        if (node === null && group.random.below(4) > 0) await group.powerOn(id);
      }
    }
    assert.ok(client.acknowledged.size > 100, `${client.acknowledged.size} were acknowledged`);
    assert.ok(client.reads > 100, `${client.reads} reads`);
    await agreeAtEnd(group, client);
  });
}

Deno.test("RaftNode on the real store: a node whose sync fails stops, the others go on", async () => {
  const group = new PoweredGroup("sync");
  await group.start();
  const client = new Client(group);
  const old = group.leader()!;
  old.drive.fail({ op: "sync", code: "Io" });
  await group.clock.runUntil(() => old.node!.status.failure !== null, { maxMs: 5000 });
  await group.clock.runUntil(() => (group.leader()?.id ?? old.id) !== old.id, { maxMs: 5000 });
  group.powerOff(old.id);
  await agreeAtEnd(group, client);
});

Deno.test("RaftNode on the real store: a full disk holds up its node, and it goes on with room", async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, log: (_: LogLevel, message: string) => warnings.push(message) };
  const group = new PoweredGroup("full", { logger });
  await group.start();
  const client = new Client(group);
  const follower = group.members.find(({ id }) => id !== group.leader()!.id)!;
  // No room for another byte: everything that would grow a file fails.
  follower.drive.fail({ op: "write", code: "NoSpace", times: 40 });
  await group.clock.runFor(4000);
  assert.equal(follower.node!.status.failure, null);
  assert.ok(warnings.some((message) => message.includes("disk is full")));
  assert.ok(client.acknowledged.size > 50);
  await group.clock.runFor(20_000);
  await agreeAtEnd(group, client);
});

Deno.test("RaftNode: a member whose disk has gone back finds out and stops, and the others go on", async () => {
  const group = new PoweredGroup("went back");
  const { clock } = group;
  await group.start();
  const first = group.members[0]!.node!;
  const propose = (text: string) => clock.settle(first.propose(bytes(text), WAIT));
  const { drive } = group.members[2]!;
  await propose("before");
  await clock.runFor(500);
  const copy = drive.names().map((name) => [name, drive.copyFile(name)] as const);
  for (let i = 0; i < 20; i++) await propose(`after ${i}`);
  await clock.runFor(500);

  group.powerOff(3);
  for (const name of drive.names()) drive.loseFile(name);
  for (const [name, content] of copy) drive.putFile(name, content);
  await group.powerOn(3);
  const { node } = group.members[2]!;
  await clock.runFor(1000);
  const { failure, lastIndex } = node!.status;
  assert.equal(failure?.name, "RaftWentBackError");
  assert.match(failure.message, new RegExp(`node 1 has its word .* they end at ${lastIndex}`));
  // It answers nobody: two of three is all that is left.
  await propose("without it");
  group.powerOff(2);
  await assert.rejects(clock.settle(first.propose(bytes("alone"), WAIT)));
});
