import assert from "node:assert/strict";
import { SimClock } from "../../world/sim/mod.ts";
import type { TopicInfo } from "../metadata/mod.ts";
import { TopicWaiters } from "../metadata/topic_waiters.ts";
import { type ReadOpenRequest, readReadOpen, writeReadOpenReply } from "../read_open_messages.ts";
import type { Routes } from "./routes.ts";
import { ASKS_MAX, type TailWait, TopicTails } from "./topic_tails.ts";

const HERE = 1;
const THERE = 2;

/** Node 1 with topics that it or node 2 leads. */
class Bench {
  readonly clock = new SimClock();
  readonly waiters = new TopicWaiters(this.clock);
  readonly topics: Map<string, TopicInfo> = new Map();
  /** One past the last entry that the leader has. */
  readonly ends: Map<string, number> = new Map();
  isCutOff = false;
  /** Questions that wait at node 2, now and at most. */
  waiting = 0;
  mostWaiting = 0;
  readonly tails: TopicTails;

  constructor() {
    const routes = {
      nodeId: HERE,
      topicNow: (topic: string) => this.topics.get(topic),
      changeOf: (topic: string, timeoutMs: number) => this.waiters.wait(topic, timeoutMs),
      segments: { led: (topic: string) => this.#led(topic) },
      peers: {
        call: (_node: number, _method: number, body: Uint8Array) =>
          this.#answer(readReadOpen(body)),
      },
    };
    this.tails = new TopicTails(routes as unknown as Routes, this.clock);
  }

  /** A topic with one open segment, its first. */
  make(topic: string, { leader, end }: { leader: number; end: number }): void {
    const segments = [{ number: 1, baseOffset: 0, count: null, leader }];
    this.topics.set(topic, { name: topic, segments } as unknown as TopicInfo);
    this.ends.set(topic, end);
  }

  #led(topic: string) {
    const writer = { hasLease: !this.isCutOff };
    return { number: 1, readableEnd: this.ends.get(topic)!, writer };
  }

  async #answer({ topic, waitMs }: ReadOpenRequest): Promise<Uint8Array> {
    if (waitMs > 0) {
      this.waiting++;
      this.mostWaiting = Math.max(this.mostWaiting, this.waiting);
      await new Promise<void>((resolve) => this.clock.after(waitMs, resolve));
      this.waiting--;
    }
    return writeReadOpenReply({ end: this.ends.get(topic)!, bytes: new Uint8Array(0), count: 0 });
  }
}

function isDone(wait: TailWait): () => boolean {
  let isDone = false;
  wait.done.then(() => isDone = true);
  return () => isDone;
}

Deno.test("TopicTails.wait() goes by what it heard of this very segment", async () => {
  const bench = new Bench();
  bench.make("t", { leader: HERE, end: 1000 });
  const old = isDone(bench.tails.wait("t", 1000, 30_000));
  await bench.clock.runFor(10);
  bench.make("t", { leader: HERE, end: 0 });
  const fresh = isDone(bench.tails.wait("t", 0, 30_000));
  await bench.clock.runFor(10);
  assert.deepEqual([old(), fresh()], [true, false]);
  bench.tails.grown("t", 1);
  await bench.clock.runFor(1);
  assert.equal(fresh(), true);
});

Deno.test("TopicTails has those that wait look again at a leader that is cut off", async () => {
  const bench = new Bench();
  bench.make("t", { leader: HERE, end: 5 });
  const done = isDone(bench.tails.wait("t", 5, 30_000));
  await bench.clock.runFor(6000);
  assert.equal(done(), false);
  bench.isCutOff = true;
  await bench.clock.runFor(6000);
  assert.equal(done(), true);
});

Deno.test("TopicTails has no more questions wait than there may, and asks for the rest from time to time", async () => {
  const bench = new Bench();
  const waits: (() => boolean)[] = [];
  for (let i = 0; i < ASKS_MAX + 100; i++) {
    bench.make(`t${i}`, { leader: THERE, end: 5 });
    waits.push(isDone(bench.tails.wait(`t${i}`, 5, 30_000)));
  }
  await bench.clock.runFor(4000);
  assert.equal(bench.mostWaiting, ASKS_MAX);
  assert.equal(waits.some((done) => done()), false);
  bench.ends.set(`t${ASKS_MAX + 50}`, 6);
  await bench.clock.runFor(1500);
  assert.equal(waits[ASKS_MAX + 50]!(), true);
  await bench.clock.runFor(10_000);
  assert.equal(bench.mostWaiting, ASKS_MAX);
  bench.tails.close();
});
