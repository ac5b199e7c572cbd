import assert from "node:assert/strict";
import {
  type FormerRuns,
  hasGoneBack,
  nextRun,
  NO_FORMER_RUNS,
  PENDING_RUNS_MAX,
  runNumber,
  withPending,
} from "./runs.ts";

const uuid = (n: number) => `abcdef00-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
let drawn = 0;
/** Starts a directory, which is known to the cluster then, or isn't. */
function start(former: FormerRuns, isRegistered = true): { run: string; former: FormerRuns } {
  const run = nextRun(former, uuid(++drawn));
  const after = isRegistered ? { confirmed: run, pending: [] } : withPending(former, run);
  return { run, former: after };
}
const comes = (former: FormerRuns) => ({
  runId: nextRun(former, uuid(++drawn)),
  formerRuns: former,
});

Deno.test("nextRun() counts the starts of a directory in UUIDs that are no others", () => {
  const first = start(NO_FORMER_RUNS);
  const second = start(first.former, false);
  const third = start(second.former);
  assert.deepEqual([first, second, third].map(({ run }) => runNumber(run)), [1, 2, 3]);
  assert.match(first.run, /^00000001-0000-8000-8000-[0-9]{12}$/);
  assert.equal(runNumber(uuid(1)), null);
});

Deno.test("hasGoneBack() finds each copy that is older than the last registered start", () => {
  let former = NO_FORMER_RUNS;
  const copies: FormerRuns[] = [];
  let registered = "";
  for (let n = 0; n < 5; n++) {
    copies.push(former);
    ({ run: registered, former } = start(former, n % 2 === 0));
  }
  for (const [n, copy] of copies.entries()) {
    assert.equal(hasGoneBack(registered, comes(copy)), true, `copy ${n}`);
  }
  assert.equal(hasGoneBack(registered, comes(former)), false);
});

Deno.test("hasGoneBack() is not deceived by a copy that was started more often than the original", () => {
  const copied = start(NO_FORMER_RUNS).former;
  const { run: registered } = start(copied);
  let copy = copied;
  for (let n = 0; n < 5; n++) {
    assert.equal(hasGoneBack(registered, comes(copy)), true);
    copy = start(copy, false).former;
  }
});

Deno.test("hasGoneBack() bears who is behind, and a start whose registration was not heard of", () => {
  const first = start(NO_FORMER_RUNS);
  const second = start(first.former);
  const unheard = start(second.former, false);
  const now = comes(unheard.former);
  // What another node may know of it by now.
  for (const known of [first.run, second.run, unheard.run, now.runId, uuid(7)]) {
    assert.equal(hasGoneBack(known, now), false, known);
  }
  // A program that tells nothing of it.
  assert.equal(hasGoneBack(second.run, { ...now, formerRuns: null }), false);
});

Deno.test("withPending() keeps the newest starts of those that were never registered", () => {
  let former = start(NO_FORMER_RUNS).former;
  for (let n = 0; n < 2 * PENDING_RUNS_MAX; n++) former = start(former, false).former;
  assert.equal(former.pending.length, PENDING_RUNS_MAX);
  assert.equal(runNumber(former.pending.at(-1)!), 1 + 2 * PENDING_RUNS_MAX);
});
