/**
 * Who is in the group, as a value, and how one membership becomes another (thesis §4.2.1, §4.3).
 *
 * A change of voters goes through a joint configuration, in which every decision needs a majority of
 * the old voters and a majority of the new ones; a change of learners only does not touch majorities
 * and is one step. A configuration counts from the moment when it stands in a node's log, committed or
 * not (§4.1), and no longer when its entry is truncated.
 *
 * The encoded form stands in configuration entries, snapshot markers and snapshot messages:
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 2 | count of voters v |
 * | 2 | count of outgoing voters o (0: not joint) |
 * | 2 | count of learners l |
 * | 4 (v + o + l) | node ids, each list ascending |
 *
 * @module
 */

import { type ByteReader, type ByteWriter, MalformedError } from "../world/mod.ts";

/** More voters make majorities slower, not safer (DESIGN.md §7). */
export const MAX_VOTERS = 7;
/** Nodes of all kinds in one group. */
export const MAX_MEMBERS = 1024;

/** Who votes and who only listens. Lists are ascending and without repetition. */
export interface Configuration {
  /** Whose majority decides. */
  readonly voters: readonly number[];
  /** The old voters while a joint change is under way; empty otherwise. */
  readonly votersOutgoing: readonly number[];
  /** Who gets everything and counts for nothing. */
  readonly learners: readonly number[];
}

/** What a change asks for; the lists are disjoint. */
export interface MembershipChange {
  /** Nodes that join, to catch up. */
  readonly addLearners?: readonly number[];
  /** Learners that become voters. */
  readonly promote?: readonly number[];
  /** Voters or learners that leave. */
  readonly remove?: readonly number[];
}

/** Nobody: what a node knows that was never told of a group. */
export const EMPTY_CONFIGURATION: Configuration = { voters: [], votersOutgoing: [], learners: [] };

/** A group of these voters alone. */
export function configurationOf(voters: readonly number[]): Configuration {
  return { voters: ascending(voters), votersOutgoing: [], learners: [] };
}

export function isJoint(config: Configuration): boolean {
  return config.votersOutgoing.length > 0;
}

/** Whether its vote counts, in either half. */
export function isVoter(config: Configuration, id: number): boolean {
  return config.voters.includes(id) || config.votersOutgoing.includes(id);
}

/** Whether it has any part. */
export function isMember(config: Configuration, id: number): boolean {
  return isVoter(config, id) || config.learners.includes(id);
}

/** Every node that has a part, ascending. */
export function members(config: Configuration): number[] {
  return ascending([
    ...new Set([...config.voters, ...config.votersOutgoing, ...config.learners]),
  ]);
}

/**
 * The first configuration of a change: joint when voters change, final already when only learners do.
 * A string instead says why the change makes no sense. Whether there may be a change at all now is for
 * rules.ts to say.
 */
export function enterChange(
  config: Configuration,
  change: MembershipChange,
): Configuration | string {
  const voters = new Set(config.voters);
  const learners = new Set(config.learners);
  for (const id of change.addLearners ?? []) {
    if (!isNodeId(id)) return `${id} is not a node id (1 to 4294967295)`;
    if (voters.has(id) || learners.has(id)) return `node ${id} is a member already`;
    learners.add(id);
  }
  for (const id of change.promote ?? []) {
    if (!learners.delete(id)) return `node ${id} is not a learner, so it can't become a voter`;
    voters.add(id);
  }
  for (const id of change.remove ?? []) {
    if (!voters.delete(id) && !learners.delete(id)) return `node ${id} is not a member`;
  }
  if (voters.size === 0) return "the last voter can't leave";
  if (voters.size > MAX_VOTERS) return `a group has at most ${MAX_VOTERS} voters`;
  if (voters.size + learners.size > MAX_MEMBERS) {
    return `a group has at most ${MAX_MEMBERS} members`;
  }
  const next = ascending(voters);
  const votersChange = next.length !== config.voters.length ||
    next.some((id, i) => id !== config.voters[i]);
  return {
    voters: next,
    votersOutgoing: votersChange ? config.voters : [],
    learners: ascending(learners),
  };
}

/** The configuration that ends a joint one. */
export function leaveJoint(config: Configuration): Configuration {
  return { voters: config.voters, votersOutgoing: [], learners: config.learners };
}

export function configurationsEqual(left: Configuration, right: Configuration): boolean {
  return formatConfiguration(left) === formatConfiguration(right);
}

/** `(1 2 3)`, `(1 2 4)&(1 2 3)`, `(1) learners (2)`: for logs and transcripts. */
export function formatConfiguration(config: Configuration): string {
  let text = `(${config.voters.join(" ")})`;
  if (isJoint(config)) text += `&(${config.votersOutgoing.join(" ")})`;
  if (config.learners.length > 0) text += ` learners (${config.learners.join(" ")})`;
  return text;
}

export function writeConfiguration(writer: ByteWriter, config: Configuration): void {
  writer.u16(config.voters.length);
  writer.u16(config.votersOutgoing.length);
  writer.u16(config.learners.length);
  for (const id of config.voters) writer.u32(id);
  for (const id of config.votersOutgoing) writer.u32(id);
  for (const id of config.learners) writer.u32(id);
}

/** @throws {MalformedError} */
export function readConfiguration(reader: ByteReader): Configuration {
  const counts = [reader.u16(), reader.u16(), reader.u16()] as const;
  if (counts[0] + counts[1] + counts[2] > 2 * MAX_MEMBERS) {
    throw new MalformedError("configuration with too many members");
  }
  const ids = (count: number): number[] => {
    const list: number[] = [];
    for (let i = 0; i < count; i++) {
      const id = reader.u32();
      if (id === 0 || (i > 0 && id <= list[i - 1]!)) {
        throw new MalformedError("configuration with ids that are zero or not ascending");
      }
      list.push(id);
    }
    return list;
  };
  const config = {
    voters: ids(counts[0]),
    votersOutgoing: ids(counts[1]),
    learners: ids(counts[2]),
  };
  if (config.learners.some((id) => isVoter(config, id))) {
    throw new MalformedError("configuration with a node that votes and learns");
  }
  return config;
}

/** Node ids are u32 numbers from 1 on; 0 stands for nobody on the wire and on disk. */
export function isNodeId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= 0xffff_ffff;
}

function ascending(ids: Iterable<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}
