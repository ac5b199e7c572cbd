import { MalformedError } from "../world/mod.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigHistory, decodeConfiguration, encodeConfiguration } from "./config_history.ts";
import {
  type Configuration,
  configurationOf,
  enterChange,
  formatConfiguration,
  isJoint,
  leaveJoint,
  MAX_VOTERS,
} from "./membership.ts";

function change(config: Configuration, wanted: Parameters<typeof enterChange>[1]): string {
  const next = enterChange(config, wanted);
  return typeof next === "string" ? next : formatConfiguration(next);
}

Deno.test("enterChange() changes learners in one step, voters through a joint configuration", () => {
  const three = configurationOf([3, 1, 2]);
  assert.equal(change(three, { addLearners: [9, 4] }), "(1 2 3) learners (4 9)");
  assert.equal(change(three, { remove: [2] }), "(1 3)&(1 2 3)");
  const learner: Configuration = { ...three, learners: [4] };
  assert.equal(change(learner, { promote: [4] }), "(1 2 3 4)&(1 2 3)");
  assert.equal(change(learner, { remove: [4] }), "(1 2 3)");
  assert.equal(change(learner, { promote: [4], remove: [1, 2] }), "(3 4)&(1 2 3)");
  assert.equal(change(three, {}), "(1 2 3)");
});

Deno.test("leaveJoint() ends with the new voters", () => {
  const joint = enterChange(configurationOf([1, 2]), { remove: [1] }) as Configuration;
  assert.ok(isJoint(joint));
  assert.equal(formatConfiguration(leaveJoint(joint)), "(2)");
});

Deno.test("enterChange() refuses what makes no sense", () => {
  const two: Configuration = { ...configurationOf([1, 2]), learners: [3] };
  assert.match(change(two, { addLearners: [1] }), /member already/);
  assert.match(change(two, { addLearners: [3] }), /member already/);
  assert.match(change(two, { addLearners: [0] }), /not a node id/);
  assert.match(change(two, { promote: [2] }), /not a learner/);
  assert.match(change(two, { remove: [7] }), /not a member/);
  assert.match(change(two, { remove: [1, 2] }), /last voter/);
  const seven: Configuration = {
    ...configurationOf(Array.from({ length: MAX_VOTERS }, (_, i) => i + 1)),
    learners: [50],
  };
  assert.match(change(seven, { promote: [50] }), /at most 7 voters/);
});

Deno.test("decodeConfiguration() gives back what was encoded, and refuses nonsense", () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 0xffff_ffff }), { maxLength: 5 })
    .map((list) => list.sort((a, b) => a - b));
  fc.assert(fc.property(ids, ids, (voters, votersOutgoing) => {
    const config = { voters, votersOutgoing, learners: [] };
    assert.deepEqual(decodeConfiguration(encodeConfiguration(config)), config);
  }));
  const bad = [
    { voters: [2, 1], votersOutgoing: [], learners: [] },
    { voters: [0], votersOutgoing: [], learners: [] },
    { voters: [1, 1], votersOutgoing: [], learners: [] },
    { voters: [1], votersOutgoing: [], learners: [1] },
  ];
  for (const config of bad) {
    assert.throws(() => decodeConfiguration(encodeConfiguration(config)), MalformedError);
  }
});

Deno.test("ConfigHistory: the last configuration in the log counts, until it is truncated", () => {
  const entry = (index: number, voters: number[]) => ({
    index,
    term: 1,
    kind: "config" as const,
    data: encodeConfiguration(configurationOf(voters)),
  });
  const history = new ConfigHistory({ index: 0, config: configurationOf([]) }, [entry(1, [1])]);
  assert.ok(history.onAppend(entry(4, [1, 2])));
  assert.ok(history.onAppend(entry(6, [1, 2, 3])));
  assert.deepEqual(history.current.voters, [1, 2, 3]);
  assert.deepEqual(history.at(5).voters, [1, 2]);
  assert.deepEqual(history.since(5).map(({ voters }) => voters.length), [2, 3]);
  assert.ok(!history.onTruncate(7));
  assert.ok(history.onTruncate(6));
  assert.deepEqual(history.current.voters, [1, 2]);
  history.onCompact(4);
  assert.throws(() => history.at(3));
  history.onReset({ index: 9, config: configurationOf([7]) });
  assert.deepEqual(history.current.voters, [7]);
});
