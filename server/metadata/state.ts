/**
 * The metadata state: a deterministic function of its commands (DESIGN.md §5). Pure: no clock, no I/O.
 *
 * @module
 */

import type { Durability } from "../../storage/types.ts";
import { assert, unreachable } from "../../world/mod.ts";
import { TrimmedError } from "../errors.ts";
import {
  type AddReplica,
  type BeginSeal,
  type Command,
  type CreateTopic,
  type Cursor,
  type DeleteTopic,
  type DropReplica,
  type NodeInfo,
  REPAIR_FORMAT,
  type Retention,
  type SealSegment,
  type SetRetention,
  type TrimTopic,
} from "./command.ts";

/** One segment of a topic. */
export interface SegmentInfo {
  /** 1, 2, 3 … */
  readonly number: number;
  readonly leader: number;
  /** The run of the leader that may write, or wrote. ⛔ No other run of it may (DESIGN.md §6). */
  leaderRun: string;
  /** Who holds it; changes only by repair, once it is sealed. */
  replicas: readonly number[];
  /** Offset of its first entry in the topic. */
  readonly baseOffset: number;
  /** A recovery has begun to seal it: its leader must stop. */
  isSealing: boolean;
  /** Exact count of entries once sealed; `null` before. */
  count: number | null;
  /** Records of both kinds once sealed: where its log ends on every replica; `null` before. */
  length: number | null;
  /** Payload bytes once sealed; `null` before. */
  bytes: number | null;
  /** Sealed by a recovery that could not be sure of holding every acknowledged entry. */
  mayHaveLost: boolean;
  /** When it was sealed, milliseconds since 1970 by the proposer's clock; 0: not known, or not yet. */
  sealedMs: number;
  /** How often repair has changed `replicas`, since the cluster writes a format that keeps it. */
  replicaChanges: number;
}

/** One topic: all segments but the last are sealed, and the last is not. */
export interface TopicInfo {
  readonly name: string;
  readonly replicationFactor: number;
  readonly durability: Durability | null;
  /** Number of its very first segment: tells it from a deleted topic with the same name. */
  readonly bornSegment: number;
  retention: Retention;
  /** In order of their numbers, without gaps ({@link segmentOf}); those that were trimmed are not there any more. */
  readonly segments: SegmentInfo[];
  /** Where the cursors stood when the last sealed segment was sealed. */
  cursors: readonly Cursor[];
}

/** What a command did. A refusal changed nothing. */
export type Outcome = { ok: true } | { ok: false; reason: string };

const DONE: Outcome = { ok: true };
const LEADER_NOT_REPLICA = "the leader of a segment must be one of its replicas";

/** What changed, so that a node looks only at that. */
export type Change =
  | { kind: "node"; id: number }
  /** One segment of the topic; `null`: any of them, or the topic itself came or went. */
  | { kind: "topic"; topic: string; segment: number | null }
  /** Segments of the topic, or all of it, are there no more; a change of the topic comes first. */
  | { kind: "gone"; topic: string };

/** Nodes and topics, as of the last applied command. */
export class MetadataState {
  readonly nodes: Map<number, NodeInfo> = new Map();
  /** Nodes on their way out: they get nothing new. */
  readonly draining: Set<number> = new Set();
  /** Of these, the ones that will never come back: nothing waits for them. */
  readonly givenUp: Set<number> = new Set();
  /** Incarnations of removed nodes: they don't come back by themselves. */
  readonly removed: Set<string> = new Set();
  readonly topics: Map<string, TopicInfo> = new Map();
  /** Deleted topics, by name: the number that the first segment of the next topic of that name gets. */
  readonly deleted: Map<string, number> = new Map();
  /** In which commands and snapshots are written. Changed by commands and snapshots only. */
  format = 1;
  readonly #replicaSets: Map<string, readonly number[]> = new Map();

