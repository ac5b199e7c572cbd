import assert from "node:assert/strict";
import {
  batchOf,
  crc32cByTables,
  type LogStore,
  openLogStore,
  RecordBatchBuilder,
} from "../../storage/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { RealClock } from "../../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import { KEEP_ALL, MetadataState } from "../metadata/mod.ts";
import { Fences } from "./fences.ts";
import type { StreamedBatch } from "./replica.ts";
import { Replicas } from "./replicas.ts";
import { segmentLogName } from "./segment_name.ts";

const LEADER = 1;
const target = { topic: "t", segment: 1 };

/** A node that holds a replica of t/1, on a drive that can lose power. */
class Holder {
  readonly clock = new RealClock();
  readonly random = new SeededRandom(7);
  readonly drive = new SimDrive({ clock: this.clock, random: this.random });
  readonly state = new MetadataState();
  store!: LogStore;
  fences!: Fences;
  replicas!: Replicas;
  /** What another node gives from a position on. */
  fetch = (position: number): Promise<StreamedBatch> => Promise.resolve(placed(position, "copied"));
  /** Told when a record was fetched, before it is appended. */
  onFetched: () => void = () => {};

  static async start(durability: "none" | null = null): Promise<Holder> {
    const holder = new Holder();
    holder.state.apply({
      kind: "createTopic",
      firstSegment: 1,
      retention: KEEP_ALL,
      topic: "t",
      replicationFactor: 3,
      durability,
      leader: LEADER,
      replicas: [LEADER, 2, 3],
    }, []);
    await holder.open();
    return holder;
  }

  async open(): Promise<void> {
    const { clock, random, state } = this;
    this.store = await openLogStore({ disk: this.drive.mount(), clock, random });
    this.fences = await Fences.open(this.store);
    this.replicas = new Replicas({
      nodeId: 2,
      store: this.store,
      fences: this.fences,
      metadata: () => state,
      fetch: (_from, { position }) => {
        this.onFetched();
        return this.fetch(position);
      },
      digestAt: () => Promise.reject(new Error("nobody is there")),
      crc32c: crc32cByTables,
      onFenced: () => {},
      clock,
      logger: silentLogger,
    });
    this.replicas.start();
  }

  append(position: number, ...entries: string[]) {
    return this.replicas.append(LEADER, target, placed(position, ...entries));
  }
}

/** A recovery's seal, as it is applied on this node. */
function sealAt(state: MetadataState, length: number): void {
  state.apply({ kind: "beginSeal", ...target }, []);
  state.apply({
    kind: "sealSegment",
    sealedMs: 1,
    ...target,
    expectedRun: null,
    count: length,
    length,
    bytes: length,
    mayHaveLost: false,
    cursors: [],
    nextLeader: 3,
    nextReplicas: [3],
  }, []);
}

function placed(position: number, ...entries: string[]): StreamedBatch {
  const batch = new RecordBatchBuilder();
  for (const entry of entries) batch.add(new TextEncoder().encode(entry));
  return { position, batch: batch.copy(), committed: 0 };
}

Deno.test("Replicas.append() takes records only at its own end, and says where that is", async () => {
  const holder = await Holder.start();
  assert.deepEqual(await holder.append(0, "a", "b"), { end: 2, durable: 2 });
  assert.deepEqual(await holder.append(5, "x"), { end: 2, durable: 2 }, "a gap changes nothing");
  assert.deepEqual(
    await holder.append(0, "a", "b"),
    { end: 2, durable: 2 },
    "nor does a repetition",
  );
  assert.deepEqual(
    await holder.append(1, "b", "c"),
    { end: 3, durable: 3 },
    "only what is new is taken",
  );
  assert.equal(holder.store.get(segmentLogName("t", 1))!.endOffset, 3);
});

Deno.test("Replicas.append() takes batches in the order of the calls, without waiting for each", async () => {
  const holder = await Holder.start();
  const answers = await Promise.all([
    holder.append(0, "a"),
    holder.append(1, "b"),
    holder.append(2, "c"),
  ]);
  assert.deepEqual(answers.at(-1), { end: 3, durable: 3 });
});

Deno.test("Replicas is silent towards anybody but the leader, and about what it does not know", async () => {
  const holder = await Holder.start();
  assert.equal(await holder.replicas.append(3, target, placed(0, "a")), "silent");
  assert.equal(
    await holder.replicas.append(LEADER, { topic: "t", segment: 2 }, placed(0, "a")),
    "silent",
  );
  assert.equal(
    await holder.replicas.append(LEADER, { topic: "u", segment: 1 }, placed(0, "a")),
    "silent",
  );
  holder.state.apply({ kind: "beginSeal", ...target }, []);
  assert.equal(await holder.append(0, "a"), "silent");
});

