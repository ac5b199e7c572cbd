import assert from "node:assert/strict";
import { batchOf, type Log } from "../../storage/mod.ts";
import type { TopicInfo } from "../metadata/mod.ts";
import type { OpenSegment } from "../segments/mod.ts";
import { fetchHere } from "./fetch_router.ts";
import type { Routes } from "./routes.ts";

/** A node that leads t/1, in which one entry is committed. */
function leader(
  lease: { isValid: boolean; isClosed?: boolean },
): { routes: Routes; waits: number[] } {
  const entry = { ...batchOf(new Uint8Array(3)), firstPosition: 0, firstOffset: 0 };
  const log = { endOffset: 1, endPosition: 1, read: () => Promise.resolve(entry) };
  const writer = {
    log: log as unknown as Log,
    get isEnd() {
      return lease.isValid && !lease.isClosed;
    },
  };
  const led = { number: 1, baseOffset: 0, readableEnd: 1, writer } as unknown as OpenSegment;
  const waits: number[] = [];
  const routes = {
    segments: { led: () => led, emitterOf: () => undefined },
    topicNow: () => ({ segments: [{ number: 1, count: null }] }) as unknown as TopicInfo,
    tails: {
      wait: (_topic: string, _offset: number, waitMs: number) => {
        waits.push(waitMs);
        return { done: Promise.resolve() };
      },
    },
  } as unknown as Routes;
  return { routes, waits };
}

const first = { topic: "t", segment: 1, offset: 0, count: 1, maxBytes: 100, waitMs: 0 };
const beyond = { ...first, offset: 1 };

Deno.test("fetchHere() tells where the topic ends only with a lease: others may have gone on without this node", async () => {
  const lease = { isValid: true };
  const { routes } = leader(lease);
  assert.equal((await fetchHere(routes, { ...first, count: 0 }))?.end, 1);
  assert.equal((await fetchHere(routes, beyond))?.count, 0);
  lease.isValid = false;
  assert.equal(await fetchHere(routes, { ...first, count: 0 }), null);
  assert.equal(await fetchHere(routes, beyond), null);
});

Deno.test("fetchHere() does not say that a topic ends in a segment that is closed: its seal may be unheard of here only", async () => {
  const { routes } = leader({ isValid: true, isClosed: true });
  assert.equal(await fetchHere(routes, { ...first, count: 0 }), null);
  assert.equal(await fetchHere(routes, beyond), null);
  assert.equal((await fetchHere(routes, first))?.count, 1);
});

Deno.test("fetchHere() gives entries that are committed, with a lease or without", async () => {
  const { routes } = leader({ isValid: false });
  assert.equal((await fetchHere(routes, first))?.count, 1);
});

Deno.test("fetchHere() waits for nothing without a lease, and says nothing where it ended meanwhile", async () => {
  const lease = { isValid: false };
  const { routes, waits } = leader(lease);
  assert.equal(await fetchHere(routes, { ...beyond, waitMs: 100 }), null);
  assert.deepEqual(waits, []);
  lease.isValid = true;
  const answer = fetchHere(routes, { ...beyond, waitMs: 100 });
  lease.isValid = false;
  assert.equal(await answer, null);
  assert.deepEqual(waits, [100]);
});
