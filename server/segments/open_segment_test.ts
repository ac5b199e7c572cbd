import assert from "node:assert/strict";
import type { Log } from "../../storage/mod.ts";
import type { Command } from "../metadata/mod.ts";
import { KEEP_ALL, MetadataState } from "../metadata/mod.ts";
import { OpenSegment, type SegmentContext } from "./open_segment.ts";

/** Metadata in which node 1, in its first run, leads a topic that only it holds. */
function setUp() {
  const state = new MetadataState();
  const apply = (command: Command) => assert.deepEqual(state.apply(command, []), { ok: true });
  apply({
    kind: "registerNode",
    id: 1,
    incarnation: "disk",
    raftHost: "n1",
    raftPort: 1,
    clientHost: "n1",
    clientPort: 2,
    run: "run",
  });
  apply({
    kind: "createTopic",
    firstSegment: 1,
    retention: KEEP_ALL,
    topic: "t",
    replicationFactor: 1,
    durability: null,
    leader: 1,
    replicas: [1],
  });
  const sealFirst = () =>
    apply({
      kind: "sealSegment",
      sealedMs: 1,
      topic: "t",
      segment: 1,
      expectedRun: "run",
      count: 5,
      length: 6,
      bytes: 50,
      mayHaveLost: false,
      cursors: [{ name: "", offset: 5 }],
      nextLeader: 1,
      nextReplicas: [1],
    });
  const context = { nodeId: 1, runId: "run", sourceOf: () => null } as unknown as SegmentContext;
  return { topic: state.topics.get("t")!, sealFirst, context };
}

Deno.test("OpenSegment.open() opens the segment that it was called for, whatever comes while it waits", async () => {
  const { topic, sealFirst, context } = setUp();
  const log = {
    startPosition: 0,
    endPosition: 0,
    endOffset: 0,
    lastControl: () => Promise.resolve(null),
  } as unknown as Log;
  const opening = OpenSegment.open(context, topic, { log, onBusy: () => {} });
  sealFirst(); // and this node leads segment 2 as well, in another log
  const opened = await opening;
  assert.equal(opened.number, 1);
  assert.equal(opened.cursor.committed, 0);
});
