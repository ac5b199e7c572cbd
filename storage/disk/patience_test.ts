import assert from "node:assert/strict";
import { Patience } from "./patience.ts";

/** A clock whose event loop turns when it is told to. */
class HandClock {
  atMs = 0;
  tasks: (() => void)[] = [];
  readonly nowMs = () => this.atMs;
  readonly soon = (task: () => void) => void this.tasks.push(task);

  async turn(tookMs: number): Promise<void> {
    this.atMs += tookMs;
    for (const task of this.tasks.splice(0)) task();
    for (let depth = 0; depth < 4; depth++) await undefined;
  }
}

/** Of the next short commits, how many are not waited for before one is. */
function passed(patience: Patience): number {
  let count = 0;
  while (!patience.maySpend()) count++;
  return count;
}

Deno.test("Patience waits as long as ends are seen and the event loop has nothing to do", async () => {
  const clock = new HandClock();
  const patience = new Patience(clock);
  for (let commit = 0; commit < 100; commit++) {
    assert(patience.maySpend());
    patience.note(true);
    await clock.turn(0.01);
  }
});

Deno.test("Patience lets the event loop have its turn after some waits", async () => {
  const clock = new HandClock();
  const patience = new Patience(clock);
  let rest: Promise<void> | null = null;
  let waits = 0;
  for (; rest === null && waits < 1000; waits++) rest = patience.note(true);
  assert(rest !== null && waits < 20, `${waits} waits without a turn`);
  let isOver = false;
  rest.then(() => isOver = true);
  for (let depth = 0; depth < 10; depth++) await undefined;
  assert(!isOver, "it waits for the turn itself");
  await clock.turn(0.01);
  assert(isOver);
  assert.equal(patience.note(true), null, "and begins to count anew");
});

Deno.test("Patience is at its end where a commit takes long, and tries again later", () => {
  const patience = new Patience(new HandClock());
  assert(patience.maySpend());
  assert.equal(patience.note(false), null);
  const first = passed(patience);
  assert(first > 10 && first < 1000, `${first} went the usual way`);
  patience.note(true);
  assert.equal(passed(patience), 0);
});

Deno.test("Patience is at its end where others have work for the event loop", async () => {
  const clock = new HandClock();
  const patience = new Patience(clock);
  patience.note(true);
  await clock.turn(5);
  assert(passed(patience) > 10);
});
