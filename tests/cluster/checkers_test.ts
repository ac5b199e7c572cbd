import assert from "node:assert/strict";
import fc from "fast-check";
import { checkTopic, describeProblems } from "./checkers.ts";
import { type Attempt, History, type Outcome } from "./history.ts";

/** Attempts `a`, `b`, … of one writer, one after another unless told otherwise. */
function attemptsOf(
  list: [value: string, outcome: Outcome, startMs: number, endMs: number, writer?: string][],
): Attempt[] {
  return list.map(([value, outcome, startMs, endMs, writer = `w-${value}`]) => ({
    topic: "t",
    value,
    writer,
    startMs,
    endMs,
    outcome,
  }));
}

const kindsOf = (attempts: Attempt[], read: string[]) =>
  checkTopic(attempts, read).map(({ kind, value }) => `${kind} ${value}`);

const THREE = attemptsOf([
  ["a", "ok", 0, 1],
  ["b", "unknown", 2, Infinity],
  ["c", "ok", 4, 5],
]);

Deno.test("checkTopic() is content when all that was acknowledged is there in order", () => {
  assert.deepEqual(kindsOf(THREE, ["a", "b", "c"]), []);
  assert.deepEqual(kindsOf(THREE, ["a", "c"]), [], "an unknown one may be missing");
  assert.deepEqual(kindsOf(THREE, ["a", "c", "b"]), [], "or happen at any later time");
});

Deno.test("checkTopic() finds what is lost", () => {
  assert.deepEqual(kindsOf(THREE, ["b", "c"]), ["lost a"]);
  assert.deepEqual(kindsOf(THREE, []), ["lost a", "lost c"]);
});

Deno.test("checkTopic() finds duplicates, acknowledged or not", () => {
  assert.deepEqual(kindsOf(THREE, ["a", "b", "b", "c", "a"]), ["duplicated b", "duplicated a"]);
});

Deno.test("checkTopic() finds what nobody wrote", () => {
  assert.deepEqual(kindsOf(THREE, ["a", "x", "c"]), ["phantom x"]);
});

Deno.test("checkTopic() finds what was refused and is there all the same", () => {
  const attempts = attemptsOf([["a", "failed", 0, 1]]);
  assert.deepEqual(kindsOf(attempts, ["a"]), ["resurrected a"]);
  assert.deepEqual(kindsOf(attempts, []), []);
});

Deno.test("checkTopic() finds a change of order in time", () => {
  assert.deepEqual(kindsOf(THREE, ["c", "a"]), ["reordered a"]);
  assert.deepEqual(
    kindsOf(THREE, ["b", "a", "c"]),
    ["reordered a"],
    "b was begun when a was there",
  );
  const overlapping = attemptsOf([["a", "ok", 0, 5], ["b", "ok", 1, 4]]);
  assert.deepEqual(kindsOf(overlapping, ["b", "a"]), [], "at the same time: any order");
});

Deno.test("checkTopic() finds a change of order within a connection", () => {
  const pipelined = attemptsOf([["a", "ok", 0, 5, "w"], ["b", "ok", 1, 6, "w"]]);
  assert.deepEqual(kindsOf(pipelined, ["b", "a"]), ["reordered a"]);
  assert.deepEqual(kindsOf(pipelined, ["a", "b"]), []);
});

Deno.test("checkTopic() accepts every run of a correct log, and no run with one fault planted", () => {
  const run = fc.array(
    fc.record({ outcome: fc.constantFrom<Outcome>("ok", "failed", "unknown"), kept: fc.boolean() }),
    { minLength: 2, maxLength: 30 },
  );
  fc.assert(fc.property(run, fc.nat(), (steps, at) => {
    let nowMs = 0;
    const history = new History(() => nowMs++);
    const read: string[] = [];
    for (const [number, { outcome, kept }] of steps.entries()) {
      const attempt = history.begin({ topic: "t", value: `v${number}`, writer: "w" });
      if (outcome === "ok" || (outcome === "unknown" && kept)) read.push(attempt.value);
      history.settle(attempt, outcome);
    }
    const { attempts } = history;
    assert.deepEqual(kindsOf(attempts, read), []);
    if (read.length < 2) return;
    const index = at % (read.length - 1);
    const swapped = read.toSpliced(index, 2, read[index + 1]!, read[index]!);
    assert.notDeepEqual(kindsOf(attempts, swapped), [], "two neighbours changed places");
    assert.notDeepEqual(kindsOf(attempts, [...read, read[index]!]), [], "one came again");
    const acknowledged = attempts.find(({ outcome }) => outcome === "ok");
    const without = read.filter((value) => value !== acknowledged?.value);
    if (acknowledged) assert.notDeepEqual(kindsOf(attempts, without), [], "one is missing");
  }));
});

Deno.test("describeProblems() names the first ten and counts the rest", () => {
  const problems = checkTopic([], Array.from({ length: 12 }, (_, i) => `v${i}`));
  const lines = describeProblems(problems).split("\n");
  assert.equal(lines.length, 11);
  assert.match(lines[0]!, /^phantom: v0/);
  assert.equal(lines[10], "and 2 more");
  assert.equal(describeProblems([]), "");
});
