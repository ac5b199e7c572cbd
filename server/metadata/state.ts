/**
 * The metadata state: a deterministic function of its commands (DESIGN.md §5). Pure: no clock, no I/O.
 *
 * @module
 */

import { assert, unreachable } from "../../world/mod.ts";
import type { Command, CreateTopic, Cursor, NodeInfo, SealSegment } from "./command.ts";

/** One segment of a topic. */
export interface SegmentInfo {
  /** 1, 2, 3 … */
  readonly number: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  /** Offset of its first entry in the topic. */
  readonly baseOffset: number;
  /** Exact count of entries once sealed; `null` while it is open. */
  count: number | null;
}

/** One topic: all segments but the last are sealed. */
export interface TopicInfo {
  readonly name: string;
  readonly replicationFactor: number;
  /** Segment n is at index n − 1. */
  readonly segments: SegmentInfo[];
  /** Where the cursors stood when the last sealed segment was sealed. */
  cursors: readonly Cursor[];
}

/** What a command did. A refusal changed nothing. */
export type Outcome = { ok: true } | { ok: false; reason: string };

const DONE: Outcome = { ok: true };
const LEADER_NOT_REPLICA = "the leader of a segment must be one of its replicas";

/** What changed, so that a node looks only at that. */
export type Change = { kind: "node"; id: number } | { kind: "topic"; topic: string };

/** Nodes and topics, as of the last applied command. */
export class MetadataState {
  readonly nodes: Map<number, NodeInfo> = new Map();
  readonly topics: Map<string, TopicInfo> = new Map();

  /** Applies one command. `changes` receives what it touched. */
  apply(command: Command, changes: Change[]): Outcome {
    switch (command.kind) {
      case "registerNode":
        return this.#registerNode(command, changes);
      case "createTopic":
        return this.#createTopic(command, changes);
      case "sealSegment":
        return this.#sealSegment(command, changes);
      default:
        return unreachable(command);
    }
  }

  #registerNode({ kind: _, ...node }: NodeInfo & { kind: string }, changes: Change[]): Outcome {
    const known = this.nodes.get(node.id);
    if (known && known.incarnation !== node.incarnation) {
      return refuse(
        `node id ${node.id} belongs to another data directory (incarnation ${known.incarnation}, ` +
          `not ${node.incarnation}): was the disk wiped? Start it with a new --node-id`,
      );
    }
    this.nodes.set(node.id, node);
    changes.push({ kind: "node", id: node.id });
    return DONE;
  }

  #createTopic(command: CreateTopic, changes: Change[]): Outcome {
    if (this.topics.has(command.topic)) return DONE;
    if (!command.replicas.includes(command.leader)) return refuse(LEADER_NOT_REPLICA);
    this.topics.set(command.topic, {
      name: command.topic,
      replicationFactor: command.replicationFactor,
      segments: [openSegment(1, 0, command.leader, command.replicas)],
      cursors: [{ name: "", offset: 0 }],
    });
    changes.push({ kind: "topic", topic: command.topic });
    return DONE;
  }

  #sealSegment(command: SealSegment, changes: Change[]): Outcome {
    const topic = this.topics.get(command.topic);
    if (!topic) return refuse(`topic ${command.topic} is not there`);
    const segment = topic.segments[command.segment - 1];
    if (!segment) return refuse(`${command.topic} has no segment ${command.segment} yet`);
    if (segment.count !== null) {
      return refuse(`segment ${command.segment} of ${command.topic} is sealed already`);
    }
    if (segment.leader !== command.expectedLeader) {
      return refuse(`segment ${command.segment} of ${command.topic} is led by ${segment.leader}`);
    }
    if (!command.nextReplicas.includes(command.nextLeader)) return refuse(LEADER_NOT_REPLICA);
    segment.count = command.count;
    topic.cursors = command.cursors;
    topic.segments.push(
      openSegment(
        segment.number + 1,
        segment.baseOffset + command.count,
        command.nextLeader,
        command.nextReplicas,
      ),
    );
    changes.push({ kind: "topic", topic: command.topic });
    return DONE;
  }
}

function openSegment(
  number: number,
  baseOffset: number,
  leader: number,
  replicas: readonly number[],
): SegmentInfo {
  return { number, leader, replicas, baseOffset, count: null };
}

function refuse(reason: string): Outcome {
  return { ok: false, reason };
}

/** The one segment that takes appends. */
export function openSegmentOf(topic: TopicInfo): SegmentInfo {
  const last = topic.segments.at(-1);
  assert(last && last.count === null, "the last segment of a topic is open");
  return last;
}

/** The segment that holds the entry with that offset, or would hold it: the open one for the future. */
export function segmentAt(topic: TopicInfo, offset: number): SegmentInfo {
  let low = 0, high = topic.segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (topic.segments[middle]!.baseOffset <= offset) low = middle;
    else high = middle - 1;
  }
  // Empty segments share a base offset with the one behind them: the search ends at the last of them.
  return topic.segments[low]!;
}
