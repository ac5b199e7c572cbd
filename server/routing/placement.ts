/**
 * Which node leads what next. Pure.
 *
 * @module
 */

/**
 * The next live node behind `current`, in order of ids, round robin; `current` itself only where nobody
 * else lives. `live` holds the ids of the nodes that were heard lately, in any order.
 */
export function nextLeader(current: number, live: readonly number[]): number {
  const others = live.filter((id) => id !== current).sort((a, b) => a - b);
  return others.find((id) => id > current) ?? others[0] ?? current;
}

/** What there is to choose from. */
export interface Candidates {
  /** Nodes that were heard lately, this one among them. */
  live: readonly number[];
  /** All nodes of the cluster. */
  all: readonly number[];
  /** Wished replicas. */
  replicationFactor: number;
}

/**
 * The nodes that hold a segment: its leader, then those behind it in the order of ids, the live ones first.
 * Nodes that are down fill up what the live ones can't: a majority of the wished number, not of fewer,
 * must confirm each entry, and who comes back catches up.
 */
export function placeReplicas(leader: number, candidates: Candidates): number[] {
  const { live, all, replicationFactor } = candidates;
  const behindLeader = [...all].filter((id) => id !== leader).sort((a, b) => a - b);
  const split = behindLeader.findIndex((id) => id > leader);
  const inTurn = split < 0
    ? behindLeader
    : [...behindLeader.slice(split), ...behindLeader.slice(0, split)];
  const chosen = [
    ...inTurn.filter((id) => live.includes(id)),
    ...inTurn.filter((id) => !live.includes(id)),
  ];
  return [leader, ...chosen.slice(0, replicationFactor - 1)];
}

/** The leader of a new topic's first segment: the nodes in turn, by how many topics there are. */
export function firstLeader(topicCount: number, live: readonly number[]): number {
  return [...live].sort((a, b) => a - b)[topicCount % live.length]!;
}
