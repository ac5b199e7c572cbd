import assert from "node:assert/strict";
import type { RaftStatus } from "../../raft/mod.ts";
import { MetadataState } from "../metadata/mod.ts";
import { nodesReport } from "./nodes_report.ts";

Deno.test("nodesReport() says which nodes are leaving, and which were given up", () => {
  const state = new MetadataState();
  for (const id of [1, 2, 3]) {
    const address = { raftHost: "h", raftPort: 1, clientHost: "h", clientPort: 2 };
    const disk = { incarnation: `disk-${id}`, run: "run" };
    state.apply({ kind: "registerNode", id, ...disk, ...address }, []);
  }
  state.apply({ kind: "drainNode", id: 2 }, []);
  state.apply({ kind: "giveUpNode", id: 3 }, []);
  const raft = { leader: 1, config: { voters: [1, 2, 3], learners: [] } } as unknown as RaftStatus;
  const { nodes } = JSON.parse(nodesReport(state, raft, (id) => id !== 3));
  const way = nodes.map(({ draining, given_up: isGivenUp, live }: Record<string, boolean>) => [
    draining,
    isGivenUp,
    live,
  ]);
  assert.deepEqual(way, [[false, false, true], [true, false, true], [true, true, false]]);
});