  /** Applies one command. `changes` receives what it touched. */
  apply(command: Command, changes: Change[]): Outcome {
    switch (command.kind) {
      case "registerNode":
        return this.#registerNode(command, changes);
      case "createTopic":
        return this.#createTopic(command, changes);
      case "beginSeal":
        return this.#beginSeal(command, changes);
      case "sealSegment":
        return this.#sealSegment(command, changes);
      case "drainNode":
        return this.#drainNode(command.id, changes);
      case "giveUpNode": {
        const outcome = this.#drainNode(command.id, changes);
        if (outcome.ok) this.givenUp.add(command.id);
        return outcome;
      }
      case "removeNode":
        return this.#removeNode(command.id, changes);
      case "addReplica":
      case "dropReplica":
        return this.#changeReplica(command, changes);
      case "raiseFormat":
        this.format = Math.max(this.format, command.format);
        return DONE;
      case "deleteTopic":
        return this.#deleteTopic(command, changes);
      case "trimTopic":
        return this.#trimTopic(command, changes);
      case "setRetention":
        return this.#setRetention(command, changes);
      default:
        return unreachable(command);
    }
  }

  #registerNode({ kind: _, ...node }: NodeInfo & { kind: string }, changes: Change[]): Outcome {
    const known = this.nodes.get(node.id);
    if (known && known.incarnation !== node.incarnation) {
      return refuse(otherDiskText(known, node.incarnation));
    }
    if (this.removed.has(node.incarnation)) return refuse(removedText(node.id));
    this.nodes.set(node.id, node);
    changes.push({ kind: "node", id: node.id });
    if (known?.run !== node.run) this.#resumeSoleReplicas(node, changes);
    return DONE;
  }

  /**
   * ⛔ A writer never resumes: a new run of a node leads nothing that an old run led, except segments
   * that nobody else holds.
   */
  #resumeSoleReplicas(node: NodeInfo, changes: Change[]): void {
    for (const topic of this.topics.values()) {
      const open = openSegmentOf(topic);
      if (open.leader !== node.id || open.replicas.length > 1) continue;
      open.leaderRun = node.run;
      changes.push({ kind: "topic", topic: topic.name, segment: open.number });
    }
  }

  #createTopic(command: CreateTopic, changes: Change[]): Outcome {
    const { firstSegment } = command;
    if (this.topics.has(command.topic) || firstSegment !== this.firstSegmentOf(command.topic)) {
      return DONE;
    }
    if (!command.replicas.includes(command.leader)) return refuse(LEADER_NOT_REPLICA);
    this.topics.set(command.topic, {
      name: command.topic,
      replicationFactor: command.replicationFactor,
      durability: command.durability,
      bornSegment: firstSegment,
      retention: command.retention,
      segments: [this.#openSegment(firstSegment, { baseOffset: 0, ...command })],
      cursors: [{ name: "", offset: 0 }],
    });
    changes.push({ kind: "topic", topic: command.topic, segment: null });
    return DONE;
  }

  #beginSeal(command: BeginSeal, changes: Change[]): Outcome {
    const segment = this.#unsealed(command);
    if ("ok" in segment) return segment;
    if (segment.isSealing) return DONE;
    segment.isSealing = true;
    changes.push({ kind: "topic", topic: command.topic, segment: segment.number });
    return DONE;
  }

  #sealSegment(command: SealSegment, changes: Change[]): Outcome {
    const segment = this.#unsealed(command);
    if ("ok" in segment) return segment;
    const misfit = sealMisfit(segment, command.expectedRun);
    if (misfit !== null) return refuse(`segment ${segment.number} of ${command.topic} ${misfit}`);
    if (!command.nextReplicas.includes(command.nextLeader)) return refuse(LEADER_NOT_REPLICA);
    const topic = this.topics.get(command.topic)!;
    segment.isSealing = false;
    segment.count = command.count;
    segment.length = command.length;
    segment.bytes = command.bytes;
    segment.mayHaveLost = command.mayHaveLost;
    segment.sealedMs = command.sealedMs;
    topic.cursors = command.cursors.map((cursor) => notBefore(cursor, topic));
    topic.segments.push(this.#openSegment(segment.number + 1, {
      baseOffset: segment.baseOffset + command.count,
      leader: command.nextLeader,
      replicas: command.nextReplicas,
    }));
    changes.push({ kind: "topic", topic: command.topic, segment: segment.number });
    return DONE;
  }

  #deleteTopic(command: DeleteTopic, changes: Change[]): Outcome {
    const topic = this.topics.get(command.topic);
    if (topic?.bornSegment !== command.bornSegment) return DONE;
    this.topics.delete(topic.name);
    this.deleted.set(topic.name, openSegmentOf(topic).number + 1);
    changes.push({ kind: "topic", topic: topic.name, segment: null });
    changes.push({ kind: "gone", topic: topic.name });
    return DONE;
  }

  #trimTopic(command: TrimTopic, changes: Change[]): Outcome {
    const topic = this.topics.get(command.topic);
    if (!topic) return refuse(`topic ${command.topic} is not there`);
    const stays = Math.min(command.firstSegment, openSegmentOf(topic).number);
    const goes = stays - topic.segments[0]!.number;
    if (goes <= 0) return DONE;
    topic.segments.splice(0, goes);
    topic.cursors = topic.cursors.map((cursor) => notBefore(cursor, topic));
    changes.push({ kind: "topic", topic: topic.name, segment: null });
    changes.push({ kind: "gone", topic: topic.name });
    return DONE;
  }

  #setRetention(command: SetRetention, changes: Change[]): Outcome {
    const topic = this.topics.get(command.topic);
    if (topic?.bornSegment !== command.bornSegment) return DONE;
    topic.retention = command.retention;
    changes.push({ kind: "topic", topic: topic.name, segment: null });
    return DONE;
  }

  /** One array for all equal ones: thousands of segments share a few replica sets. */
  shared(replicas: readonly number[]): readonly number[] {
    const key = replicas.join();
    const known = this.#replicaSets.get(key);
    if (known !== undefined) return known;
    this.#replicaSets.set(key, replicas);
    return replicas;
  }

  /** The number that the first segment of a new topic gets. */
  firstSegmentOf(topic: string): number {
    return this.deleted.get(topic) ?? 1;
  }

  /**
   * Whether the segment was trimmed, or its topic deleted: nobody needs its records any more. Says so for ever,
   * since numbers are not used again; of segments that are not known yet it says no.
   */
  isGone(target: { topic: string; segment: number }): boolean {
    const topic = this.topics.get(target.topic);
    const first = topic ? topic.segments[0]!.number : this.firstSegmentOf(target.topic);
    return target.segment < first;
  }

  #drainNode(id: number, changes: Change[]): Outcome {
    if (!this.nodes.has(id)) return refuse(`node ${id} is not in the cluster`);
    const others = [...this.nodes.keys()].filter((other) => !this.draining.has(other));
    if (others.length === 1 && others[0] === id) {
      return refuse(`node ${id} is the last one: there is nowhere to move its data`);
    }
    this.draining.add(id);
    changes.push({ kind: "node", id });
    return DONE;
  }

  #removeNode(id: number, changes: Change[]): Outcome {
    const node = this.nodes.get(id);
    if (!node) return DONE;
    if (!this.draining.has(id)) return refuse(`node ${id} was not drained`);
    for (const topic of this.topics.values()) {
      const held = topic.segments.find((segment) => segment.replicas.includes(id));
      if (held) return refuse(`node ${id} still holds segment ${held.number} of ${topic.name}`);
    }
    this.removed.add(node.incarnation);
    this.nodes.delete(id);
    this.draining.delete(id);
    this.givenUp.delete(id);
    changes.push({ kind: "node", id });
    return DONE;
  }

  #changeReplica(command: AddReplica | DropReplica, changes: Change[]): Outcome {
    const { topic, node } = command;
    const found = this.topics.get(topic);
    const segment = found && segmentOf(found, command.segment);
    if (!segment) return refuse(`${topic} has no segment ${command.segment}`);
    if (segment.count === null) {
      return refuse(`segment ${segment.number} of ${topic} is not sealed`);
    }
    const isHeld = segment.replicas.includes(node);
    if (isHeld === (command.kind === "addReplica")) return DONE;
    const { expectedChanges } = command;
    // Decided on before all nodes counted, and committed since: nobody knows what has changed in between.
    const isUnnamed = expectedChanges === null && this.format >= REPAIR_FORMAT;
    if (isUnnamed || (expectedChanges !== null && expectedChanges !== segment.replicaChanges)) {
      return refuse(`who holds segment ${segment.number} of ${topic} has changed meanwhile`);
    }
    if (command.kind === "addReplica") {
      if (!this.nodes.has(node)) return refuse(`node ${node} is not in the cluster`);
      segment.replicas = this.shared([...segment.replicas, node]);
    } else {
      if (segment.replicas.length === 1) {
        return refuse(
          `node ${node} holds the only replica of segment ${segment.number} of ${topic}`,
        );
      }
      segment.replicas = this.shared(segment.replicas.filter((id) => id !== node));
    }
    // Not earlier: snapshots of older formats don't have it, and all nodes must count alike.
    if (this.format >= REPAIR_FORMAT) segment.replicaChanges++;
    changes.push({ kind: "topic", topic, segment: segment.number });
    return DONE;
  }

  /** The segment that a seal names, or why there is nothing to seal. */
  #unsealed(command: { topic: string; segment: number }): SegmentInfo | Outcome {
    const topic = this.topics.get(command.topic);
    if (!topic) return refuse(`topic ${command.topic} is not there`);
    const segment = segmentOf(topic, command.segment);
    if (!segment) return refuse(`${command.topic} has no segment ${command.segment}`);
    if (segment.count === null) return segment;
    return refuse(`segment ${command.segment} of ${command.topic} is sealed already`);
  }

  #openSegment(
    number: number,
    parts: { baseOffset: number; leader: number; replicas: readonly number[] },
  ): SegmentInfo {
    return {
      number,
      leader: parts.leader,
      leaderRun: this.nodes.get(parts.leader)?.run ?? "",
      replicas: this.shared(parts.replicas),
      baseOffset: parts.baseOffset,
      isSealing: false,
      count: null,
      length: null,
      bytes: null,
      mayHaveLost: false,
      sealedMs: 0,
      replicaChanges: 0,
    };
  }
}

