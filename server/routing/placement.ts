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

/** The leader of a new topic's first segment: the nodes in turn, by how many topics there are. */
export function firstLeader(topicCount: number, live: readonly number[]): number {
  return [...live].sort((a, b) => a - b)[topicCount % live.length]!;
}
