/**
 * What a majority, or two of them in a joint configuration, agrees on (thesis §3.6.2, §4.3).
 *
 * @module
 */

import type { Configuration } from "./membership.ts";

/** How an election stands. */
export type VoteResult = "won" | "lost" | "pending";

/**
 * The largest value that a majority has reached: of `[7, 3, 5]` it is 5. An empty set agrees with
 * everything (`Infinity`), which makes it the neutral half of a joint configuration.
 */
export function majorityValue(
  voters: readonly number[],
  valueOf: (id: number) => number,
): number {
  if (voters.length === 0) return Infinity;
  const values: number[] = [];
  for (const id of voters) {
    // Insertion sort, descending: at most seven voters, and no comparator to call.
    const value = valueOf(id);
    let at = values.length;
    values.push(value);
    while (at > 0 && values[at - 1]! < value) {
      values[at] = values[at - 1]!;
      at--;
    }
    values[at] = value;
  }
  return values[voters.length >> 1]!;
}

/** The largest value that a quorum of the configuration has reached; in a joint one, of both halves. */
export function quorumValue(config: Configuration, valueOf: (id: number) => number): number {
  return Math.min(
    majorityValue(config.voters, valueOf),
    majorityValue(config.votersOutgoing, valueOf),
  );
}

/** How the election stands; a voter without an answer is not in `votes`. */
export function voteResult(
  config: Configuration,
  votes: ReadonlyMap<number, boolean>,
): VoteResult {
  const incoming = halfResult(config.voters, votes);
  const outgoing = halfResult(config.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

function halfResult(voters: readonly number[], votes: ReadonlyMap<number, boolean>): VoteResult {
  if (voters.length === 0) return "won";
  const need = (voters.length >> 1) + 1;
  let granted = 0, refused = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  if (granted >= need) return "won";
  return refused > voters.length - need ? "lost" : "pending";
}