Deno.test("Replicas.fence() makes it silent for ever, also for appends that were on their way", async () => {
  const holder = await Holder.start();
  await holder.append(0, "a");
  const onItsWay = holder.append(1, "b");
  const answer = await holder.replicas.fence(target);
  assert.equal(await onItsWay, "silent");
  assert.deepEqual(
    [answer.length, answer.isCertain],
    [2, true],
    "it holds what it does not acknowledge",
  );
  assert.equal(await holder.append(2, "c"), "silent");
  assert.equal(await holder.replicas.probe(LEADER, target), "silent");
});

Deno.test("Replicas.fence() outlives a power loss once it was answered", async () => {
  for (const mode of ["lost", "subset", "sectors"] as const) {
    const holder = await Holder.start();
    await holder.append(0, "a");
    await holder.replicas.fence(target);
    holder.drive.crash(mode);
    await holder.open();
    assert.equal(await holder.append(1, "b"), "silent", mode);
    assert.equal((await holder.replicas.fence(target)).length, 1);
  }
});

Deno.test("Fences.renew() keeps fences and marks through restarts, and lets go of sealed segments", async () => {
  const holder = await Holder.start();
  const other = { topic: "t", segment: 2 };
  await holder.fences.add(target);
  await holder.fences.add(other);
  await holder.fences.renew([{ topic: "u", segment: 9 }], ({ segment }) => segment === 2);
  holder.drive.crash("lost");
  await holder.open();
  assert.equal(holder.fences.has(target), true);
  assert.equal(holder.fences.has(other), false);
  assert.equal(holder.fences.isUncertain({ topic: "u", segment: 9 }), true);
  assert.equal(holder.fences.isCertain, true);
});

Deno.test("Replicas gives an uncertain segment's data, but no certain answer, and takes nothing more", async () => {
  const holder = await Holder.start();
  await holder.append(0, "a", "b");
  await holder.fences.renew([target], () => false);
  assert.equal(await holder.append(2, "c"), "silent");
  const answer = await holder.replicas.fence(target);
  assert.deepEqual([answer.length, answer.isCertain], [2, false]);
});

Deno.test("Replicas cuts what is beyond the sealed length when it learns of the seal", async () => {
  const holder = await Holder.start();
  await holder.append(0, "a", "b", "c");
  sealAt(holder.state, 2);
  holder.replicas.topicChanged(holder.state.topics.get("t")!, null);
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(holder.store.get(segmentLogName("t", 1))!.endPosition, 2);
  const { length, entries } = await holder.replicas.digest(target);
  assert.deepEqual([length, entries], [2, 2]);
});

Deno.test("Replicas.digest() tells of nothing that a power loss could take back", async () => {
  const holder = await Holder.start("none");
  await holder.append(0, "a", "b");
  assert.equal((await holder.replicas.digest(target)).length, 2);
  holder.drive.crash("lost");
  await holder.open();
  assert.equal(holder.store.get(segmentLogName("t", 1))?.endPosition, 2);
});

Deno.test("Replicas.complete() copies for a recovery, but nothing beyond a seal that is known", async () => {
  const holder = await Holder.start();
  await holder.append(0, "a");
  await holder.replicas.fence(target);
  await holder.replicas.complete(target, { from: 3, end: 2 });
  assert.equal((await holder.replicas.digest(target)).length, 2);
  sealAt(holder.state, 2);
  holder.replicas.topicChanged(holder.state.topics.get("t")!, null);
  await assert.rejects(
    holder.replicas.complete(target, { from: 3, end: 3 }),
    /sealed at 2 records/,
  );
  assert.equal((await holder.replicas.digest(target)).length, 2);
});

Deno.test("Replicas.complete() says no copy is whole of a topic that goes during its last append", async () => {
  const holder = await Holder.start();
  holder.onFetched = async () => {
    // What was fetched is looked at, and its append begins.
    for (let turn = 0; turn < 5; turn++) await null;
    holder.state.apply({ kind: "deleteTopic", topic: "t", bornSegment: 1 }, []);
  };
  await assert.rejects(holder.replicas.complete(target, { from: 3, end: 1 }), /trimmed or deleted/);
  assert.equal((await holder.replicas.digest(target)).length, 1, "it was appended");
});

Deno.test("Replicas.collectGarbage() leaves a copy alone that a repair may be about to have counted", async () => {
  const holder = await Holder.start();
  const topic = () => holder.state.topics.get("t")!;
  const name = segmentLogName("t", 1);
  await holder.append(0, "a");
  sealAt(holder.state, 1);
  holder.state.apply({ kind: "dropReplica", ...target, node: 2, expectedChanges: null }, []);
  holder.replicas.topicChanged(topic(), null);
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name), undefined, "others hold it");
  await holder.replicas.complete(target, { from: 3, end: 1 });
  // The segment changes once more, on other nodes.
  holder.state.apply({ kind: "dropReplica", ...target, node: 1, expectedChanges: null }, []);
  holder.replicas.topicChanged(topic(), null);
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name)?.endPosition, 1);
  // The comparison may take a minute, and the command after it its time.
  const nowMs = holder.clock.nowMs.bind(holder.clock);
  holder.clock.nowMs = () => nowMs() + 60_000 + 5000;
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name)?.endPosition, 1);
  holder.clock.nowMs = () => nowMs() + 75_000;
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name), undefined);
});

