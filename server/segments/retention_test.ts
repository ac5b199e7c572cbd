import assert from "node:assert/strict";
import fc from "fast-check";
import { KEEP_ALL, MetadataState, type Retention } from "../metadata/mod.ts";
import { firstKept } from "./retention.ts";

const SEGMENT_MS = 1000;

/** A topic whose segment n was sealed at n seconds, each with so many entries of 10 bytes. */
function topicWith(counts: readonly number[], retention: Partial<Retention>) {
  const state = new MetadataState();
  const place = { leader: 1, replicas: [1] };
  const kept = { ...KEEP_ALL, ...retention };
  const settings = { replicationFactor: 1, durability: null, firstSegment: 1, retention: kept };
  state.apply({ kind: "createTopic", topic: "t", ...settings, ...place }, []);
  counts.forEach((count, i) => {
    state.apply({
      kind: "sealSegment",
      topic: "t",
      segment: i + 1,
      expectedRun: "",
      count,
      length: count,
      bytes: 10 * count,
      mayHaveLost: false,
      cursors: [],
      nextLeader: 1,
      nextReplicas: [1],
      sealedMs: SEGMENT_MS * (i + 1),
    }, []);
  });
  return state.topics.get("t")!;
}

const view = { openBytes: 50, openEntries: 5, wallMs: 10 * SEGMENT_MS };

Deno.test("firstKept() keeps everything where nothing else was asked for", () => {
  assert.equal(firstKept(topicWith([10, 10, 10], {}), view), 1);
});

Deno.test("firstKept() lets a segment go when the rest holds enough", () => {
  const counts = [10, 10, 10];
  assert.equal(firstKept(topicWith(counts, { entries: 5 }), view), 4);
  assert.equal(firstKept(topicWith(counts, { entries: 6 }), view), 3);
  assert.equal(firstKept(topicWith(counts, { entries: 15 }), view), 3);
  assert.equal(firstKept(topicWith(counts, { entries: 16 }), view), 2);
  assert.equal(firstKept(topicWith(counts, { entries: 1000 }), view), 1);
  assert.equal(firstKept(topicWith(counts, { bytes: 150 }), view), 3);
  assert.equal(firstKept(topicWith(counts, { bytes: 151 }), view), 2);
});

Deno.test("firstKept() lets a segment go when it was sealed long enough ago", () => {
  const counts = [10, 10, 10];
  assert.equal(firstKept(topicWith(counts, { ms: 7 * SEGMENT_MS }), view), 4);
  assert.equal(firstKept(topicWith(counts, { ms: 7 * SEGMENT_MS + 1 }), view), 3);
  assert.equal(firstKept(topicWith(counts, { ms: 9 * SEGMENT_MS + 1 }), view), 1);
});

Deno.test("firstKept() keeps every promise of several", () => {
  const counts = [10, 10, 10];
  assert.equal(firstKept(topicWith(counts, { ms: SEGMENT_MS, entries: 16 }), view), 2);
  assert.equal(firstKept(topicWith(counts, { ms: 9 * SEGMENT_MS, entries: 5 }), view), 2);
});

Deno.test("firstKept() finds the largest number with which every promise holds", () => {
  const promise = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: null });
  const retention = fc.record({ bytes: promise(400), ms: promise(12_000), entries: promise(40) });
  fc.assert(fc.property(fc.array(fc.nat(9), { maxLength: 6 }), retention, (counts, promises) => {
    const topic = topicWith(counts, promises);
    const holds = (first: number) => {
      const left = topic.segments.filter(({ number, count }) => number >= first && count !== null);
      const entries = left.reduce((sum, { count }) => sum + count!, view.openEntries);
      const youngestGone = topic.segments.find(({ number }) => number === first - 1)?.sealedMs;
      return entries >= (promises.entries ?? 0) && 10 * entries >= (promises.bytes ?? 0) &&
        (promises.ms === null || view.wallMs - youngestGone! >= promises.ms);
    };
    const isNothingPromised = Object.values(promises).every((value) => value === null);
    let expected = 1;
    for (let first = 2; first <= counts.length + 1 && !isNothingPromised; first++) {
      if (holds(first)) expected = first;
    }
    assert.equal(firstKept(topic, view), expected);
  }));
});
