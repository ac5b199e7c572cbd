import assert from "node:assert/strict";
import fc from "fast-check";
import { DiskFullError, openLogStore } from "../storage/mod.ts";
import { silentLogger } from "../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import { EMPTY_STATE } from "./core.ts";
import type { RestoredState } from "./core_state.ts";
import { DurableRaftLog, RAFT_LOG_NAME } from "./durable_log.ts";
import { RaftLogCorruptError } from "./errors.ts";
import { configurationOf } from "./membership.ts";
import type { Entry, Persist } from "./messages.ts";
import { applyPersist } from "./sim/mod.ts";
import { MemoryLogStore } from "./testing/mod.ts";

/** What the core may hand out next, given what it handed out before. */
type Step =
  | { kind: "append"; count: number; size: number }
  | { kind: "conflict"; back: number; count: number }
  | { kind: "compact"; back: number; size: number }
  | { kind: "install"; ahead: number; size: number }
  | { kind: "vote" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("append" as const), count: fc.nat(6), size: fc.nat(300) }),
  fc.record({ kind: fc.constant("conflict" as const), back: fc.nat(5), count: fc.nat(3) }),
  fc.record({ kind: fc.constant("compact" as const), back: fc.nat(3), size: fc.nat(2000) }),
  fc.record({ kind: fc.constant("install" as const), ahead: fc.nat(5), size: fc.nat(2000) }),
  fc.record({ kind: fc.constant("vote" as const) }),
);

/** Turns steps into writes as a core makes them, following the model as it goes. */
class Writer {
  state: RestoredState = EMPTY_STATE;
  #term = 1;
  #salt = 0;

  next(step: Step): Persist {
    const persist = this.#persist(step);
    this.state = applyPersist(this.state, persist);
    return persist;
  }

  #persist(step: Step): Persist {
    const base = this.state.snapshot?.index ?? 0;
    const last = this.state.entries[this.state.entries.length - 1]?.index ?? base;
    const lastTerm = this.state.entries[this.state.entries.length - 1]?.term ??
      this.state.snapshot?.term ?? 0;
    const completion = { term: this.#term, index: last, indexTerm: lastTerm };
    const hardState = { term: ++this.#term, vote: this.#term % 3, committed: base };
    const write = { hardState, entries: [] as Entry[], snapshot: null, completion };
    switch (step.kind) {
      case "append":
        return { ...write, entries: this.#entries(last + 1, step.count + 1, step.size) };
      case "conflict":
        return {
          ...write,
          entries: this.#entries(Math.max(base + 1, last - step.back), step.count + 1, 10),
        };
      case "compact":
      case "install": {
        const installed = step.kind === "install";
        const index = installed ? last + 1 + step.ahead : Math.max(base, last - step.back);
        if (index <= base) return write;
        const term = installed
          ? this.#term
          : this.state.entries.find((entry) => entry.index === index)!.term;
        const data = new Uint8Array(step.size).fill(++this.#salt);
        const snapshot = { index, term, config: configurationOf([1, 2]), data };
        return { ...write, snapshot: { snapshot, installed, keepFrom: index + 1 } };
      }
      case "vote":
        return write;
    }
  }

  #entries(first: number, count: number, size: number): Entry[] {
    return Array.from({ length: count }, (_, i) => ({
      index: first + i,
      term: this.#term,
      kind: "command" as const,
      data: new Uint8Array(size).fill(++this.#salt),
    }));
  }
}

const world = { clock: new SimClock(), logger: silentLogger };

async function reopen(store: MemoryLogStore): Promise<RestoredState | null> {
  return (await DurableRaftLog.open(store.asLogStore(), world)).state;
}

Deno.test("DurableRaftLog: after any writes a restart finds what the model says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const store = new MemoryLogStore();
      let { log } = await DurableRaftLog.open(store.asLogStore(), world);
      const writer = new Writer();
      for (const [i, step] of steps.entries()) {
        await log.persist(writer.next(step));
        if (i % 4 === 3) ({ log } = await DurableRaftLog.open(store.asLogStore(), world));
      }
      assert.deepEqual(await reopen(store), writer.state);
    }),
    { numRuns: 300 },
  );
});

Deno.test("DurableRaftLog: after a power loss a prefix of the writes is there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 2, maxLength: 15 }),
      fc.nat(14),
      async (steps, synced) => {
        const store = new MemoryLogStore();
        store.manual = true;
        const { log } = await DurableRaftLog.open(store.asLogStore(), world);
        const writer = new Writer();
        let durable: RestoredState | null = null;
        for (const [i, step] of steps.entries()) {
          log.persist(writer.next(step)).catch(() => {});
          if (i === synced) {
            store.logs.get(RAFT_LOG_NAME)!.syncAll();
            durable = writer.state;
          }
          await Promise.resolve();
        }
        store.crash();
        log.close();
        assert.deepEqual(await reopen(store), durable);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("DurableRaftLog: one write is one append, however many entries it has", async () => {
  const store = new MemoryLogStore();
  const { log } = await DurableRaftLog.open(store.asLogStore(), world);
  await log.persist(new Writer().next({ kind: "append", count: 5, size: 100 }));
  assert.equal(store.logs.get(RAFT_LOG_NAME)!.appends, 1);
});

Deno.test("DurableRaftLog: a snapshot gives back the log's head, up to what is still wanted", async () => {
  const store = new MemoryLogStore();
  const { log } = await DurableRaftLog.open(store.asLogStore(), world);
  const writer = new Writer();
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 20; i++) {
      await log.persist(writer.next({ kind: "append", count: 1, size: 50 }));
    }
    await log.persist(writer.next({ kind: "compact", back: 3, size: 1000 }));
  }
  await Promise.resolve();
  assert.ok(log.records < 120, `${log.records} records are left`);
  assert.deepEqual(await reopen(store), writer.state);
});

