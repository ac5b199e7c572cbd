import assert from "node:assert/strict";
import fc from "fast-check";
import type { Configuration } from "./membership.ts";
import { majorityValue, quorumValue, voteResult } from "./quorum.ts";

/** Three to no members of a world of nine, so that halves of a joint configuration overlap often. */
const half = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 });
const values = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 10, maxLength: 10 });
const answers = fc.array(fc.constantFrom(true, false, null), { minLength: 10, maxLength: 10 });

function configOf(voters: number[], votersOutgoing: number[]): Configuration {
  return { voters, votersOutgoing, learners: [] };
}

/** By the definition: more than half of them have reached it. */
function naiveMajority(voters: readonly number[], reached: (id: number) => boolean): boolean {
  return voters.length === 0 || voters.filter(reached).length * 2 > voters.length;
}

Deno.test("majorityValue() is the largest value that more than half have reached", () => {
  fc.assert(fc.property(half, values, (voters, values) => {
    const value = majorityValue(voters, (id) => values[id]!);
    for (let candidate = 0; candidate <= 7; candidate++) {
      const isReached = naiveMajority(voters, (id) => values[id]! >= candidate);
      assert.equal(candidate <= value, isReached, `${voters} ${values} ${candidate}`);
    }
  }));
});

Deno.test("quorumValue() is the largest value that majorities of both halves have reached", () => {
  fc.assert(fc.property(half, half, values, (voters, outgoing, values) => {
    const value = quorumValue(configOf(voters, outgoing), (id) => values[id]!);
    for (let candidate = 0; candidate <= 7; candidate++) {
      const reached = (id: number) => values[id]! >= candidate;
      assert.equal(
        candidate <= value,
        naiveMajority(voters, reached) && naiveMajority(outgoing, reached),
      );
    }
  }));
});

Deno.test("voteResult() is won when no missing answer can change it, lost when none can win it", () => {
  fc.assert(fc.property(half, half, answers, (voters, outgoing, answers) => {
    const votes = new Map<number, boolean>();
    answers.forEach((answer, id) => {
      if (answer !== null) votes.set(id, answer);
    });
    const winsIf = (missing: boolean) =>
      [voters, outgoing].every((ids) => naiveMajority(ids, (id) => votes.get(id) ?? missing));
    const expected = winsIf(false) ? "won" : winsIf(true) ? "pending" : "lost";
    assert.equal(voteResult(configOf(voters, outgoing), votes), expected);
  }));
});

Deno.test("Quorums: any two of one configuration meet, and those of neighbours in a joint change", () => {
  // All sets of acknowledgements at once: 2^9 of them.
  fc.assert(
    fc.property(half, half, (voters, outgoing) => {
      const joint = configOf(voters, outgoing);
      const old = configOf(outgoing, []);
      if (outgoing.length === 0) return;
      for (let set = 0; set < 512; set++) {
        const isIn = (id: number) => ((set >> (id - 1)) & 1) === 1;
        const isQuorum = (config: Configuration, inside: boolean) =>
          quorumValue(config, (id) => isIn(id) === inside ? 1 : 0) >= 1;
        assert.ok(!(isQuorum(joint, true) && isQuorum(joint, false)));
        assert.ok(!(isQuorum(joint, true) && isQuorum(old, false)));
      }
    }),
    { numRuns: 50 },
  );
});
