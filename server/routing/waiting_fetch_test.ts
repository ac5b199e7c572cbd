import assert from "node:assert/strict";
import type { Entries } from "../segments/mod.ts";
import type { Routes } from "./routes.ts";
import type { TailWait } from "./topic_tails.ts";
import { SharedFetches, WaitingFetch } from "./waiting_fetch.ts";

const spec = { offset: 0, count: 1, maxBytes: 100 };

/** What a fetch needs of a node: time that only pauses move, waits that end at once, and what is read. */
class FakeRoutes {
  readonly found: (Entries | Error)[] = [];
  #nowMs = 0;
  looks = 0;
  readonly tails = { isClosed: false, wait: () => ({ done: Promise.resolve() } as TailWait) };
  readonly fetches = {
    fetch: () => {
      this.looks++;
      const found = this.found.shift() ?? { bytes: new Uint8Array(0), count: 0 };
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
  };

  nowMs = () => this.#nowMs;
  changeOf = (_topic: string, timeoutMs: number) => {
    this.#nowMs += timeoutMs;
    return Promise.resolve();
  };

  get asRoutes(): Routes {
    return this as unknown as Routes;
  }
}

Deno.test("SharedFetches reads once for all, and gives the memory back after the last of them", async () => {
  let reads = 0, releases = 0;
  const read = () => {
    reads++;
    return Promise.resolve({ bytes: new Uint8Array(1), count: 1, release: () => releases++ });
  };
  const fetches = new SharedFetches(new FakeRoutes().asRoutes, read as never);
  const [a, b] = await Promise.all([fetches.fetch("t", spec), fetches.fetch("t", spec)]);
  assert.equal(reads, 1);
  a.release!();
  assert.equal(releases, 0);
  b.release!();
  assert.equal(releases, 1);
  await fetches.fetch("t", spec);
  assert.equal(reads, 2);
});

Deno.test("WaitingFetch takes room only for its looks, and does not look in a loop", async () => {
  const routes = new FakeRoutes();
  let taken = 0, released = 0;
  const granted = () => {
    taken++;
    return { ...spec, release: () => released++ };
  };
  const waiting = new WaitingFetch(routes.asRoutes, "t", {
    offset: 0,
    waitMs: 100,
    spec: granted as never,
  });
  assert.equal((await waiting.entries).count, 0);
  assert.equal(routes.looks, 10);
  assert.deepEqual([taken, released], [10, 10]);
});

Deno.test("WaitingFetch keeps the room while what it found is used, and gives it back where it failed", async () => {
  const routes = new FakeRoutes();
  let released = 0;
  const wait = {
    offset: 0,
    waitMs: 100,
    spec: () => ({ ...spec, release: () => void released++ }),
  };
  routes.found.push({ bytes: new Uint8Array(1), count: 1 });
  const { count, release } = await new WaitingFetch(routes.asRoutes, "t", wait).entries;
  assert.deepEqual([count, released], [1, 0]);
  release!();
  assert.equal(released, 1);
  routes.found.push(new Error("gone"));
  await assert.rejects(new WaitingFetch(routes.asRoutes, "t", wait).entries, /gone/);
  assert.equal(released, 2);
});
