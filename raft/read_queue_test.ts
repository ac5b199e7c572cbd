import assert from "node:assert/strict";
import { SeededRandom } from "../world/sim/mod.ts";
import { bootstrapState, RaftCore } from "./core.ts";
import { RaftTimeoutError } from "./errors.ts";
import { ReadQueue } from "./read_queue.ts";

function follower(): RaftCore {
  const core = new RaftCore({
    id: 1,
    random: new SeededRandom(1),
    restored: bootstrapState([1, 2, 3]),
  });
  core.takeReady();
  return core;
}

function askedOf(core: RaftCore): number[] {
  return (core.takeReady()?.messages ?? []).flatMap((message) =>
    message.type === "ReadRequest" ? [message.requestId] : []
  );
}

const heartbeat = (from: number, term: number) =>
  ({ type: "Heartbeat", from, to: 1, term, committed: 0, round: 1 }) as const;

Deno.test("ReadQueue: readers of one turn share a request, which is repeated and follows the leader", () => {
  const queue = new ReadQueue(new SeededRandom(2));
  const core = follower();
  const got: number[] = [];
  const reader = {
    resolve: (index: number) => got.push(index),
    reject: () => {},
    deadlineMs: 1000,
  };
  queue.add(reader);
  queue.add(reader);
  queue.ask(core);
  assert.deepEqual(askedOf(core), [], "nobody leads yet");
  core.step(heartbeat(2, 2));
  queue.ask(core);
  const [id] = askedOf(core);
  assert.ok(id !== undefined && id > 0);
  queue.ask(core);
  assert.deepEqual(askedOf(core), []);
  for (let i = 0; i < 4; i++) queue.tick(core, 10);
  assert.deepEqual(askedOf(core), [id]);
  core.step(heartbeat(3, 3));
  queue.ask(core);
  assert.deepEqual(askedOf(core), [id]);
  for (const { resolve } of queue.take(id)) resolve(7);
  assert.deepEqual([got, queue.size, queue.take(id)], [[7, 7], 0, []]);
});

Deno.test("ReadQueue: two runs of a node don't use the same ids", () => {
  const ids = [3, 4].map((seed) => {
    const queue = new ReadQueue(new SeededRandom(seed));
    const core = follower();
    core.step(heartbeat(2, 2));
    queue.add({ resolve: () => {}, reject: () => {}, deadlineMs: 1000 });
    queue.ask(core);
    return askedOf(core)[0];
  });
  assert.notEqual(ids[0], ids[1]);
});

Deno.test("ReadQueue: a reader whose time is over is told so", () => {
  const queue = new ReadQueue(new SeededRandom(5));
  const core = follower();
  const errors: Error[] = [];
  const reject = (error: Error) => errors.push(error);
  queue.add({ resolve: () => {}, reject, deadlineMs: 100 });
  queue.add({ resolve: () => {}, reject, deadlineMs: 300 });
  queue.ask(core);
  queue.tick(core, 200);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof RaftTimeoutError);
  assert.equal(queue.size, 1);
  queue.rejectAll(new Error("stopped"));
  assert.deepEqual([errors.length, queue.size], [2, 0]);
});
