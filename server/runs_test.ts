import assert from "node:assert/strict";
import {
  type FormerRuns,
  hasGoneBack,
  nextRun,
  NO_FORMER_RUNS,
  PENDING_RUNS_MAX,
  runNumber,
  withConfirmed,
  withPending,
} from "./runs.ts";

const uuid = (n: number) => `abcdef00-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
let drawn = 0;
/** Starts a directory, which is known to the cluster then, or isn't. */
function start(former: FormerRuns, isRegistered = true): { run: string; former: FormerRuns } {
  const run = nextRun(former, uuid(++drawn));
  const after = isRegistered ? { confirmed: run, pending: [] } : withPending(former, run)!;
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

Deno.test("hasGoneBack() tells two copies apart that were started as often", () => {
  const copied = start(NO_FORMER_RUNS).former;
  const [original, copy] = [start(copied), start(copied)];
  assert.equal(runNumber(original.run), runNumber(copy.run));
  assert.equal(hasGoneBack(copy.run, comes(original.former)), true);
  assert.equal(hasGoneBack(copy.run, comes(copy.former)), false);
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

Deno.test("withPending() forgets no start that may have been registered", () => {
  let former = start(NO_FORMER_RUNS).former;
  const runs: string[] = [];
  for (let n = 0; n < PENDING_RUNS_MAX; n++) {
    const { run, former: after } = start(former, false);
    runs.push(run);
    former = after;
  }
  assert.equal(withPending(former, nextRun(former, uuid(++drawn))), null);
  // Each of them may be what metadata has, when a start without a number comes.
  for (const run of runs) {
    assert.equal(hasGoneBack(run, { runId: uuid(++drawn), formerRuns: former }), false, run);
  }
});

Deno.test("withConfirmed() lets those go that came before, and still finds what the directory never knew", () => {
  const first = start(NO_FORMER_RUNS);
  const [second, third] = [start(first.former, false), start(first.former)];
  const after = start(second.former, false);
  assert.deepEqual(withConfirmed(after.former, second.run), {
    confirmed: second.run,
    pending: [after.run],
  });
  // One without a number was registered: those before it are told by the last of them.
  const settled = withConfirmed(after.former, uuid(++drawn));
  assert.deepEqual(settled, { confirmed: after.run, pending: [] });
  for (const known of [first.run, second.run, after.run]) {
    assert.equal(hasGoneBack(known, comes(settled)), false, known);
  }
  const later = start(start(settled).former).run;
  assert.equal(hasGoneBack(later, comes(settled)), true);
  assert.equal(hasGoneBack(third.run, comes(after.former)), true);
});
