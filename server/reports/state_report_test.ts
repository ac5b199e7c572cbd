import assert from "node:assert/strict";
import { KEEP_ALL, MetadataState } from "../metadata/mod.ts";
import { DETAILED_MAX, stateReport } from "./state_report.ts";

const SEALED = DETAILED_MAX + 500;

function topicOf(sealed: number) {
  const state = new MetadataState();
  const place = { leader: 1, replicas: [1, 2] };
  const settings = { replicationFactor: 2, durability: null, retention: KEEP_ALL, firstSegment: 1 };
  state.apply({ kind: "createTopic", topic: "t", ...settings, ...place }, []);
  for (let segment = 1; segment <= sealed; segment++) {
    state.apply({
      kind: "sealSegment",
      topic: "t",
      segment,
      expectedRun: "",
      count: 2,
      length: 2,
      bytes: 20,
      mayHaveLost: segment === 3,
      cursors: [],
      nextLeader: 1,
      nextReplicas: [1, 2],
      sealedMs: segment,
    }, []);
  }
  return state.topics.get("t")!;
}

Deno.test("stateReport() describes the newest of many segments, and counts all of them", () => {
  const view = { isUnderReplicated: () => true, open: { count: 1, bytes: 7 } };
  const report = JSON.parse(stateReport(topicOf(SEALED), view));
  assert.equal(Object.keys(report.sealed_segments).length, SEALED);
  assert.equal(Object.keys(report.segment_leaders).length, SEALED + 1);
  const detailed = Object.keys(report.segments).map(Number);
  assert.equal(detailed.length, DETAILED_MAX);
  assert.deepEqual([detailed[0], detailed.at(-1)], [SEALED - DETAILED_MAX + 2, SEALED + 1]);
  assert.deepEqual(Object.keys(report.segment_replicas), Object.keys(report.segments));
  const { segment_count, under_replicated_segments, lossy_segments } = report;
  assert.deepEqual([segment_count, under_replicated_segments, lossy_segments], [
    SEALED + 1,
    SEALED + 1,
    1,
  ]);
  assert.deepEqual(report.segments[SEALED], {
    state: "sealed",
    count: 2,
    bytes: 20,
    under_replicated: true,
    sealed_ms: SEALED,
    may_have_lost: false,
  });
  assert.partialDeepStrictEqual(report.segments[SEALED + 1], { state: "open", count: 1, bytes: 7 });
});

Deno.test("stateReport() of an open segment that others lead leaves open how much it holds", () => {
  const view = { isUnderReplicated: () => false, open: null };
  const { segments } = JSON.parse(stateReport(topicOf(0), view));
  assert.partialDeepStrictEqual(segments[1], { state: "open", count: null, bytes: null });
});