Deno.test("DurableRaftLog: a large snapshot goes in pieces, and none counts without the marker", async () => {
  const store = new MemoryLogStore();
  const { log } = await DurableRaftLog.open(store.asLogStore(), world);
  const writer = new Writer();
  await log.persist(writer.next({ kind: "append", count: 3, size: 10 }));
  await log.persist(writer.next({ kind: "install", ahead: 5, size: 3_000_000 }));
  assert.ok(store.logs.get(RAFT_LOG_NAME)!.appends > 5);
  assert.deepEqual(await reopen(store), writer.state);
});

Deno.test("DurableRaftLog: pieces of a snapshot without the marker mean nothing", async () => {
  const store = new MemoryLogStore();
  const { log } = await DurableRaftLog.open(store.asLogStore(), world);
  const writer = new Writer();
  await log.persist(writer.next({ kind: "append", count: 3, size: 10 }));
  const before = writer.state;
  store.manual = true;
  log.persist(writer.next({ kind: "install", ahead: 5, size: 3_000_000 })).catch(() => {});
  const memory = store.logs.get(RAFT_LOG_NAME)!;
  // All of it reached the disk but the last append.
  memory.durablePosition = memory.endPosition - 3;
  store.crash();
  log.close();
  assert.deepEqual(await reopen(store), before);
});

Deno.test("DurableRaftLog: a full disk rejects some writes; all become durable later, in order", async () => {
  const clock = new SimClock();
  const store = new MemoryLogStore();
  store.manual = true;
  const { log } = await DurableRaftLog.open(store.asLogStore(), { clock, logger: silentLogger });
  const memory = store.logs.get(RAFT_LOG_NAME)!;
  const writer = new Writer();
  const done: number[] = [];
  const write = (place: number, step: Step) =>
    void log.persist(writer.next(step)).then(() => done.push(place));
  write(0, { kind: "append", count: 3, size: 10 });
  memory.syncAll();
  write(1, { kind: "conflict", back: 1, count: 2 });
  write(2, { kind: "compact", back: 2, size: 100 });
  memory.rejectPending(new DiskFullError("no room"));
  // Handed in before the driver knows of the rejection: it must not get to the disk alone.
  write(3, { kind: "append", count: 1, size: 10 });
  memory.syncAll();
  await clock.runFor(100);
  assert.deepEqual(done, [0]);
  write(4, { kind: "vote" });
  await clock.runFor(1000);
  memory.syncAll();
  await clock.runFor(1);
  assert.deepEqual(done, [0, 1, 2, 3, 4]);
  assert.deepEqual(await reopen(store), writer.state);
});

Deno.test("DurableRaftLog.open() refuses records that it doesn't know, and a damaged log", async () => {
  const store = new MemoryLogStore();
  const { log } = await DurableRaftLog.open(store.asLogStore(), world);
  await log.persist(new Writer().next({ kind: "append", count: 1, size: 10 }));
  const memory = store.logs.get(RAFT_LOG_NAME)!;
  memory.records.push(new Uint8Array([99]));
  await assert.rejects(reopen(store), RaftLogCorruptError);
  memory.records.pop();
  Object.assign(memory, {
    damage: [{ firstPosition: 0, endPosition: 1, file: "f", fileOffset: 0 }],
  });
  await assert.rejects(reopen(store), RaftLogCorruptError);
});

Deno.test("DurableRaftLog on the real store: what was acknowledged survives power losses", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new SeededRandom(`durable ${seed}`);
    const clock = new SimClock();
    const drive = new SimDrive({ clock, random, latencyMs: { min: 0.1, max: 2 } });
    const steps = fc.sample(step, { numRuns: 60, seed });
    const writer = new Writer();
    const history: RestoredState[] = [EMPTY_STATE];
    let acknowledged = 0;
    for (let life = 0; life < 6; life++) {
      const disk = drive.mount();
      const store = await clock.settle(openLogStore({ disk, clock, random }));
      const opened = await clock.settle(
        DurableRaftLog.open(store, { clock, logger: silentLogger }),
      );
      const found = opened.state ?? EMPTY_STATE;
      const at = history.findIndex((state, i) => i >= acknowledged && isEqual(state, found));
      assert.ok(
        at >= acknowledged,
        `seed ${seed} life ${life}: not a state since the acknowledged one`,
      );
      history.length = at + 1;
      writer.state = found;
      for (const step of steps.slice(life * 10, life * 10 + 10)) {
        const persist = writer.next(step);
        history.push(writer.state);
        const place = history.length - 1;
        opened.log.persist(persist).then(() => acknowledged = place, () => {});
        if (random.below(2) === 0) await clock.runFor(random.below(6));
      }
      drive.crash();
      opened.log.close();
    }
  }
});

function isEqual(left: RestoredState, right: RestoredState): boolean {
  try {
    assert.deepEqual(left, right);
    return true;
  } catch {
    return false;
  }
}