/** Why a node with another disk than the registered one is not taken. */
export function otherDiskText(known: NodeInfo, incarnation: string): string {
  return `node id ${known.id} belongs to another data directory (incarnation ${known.incarnation}, ` +
    `not ${incarnation}): was the disk wiped? Remove the old node first ` +
    `(walrus cli remove-node ${known.id}), or start this one with a new --node-id`;
}

/** For the node that was removed, and those that it tries to talk to. */
export function removedText(id: number): string {
  return `node ${id} was removed from the cluster: to have it back, start it with an empty data directory and --join`;
}

/** What a cursor missed is skipped. */
function notBefore(cursor: Cursor, topic: TopicInfo): Cursor {
  const offset = Math.max(cursor.offset, firstOffsetOf(topic));
  return offset === cursor.offset ? cursor : { ...cursor, offset };
}

/** Why the seal is not for this segment as it is now. */
function sealMisfit(segment: SegmentInfo, expectedRun: string | null): string | null {
  if (expectedRun === null) return segment.isSealing ? null : "is open: nobody began to seal it";
  if (segment.isSealing) return "is being sealed by a recovery";
  return segment.leaderRun === expectedRun ? null : `is led by run ${segment.leaderRun}`;
}

function refuse(reason: string): Outcome {
  return { ok: false, reason };
}

/** The one segment that takes appends, or will be sealed by a recovery. */
export function openSegmentOf(topic: TopicInfo): SegmentInfo {
  const last = topic.segments.at(-1);
  assert(last && last.count === null, "the last segment of a topic is open");
  return last;
}

/** The segment with that number, if the topic has it. */
export function segmentOf(topic: TopicInfo, number: number): SegmentInfo | undefined {
  return topic.segments[number - topic.segments[0]!.number];
}

/** Offset of the first entry that is still there, or would be. */
export function firstOffsetOf(topic: TopicInfo): number {
  return topic.segments[0]!.baseOffset;
}

/**
 * The segment that holds the entry with that offset, or would hold it: the open one for the future.
 *
 * @throws {TrimmedError} when the entry is not there any more.
 */
export function segmentAt(topic: TopicInfo, offset: number): SegmentInfo {
  if (offset < firstOffsetOf(topic)) {
    throw new TrimmedError({ topic: topic.name, offset, firstOffset: firstOffsetOf(topic) });
  }
  let low = 0, high = topic.segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (topic.segments[middle]!.baseOffset <= offset) low = middle;
    else high = middle - 1;
  }
  // Empty segments share a base offset with the one behind them: the search ends at the last of them.
  return topic.segments[low]!;
}
