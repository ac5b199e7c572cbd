import assert from "node:assert/strict";
import { sleep } from "../clock.ts";
import { SimClock, SimStalledError } from "./clock.ts";

Deno.test("SimClock runs events by time, those of one time in the order of insertion", async () => {
  const clock = new SimClock();
  const ran: string[] = [];
  clock.after(5, () => ran.push("5a"));
  clock.after(1, () => ran.push("1"));
  clock.after(5, () => ran.push("5b"));
  clock.soon(() => ran.push("soon"));
  clock.after(-3, () => ran.push("past"));
  await clock.runFor(4);
  assert.deepEqual(ran, ["soon", "past", "1"]);
  assert.equal(clock.nowMs(), 4);
  await clock.runFor(1);
  assert.deepEqual(ran, ["soon", "past", "1", "5a", "5b"]);
  assert.equal(clock.pending, 0);
});

Deno.test("SimClock lets long chains of promises end between two events", async () => {
  const clock = new SimClock();
  const ran: string[] = [];
  clock.after(1, async () => {
    for (let i = 0; i < 1000; i++) await null;
    ran.push("chain");
  });
  clock.after(1, () => ran.push("next"));
  await clock.runFor(1);
  assert.deepEqual(ran, ["chain", "next"]);
});

Deno.test("SimClock.after() gives a timer that can be cancelled, also twice and too late", async () => {
  const clock = new SimClock();
  let ran = 0;
  const first = clock.after(1, () => ran++);
  const second = clock.after(2, () => ran++);
  first.cancel();
  first.cancel();
  assert.equal(clock.pending, 1);
  await clock.runFor(3);
  second.cancel();
  assert.equal(ran, 1);
  assert.equal(clock.pending, 0);
});

Deno.test("SimClock.settle() runs as far as the promise needs, and says when that never comes", async () => {
  const clock = new SimClock();
  await clock.settle(sleep(clock, 30));
  assert.equal(clock.nowMs(), 30);
  await assert.rejects(clock.settle(new Promise(() => {})), SimStalledError);
  await assert.rejects(clock.settle(sleep(clock, 30), { maxMs: 10 }), SimStalledError);
  await assert.rejects(clock.settle(Promise.reject(new Error("its own"))), /its own/);
});

Deno.test("SimClock keeps the heap in order under random inserts and cancels", async () => {
  const clock = new SimClock();
  const ran: number[] = [];
  let state = 1;
  for (let i = 0; i < 2000; i++) {
    state = (state * 48271) % 2147483647;
    const atMs = state % 50;
    const timer = clock.after(atMs, () => ran.push(atMs));
    if (state % 3 === 0) timer.cancel();
  }
  await clock.runFor(50);
  assert.ok(ran.length > 1000);
  assert.deepEqual(ran, ran.toSorted((a, b) => a - b));
});

Deno.test("SimClock.jumpWall() moves the wall only", () => {
  const clock = new SimClock();
  const before = clock.wallMs();
  clock.jumpWall(-5000);
  assert.equal(clock.wallMs(), before - 5000);
  assert.equal(clock.nowMs(), 0);
});
