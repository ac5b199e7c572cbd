import assert from "node:assert/strict";
import type { Command } from "../../server/metadata/mod.ts";
import type { Outcome } from "../cluster/history.ts";
import { Chronicle, recordOf } from "./chronicle.ts";
import { noLosses } from "./losses.ts";
import { checkHistory, type Seen, type Sent, type SimTake } from "./topic_history.ts";

/** What happens to topic `t`, and what clients are told of it. */
class Story {
  readonly failures: string[] = [];
  readonly trims: number[] = [];
  readonly chronicle = new Chronicle({
    onTrim: ({ firstOffset }) => this.trims.push(firstOffset),
    onFailure: (message) => this.failures.push(message),
  });
  readonly sent: Sent[] = [];
  readonly seen: Seen[] = [];
  readonly takes: SimTake[] = [];
  #index = 0;
  #positions = new Map<number, number>();
  #nowMs = 0;

  command(command: Command, isDone = true): void {
    this.chronicle.onEvent({ kind: "learn", node: 1, index: ++this.#index, command, isDone });
  }

  create(firstSegment = 1): void {
    this.command({
      kind: "createTopic",
      topic: "t",
      replicationFactor: 1,
      durability: null,
      leader: 1,
      replicas: [1, 2, 3],
      firstSegment,
      retention: { bytes: null, ms: null, entries: null },
    });
  }

  seal(segment: number, count: number): void {
    this.command({
      kind: "sealSegment",
      topic: "t",
      segment,
      expectedRun: "",
      count,
      length: count,
      bytes: 0,
      mayHaveLost: false,
      cursors: [{ name: "", offset: 0 }],
      nextLeader: 1,
      nextReplicas: [1, 2, 3],
      sealedMs: 1,
    });
  }

  trim(firstSegment: number): void {
    this.command({ kind: "trimTopic", topic: "t", firstSegment });
  }

  delete(bornSegment: number): void {
    this.command({ kind: "deleteTopic", topic: "t", bornSegment });
  }

  /** The writer of a segment appends these. */
  append(segment: number, ...values: string[]): void {
    const position = this.#positions.get(segment) ?? 0;
    this.#positions.set(segment, position + values.length);
    const records = values.map(recordOf);
    this.chronicle.onEvent({ kind: "append", node: 1, topic: "t", segment, position, records });
  }

  /** A client sent these at once, and was told so. */
  told(
    outcome: Outcome,
    values: string[],
    options: { offset?: number | null; minBorn?: number } = {},
  ): void {
    const { offset = null, minBorn = 0 } = options;
    const [startMs, endMs] = [++this.#nowMs, ++this.#nowMs];
    const attempts = values.map((value) => ({
      topic: "t",
      value,
      writer: "p",
      startMs,
      endMs: outcome === "unknown" ? Infinity : endMs,
      outcome,
    }));
    this.sent.push({ topic: "t", attempts, minBorn, offset });
  }

  read(offset: number, values: string[], minBorn = 0): void {
    this.seen.push({ topic: "t", reader: "r", minBorn, offset, values });
  }

  take(value: string, minBorn = 0): void {
    const [startMs, endMs] = [++this.#nowMs, ++this.#nowMs];
    const take = {
      topic: "t",
      reader: "c",
      startMs,
      endMs,
      outcome: "ok" as const,
      value,
      minBorn,
    };
    this.takes.push(take);
  }

  /** What is wrong, when replicas hold these from `firstOffset` on. */
  problems(entries: string[], firstOffset = 0): string[] {
    assert.deepEqual(this.failures, []);
    const { chronicle, seen, sent, takes } = this;
    const left = { firstOffset, entries };
    const losses = noLosses();
    return checkHistory({ topic: "t", chronicle, sent, seen, takes, left, losses }).problems
      .map((problem) => problem.split(" ").slice(0, 2).join(" "));
  }
}

/** `a` alone in segment 1; `b c` as a batch in segment 2, which is open. */
function story(): Story {
  const all = new Story();
  all.create();
  all.append(1, "a");
  all.told("ok", ["a"]);
  all.seal(1, 1);
  all.append(2, "b", "c");
  all.told("ok", ["b", "c"], { offset: 1 });
  for (const value of ["a", "b", "c"]) all.take(value);
  return all;
}

Deno.test("checkHistory() is content with what was kept", () => {
  const all = story();
  all.read(0, ["a"]);
  all.read(1, ["b", "c"]);
  assert.deepEqual(all.problems(["a", "b", "c"]), []);
});

Deno.test("checkHistory() finds batches that are torn, divided, or elsewhere than was said", () => {
  assert.deepEqual(story().problems(["a", "b"]), ["lost: c", "torn: b", "read before"]);
  assert.deepEqual(
    story().problems(["a", "c", "b"]).sort(),
    ["cursor backwards:", "moved: b", "moved: c", "reordered: b", "torn: b"].sort(),
  );
  const divided = new Story();
  divided.create();
  divided.append(1, "a");
  divided.seal(1, 1);
  divided.append(2, "b");
  divided.told("unknown", ["a", "b"]);
  divided.take("a");
  divided.take("b");
  assert.deepEqual(divided.problems(["a", "b"]), ["torn: a"]);
  const elsewhere = new Story();
  elsewhere.create();
  elsewhere.append(1, "a");
  elsewhere.told("ok", ["a"], { offset: 1 });
  elsewhere.take("a");
  assert.deepEqual(elsewhere.problems(["a"]), ["wrong offset:"]);
});

Deno.test("checkHistory() finds a batch of which a seal holds a part, in a topic that is gone", () => {
  const all = new Story();
  all.create();
  all.append(1, "a", "b");
  all.told("unknown", ["a", "b"]);
  all.seal(1, 1);
  all.delete(1);
  all.create(3);
  assert.deepEqual(all.problems([]), ["torn: a"]);
});

Deno.test("checkHistory() finds what was read and is not there, or elsewhere, or was never sent", () => {
  const all = story();
  all.append(2, "d");
  all.told("unknown", ["d"]);
  all.read(3, ["d"]);
  all.read(0, ["b"]);
  all.read(0, ["x"]);
  assert.deepEqual(all.problems(["a", "b", "c"]), ["read before", "moved: b", "phantom: x"]);
});

Deno.test("checkHistory() knows what was trimmed", () => {
  const all = story();
  all.read(0, ["a"]);
  all.trim(2);
  assert.deepEqual(all.trims, [1]);
  assert.equal(all.chronicle.trimmed, 1);
  assert.deepEqual(all.problems(["b", "c"], 1), []);
  // The cursor may be carried past it, and past nothing else.
  all.takes.splice(0, 2);
  assert.deepEqual(all.problems(["b", "c"], 1), ["skipped: b"]);
});

Deno.test("checkHistory() finds what came out of a deleted topic", () => {
  const all = story();
  all.delete(1);
  all.create(3);
  all.append(3, "d");
  all.told("ok", ["d"], { minBorn: 3 });
  all.take("d", 3);
  assert.equal(all.chronicle.deleted, 1);
  assert.deepEqual(all.problems(["d"]), []);
  // Of a node that had not heard of the deletion.
  all.read(0, ["a"], 1);
  assert.deepEqual(all.problems(["d"]), []);
  all.read(0, ["a"], 3);
  assert.deepEqual(all.problems(["d"]), ["resurrected: a"]);
  all.take("b", 3);
  assert.deepEqual(all.problems(["d"]).slice(-1), ["resurrected: b"]);
  assert.ok(all.problems(["d", "c"]).includes("resurrected: c"));
});

Deno.test("checkHistory() finds an acknowledgement by a deleted topic, of a node that knew better", () => {
  const all = story();
  all.append(2, "d");
  all.told("ok", ["d"], { minBorn: 3 });
  all.delete(1);
  all.create(3);
  assert.deepEqual(all.problems([]), ["strayed: d"]);
});

Deno.test("checkHistory() finds what was acknowledged and is lost, in a topic that is gone too", () => {
  const all = story();
  all.append(2, "d");
  all.told("ok", ["d"]);
  all.seal(2, 2);
  all.delete(1);
  all.create(4);
  assert.deepEqual(all.problems([]), ["lost: d"]);
});

Deno.test("Chronicle knows what is committed, and what a disk that was read anew still has", () => {
  const { chronicle, ...all } = story();
  assert.equal(chronicle.committedEndOf("t"), 1);
  chronicle.onEvent({ kind: "commit", node: 1, topic: "t", segment: 2, length: 1 });
  assert.equal(chronicle.committedEndOf("t"), 2);
  chronicle.onEvent({ kind: "openWriter", node: 1, topic: "t", segment: 2, length: 1 });
  assert.deepEqual(chronicle.segment("t", 2)!.records, [recordOf("b")]);
  assert.deepEqual(all.failures, []);
});

Deno.test("Chronicle finds segments that are back, and appends to segments that are not", () => {
  const all = story();
  all.trim(2);
  const topic = all.chronicle.state.topics.get("t")!;
  topic.segments.unshift({ ...topic.segments[0]!, number: 1 });
  all.seal(2, 2);
  assert.match(all.failures[0]!, /had been trimmed up to 2/);
  all.append(9, "x");
  assert.match(all.failures[1]!, /t\/9 is appended to, and nobody has opened it/);
});