Deno.test("Replicas.collectGarbage() deletes a copy that nobody has had counted, though nothing changes any more", async () => {
  const holder = await Holder.start();
  const name = segmentLogName("t", 1);
  sealAt(holder.state, 1);
  holder.state.apply({ kind: "dropReplica", ...target, node: 2, expectedChanges: null }, []);
  holder.replicas.topicChanged(holder.state.topics.get("t")!, null);
  await holder.replicas.complete(target, { from: 3, end: 1 });
  const nowMs = holder.clock.nowMs.bind(holder.clock);
  holder.clock.nowMs = () => nowMs() + 75_000;
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name)?.endPosition, undefined);
});

Deno.test("Replicas.collectGarbage() leaves a copy alone that is still being made, however often it is asked for", async () => {
  const holder = await Holder.start();
  const name = segmentLogName("t", 1);
  sealAt(holder.state, 2);
  holder.state.apply({ kind: "dropReplica", ...target, node: 2, expectedChanges: null }, []);
  holder.replicas.topicChanged(holder.state.topics.get("t")!, null);
  // The first one fails in the middle, and the second goes on there for a long time.
  const pieces = [
    () => Promise.resolve(placed(0, "a")),
    () => Promise.reject<StreamedBatch>(new Error("the connection broke")),
    () => new Promise<StreamedBatch>(() => {}),
  ];
  holder.fetch = () => pieces.shift()!();
  const first = holder.replicas.complete(target, { from: 3, end: 2 });
  holder.replicas.complete(target, { from: 3, end: 2 });
  await assert.rejects(first, /broke/);
  const nowMs = holder.clock.nowMs.bind(holder.clock);
  holder.clock.nowMs = () => nowMs() + 75_000;
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name)?.endPosition, 1);
});

Deno.test("Replicas.collectGarbage() leaves a copy alone that the process before had made, for as long", async () => {
  const holder = await Holder.start();
  const name = segmentLogName("t", 1);
  sealAt(holder.state, 1);
  holder.state.apply({ kind: "dropReplica", ...target, node: 2, expectedChanges: null }, []);
  await holder.replicas.complete(target, { from: 3, end: 1 });
  holder.drive.kill();
  await holder.open();
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name)?.endPosition, 1);
  const nowMs = holder.clock.nowMs.bind(holder.clock);
  holder.clock.nowMs = () => nowMs() + 75_000;
  await holder.replicas.collectGarbage();
  assert.equal(holder.store.get(name), undefined);
});

Deno.test("Replicas.fence() finds the cursors in the last control record", async () => {
  const holder = await Holder.start();
  const { encodeCursors } = await import("./control_record.ts");
  const cursors = [{ name: "", offset: 41 }];
  const record = batchOf(encodeCursors(cursors), "control");
  await holder.append(0, "a");
  await holder.replicas.append(LEADER, target, {
    position: 1,
    batch: record,
    committed: 0,
  });
  const answer = await holder.replicas.fence(target);
  assert.deepEqual([answer.length, answer.entries, answer.cursors], [2, 1, cursors]);
});

Deno.test("Replicas.committedEntries() is what the writer has said, as far as it is here, and never less", async () => {
  const holder = await Holder.start();
  const stream = (committed: number, position: number, ...entries: string[]) =>
    holder.replicas.append(LEADER, target, { ...placed(position, ...entries), committed });
  assert.equal(holder.replicas.committedEntries(target), 0);
  await stream(0, 0, "a", "b");
  assert.equal(holder.replicas.committedEntries(target), 0);
  // Records that it lacks don't count, and without records it only listens.
  assert.deepEqual(await stream(9, 2), { end: 2, durable: 2 });
  assert.equal(holder.replicas.committedEntries(target), 2);
  await stream(1, 2, "c");
  assert.equal(holder.replicas.committedEntries(target), 3);
  assert.equal(await holder.replicas.append(3, target, { ...placed(3), committed: 99 }), "silent");
  assert.equal(holder.replicas.committedEntries(target), 3);
});

Deno.test("Replicas.fence() says nothing of a segment whose topic was deleted, and makes no replica of it anew", async () => {
  const holder = await Holder.start();
  await holder.append(0, "a", "b");
  const asked = holder.replicas.fence(target);
  holder.state.apply({ kind: "deleteTopic", topic: "t", bornSegment: 1 }, []);
  await assert.rejects(asked, /trimmed or deleted/);
  await holder.replicas.topicShrank("t");
  await assert.rejects(holder.replicas.fence(target), /trimmed or deleted/);
  assert.equal(holder.store.get(segmentLogName("t", 1)), undefined);
});
