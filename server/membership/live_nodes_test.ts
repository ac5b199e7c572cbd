import assert from "node:assert/strict";
import { MetadataState, type NodeInfo } from "../metadata/mod.ts";
import { liveNodes, type LiveView } from "./live_nodes.ts";

function infoOf(id: number, run = `run of ${id}`): NodeInfo {
  const [raftHost, clientHost] = ["h", "h"];
  return { id, incarnation: `disk ${id}`, raftHost, raftPort: id, clientHost, clientPort: id, run };
}

/** Node 1 among three, connected with everybody's registered run. */
function viewOf(change: Partial<LiveView> = {}): LiveView {
  const metadata = new MetadataState();
  for (const id of [1, 2, 3]) metadata.apply({ kind: "registerNode", ...infoOf(id) }, []);
  return {
    nodeId: 1,
    metadata,
    isConnectedTo: (id, run) => run === `run of ${id}`,
    isAlive: () => true,
    hasLeft: () => false,
    isLeaving: false,
    ...change,
  };
}

Deno.test("liveNodes() has this node, and who is connected, was heard lately and stays", () => {
  assert.deepEqual(liveNodes(viewOf()), [1, 2, 3]);
  assert.deepEqual(liveNodes(viewOf({ isConnectedTo: (id) => id === 3 })), [1, 3]);
  assert.deepEqual(liveNodes(viewOf({ isAlive: (id) => id === 3 })), [1, 3]);
  assert.deepEqual(liveNodes(viewOf({ hasLeft: ({ id }) => id === 3 })), [1, 2]);
  const view = viewOf();
  view.metadata.draining.add(2);
  assert.deepEqual(liveNodes(view), [1, 3]);
});

Deno.test("liveNodes() has a node that was started again once its new run is registered, not before", () => {
  const metadata = new MetadataState();
  for (const id of [1, 2, 3]) metadata.apply({ kind: "registerNode", ...infoOf(id) }, []);
  // The connection to node 2 is with the run that metadata does not know yet.
  const isConnectedTo = (id: number, run: string) => run === (id === 2 ? "next" : `run of ${id}`);
  const view = viewOf({ metadata, isConnectedTo });
  assert.deepEqual(liveNodes(view), [1, 3]);
  metadata.apply({ kind: "registerNode", ...infoOf(2, "next") }, []);
  assert.deepEqual(liveNodes(view), [1, 2, 3]);
});

Deno.test("liveNodes() leaves out a node that stops, unless there is no other", () => {
  assert.deepEqual(liveNodes(viewOf({ isLeaving: true })), [2, 3]);
  assert.deepEqual(liveNodes(viewOf({ isLeaving: true, isAlive: () => false })), [1]);
});
