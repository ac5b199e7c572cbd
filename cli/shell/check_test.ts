import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { NodeList, TopicState } from "../../client/mod.ts";
import { type CheckResult, nodeProblems, noteTopic } from "./check.ts";

function node(
  id: number,
  more: Partial<NodeList["nodes"][number]> = {},
): NodeList["nodes"][number] {
  const addresses = { raft_addr: "h:1", client_addr: "h:2", incarnation: "i" };
  const well = { role: "voter", live: true, draining: false, leads: 0, holds: 2 } as const;
  const kept = { given_up: false };
  return { id, ...addresses, ...well, ...kept, ...more };
}

Deno.test("nodeProblems() finds who is gone, going, or not there yet", () => {
  deepStrictEqual(nodeProblems([node(1, { role: "leader" }), node(2)]), []);
  const problems = nodeProblems([
    node(1),
    node(2, { live: false }),
    node(3, { draining: true }),
    node(4, { role: "learner" }),
  ]);
  strictEqual(problems.length, 4);
  match(problems[0]!, /no leader/);
  match(problems[1]!, /node 2 is not heard/);
  match(problems[2]!, /node 3 is leaving.*holds 2/);
  match(problems[3]!, /node 4 is still catching up/);
  const lost = node(3, { draining: true, given_up: true });
  match(
    nodeProblems([node(1, { role: "leader" }), lost])[0]!,
    /node 3 is leaving, and was given up/,
  );
  const eight = Array.from(
    { length: 8 },
    (_, i) => node(i + 1, { role: i === 0 ? "leader" : i < 7 ? "voter" : "learner" }),
  );
  deepStrictEqual(nodeProblems(eight), [], "the eighth stays a learner");
});

Deno.test("noteTopic() names segments that lack replicas, and those that may have lost something", () => {
  const result: CheckResult = { nodes: 0, topics: 0, segments: 0, problems: [], notes: [] };
  const segment = { state: "sealed", under_replicated: false, may_have_lost: false };
  const state = {
    segments: {
      1: segment,
      2: { ...segment, under_replicated: true },
      3: { ...segment, state: "sealing", may_have_lost: true },
    },
  } as unknown as TopicState;
  noteTopic("logs", state, result);
  deepStrictEqual(result.problems, [
    "logs: too few replicas of segment 2",
    "logs: segment 3 is being recovered",
  ]);
  deepStrictEqual(result.notes, ["logs: segment 3 may have lost acknowledged messages"]);
});
