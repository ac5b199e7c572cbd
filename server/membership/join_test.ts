import assert from "node:assert/strict";
import type { RaftNode } from "../../raft/mod.ts";
import { UnavailableError } from "../errors.ts";
import { RpcRefusal } from "../network/mod.ts";
import type { Metadata, NodeInfo } from "../metadata/mod.ts";
import { letIn } from "./join.ts";

function nodeOf(incarnation: string): NodeInfo {
  return {
    id: 3,
    incarnation,
    raftHost: "n3",
    raftPort: 6000,
    clientHost: "n3",
    clientPort: 8080,
    run: "run",
  };
}

/** The Raft leader's side, of which a test says who is a member and who is registered. */
function setUp(members: number[], registered: NodeInfo[]) {
  const done: string[] = [];
  const nodes = new Map(registered.map((node) => [node.id, node]));
  const raft = {
    status: { config: { voters: members, learners: [] } },
    addLearner: (id: number) => Promise.resolve(void done.push(`add learner ${id}`)),
  } as unknown as RaftNode;
  const metadata = {
    state: { nodes },
    refresh: () => Promise.resolve(),
    propose: ({ kind, ...node }: NodeInfo & { kind: string }) => {
      done.push(kind);
      nodes.set(node.id, node);
      return Promise.resolve();
    },
  } as unknown as Metadata;
  return { done, letIn: (node: NodeInfo) => letIn({ raft, metadata, clusterId: "c" }, node) };
}

Deno.test("letIn() registers a node, and makes it a learner once", async () => {
  const { done, letIn } = setUp([1, 2], []);
  await letIn(nodeOf("a"));
  assert.deepEqual(done, ["registerNode", "add learner 3"]);
});

Deno.test("letIn() answers a member that asks again because it died before it heard", async () => {
  const { done, letIn } = setUp([1, 2, 3], [nodeOf("a")]);
  await letIn(nodeOf("a"));
  assert.deepEqual(done, ["registerNode"]);
});

Deno.test("letIn() takes no other disk for a voter that has left metadata and not yet Raft", async () => {
  const { done, letIn } = setUp([1, 2, 3], []);
  await assert.rejects(letIn(nodeOf("b")), UnavailableError);
  assert.deepEqual(done, []);
});

Deno.test("letIn() refuses another disk under the id of a node that is in the cluster", async () => {
  const { done, letIn } = setUp([1, 2, 3], [nodeOf("a")]);
  await assert.rejects(letIn(nodeOf("b")), (error) => {
    return error instanceof RpcRefusal && /another data directory/.test(error.message);
  });
  assert.deepEqual(done, []);
});
