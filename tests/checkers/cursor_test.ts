import assert from "node:assert/strict";
import { checkCursor, type Take } from "./cursor.ts";

/** A take of `value` (null: unknown outcome) that lasted from `startMs` to `endMs`. */
function take(value: string | null, startMs: number, endMs: number): Take {
  const outcome = value === null ? "unknown" : value === "" ? "empty" : "ok";
  return { topic: "t", reader: "c", startMs, endMs, outcome, value: value || null };
}

function kindsOf(takes: Take[], content: string[], isDrained = true): string[] {
  return checkCursor(takes, content, { isDrained }).map(({ kind, value }) => `${kind} ${value}`);
}

const CONTENT = ["a", "b", "c"];

Deno.test("checkCursor() is content when each entry went to one consumer, in order", () => {
  assert.deepEqual(kindsOf([take("a", 0, 1), take("b", 2, 3), take("c", 4, 5)], CONTENT), []);
  assert.deepEqual(kindsOf([take("b", 0, 5), take("a", 1, 6), take("c", 2, 4)], CONTENT), []);
  assert.deepEqual(kindsOf([take("a", 0, 1), take("", 2, 3)], CONTENT, false), []);
});

Deno.test("checkCursor() finds what was delivered twice, or was never committed", () => {
  const twice = [take("a", 0, 1), take("a", 2, 3), take("b", 4, 5), take("c", 6, 7)];
  assert.deepEqual(kindsOf(twice, CONTENT), ["delivered twice a"]);
  assert.deepEqual(kindsOf([take("x", 0, 1)], []), ["read before commit x"]);
});

Deno.test("checkCursor() finds a cursor that went backwards", () => {
  const takes = [take("b", 0, 1), take("a", 2, 3), take("c", 4, 5)];
  assert.deepEqual(kindsOf(takes, CONTENT), ["cursor backwards a"]);
});

Deno.test("checkCursor() finds what was skipped, unless a take of unknown outcome may have had it", () => {
  const rest = [take("a", 0, 1), take("c", 10, 11)];
  assert.deepEqual(kindsOf(rest, CONTENT), ["skipped b"]);
  assert.deepEqual(kindsOf([...rest, take(null, 5, Infinity)], CONTENT), []);
  assert.deepEqual(kindsOf([...rest, take(null, 12, Infinity)], CONTENT), ["skipped b"]);
  assert.deepEqual(kindsOf([take(null, 0, Infinity)], ["a", "b"]), ["skipped b"]);
  assert.deepEqual(kindsOf(rest, CONTENT, false), []);
});

Deno.test("checkCursor() lets the cursor be carried past what was trimmed, and past nothing else", () => {
  const kinds = (takes: Take[], firstOffset: number) =>
    checkCursor(takes, CONTENT, { isDrained: true, firstOffset })
      .map(({ kind, value }) => `${kind} ${value}`);
  assert.deepEqual(kinds([take("c", 0, 1)], 2), []);
  assert.deepEqual(kinds([take("c", 0, 1)], 1), ["skipped b"]);
  assert.deepEqual(kinds([take("a", 0, 1), take("c", 2, 3)], 1), ["skipped b"]);
});
