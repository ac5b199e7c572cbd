/**
 * The commands of the metadata state machine; their bytes are in `command_codec.ts`.
 *
 * A cluster writes a format only when all of its nodes read it: {@link RaiseFormat}.
 *
 * @module
 */

import type { Durability } from "../../storage/types.ts";

/** The newest format of commands and snapshots. Raised when a kind or a field is added; older ones stay readable. */
export const METADATA_FORMAT = 4;
/** Topics are deleted and trimmed, and keep only so much, from this format on. */
export const TRIM_FORMAT = 2;
/** Nodes can be given up from this format on. */
export const GIVE_UP_FORMAT = 3;
/** Repairs name what they were decided on from this format on. */
export const REPAIR_FORMAT = 4;

/** How a node is reached, and which disk it is. */
export interface NodeInfo {
  id: number;
  /** UUID made with the node's data directory. */
  incarnation: string;
  raftHost: string;
  raftPort: number;
  clientHost: string;
  clientPort: number;
  /** UUID made at each start: another one means that the process is another. */
  run: string;
}

/** A named read position; the unnamed one (`""`) is shared by every plain `GET`. */
export interface Cursor {
  name: string;
  /** Offset of the next entry to be read. */
  offset: number;
}

/** A node makes itself known, or says that its addresses changed. Another incarnation is refused. */
export interface RegisterNode extends NodeInfo {
  kind: "registerNode";
}

/**
 * How much of a topic is kept at least, whole sealed segments: a segment goes when all the promises made are
 * kept without it. `null`: nothing was promised; where all are, everything is kept.
 */
export interface Retention {
  /** Payload bytes. */
  bytes: number | null;
  /** Since the segment was sealed, milliseconds. */
  ms: number | null;
  entries: number | null;
}

/** Everything is kept. */
export const KEEP_ALL: Retention = { bytes: null, ms: null, entries: null };

/** Opens the first segment of a new topic. An existing topic is left as it is. */
export interface CreateTopic {
  kind: "createTopic";
  topic: string;
  replicationFactor: number;
  /** When an append is durable on a replica; `null`: as each node was told. */
  durability: Durability | null;
  leader: number;
  replicas: readonly number[];
  /**
   * 1, or, where a topic of that name was deleted, the number behind its last segment; does nothing where that
   * is another one. ⛔ A number is never used twice: old records and fences may still lie on some disk.
   */
  firstSegment: number;
  retention: Retention;
}

/** From here on the cluster writes this format: all of its nodes read it. Never goes back. */
export interface RaiseFormat {
  kind: "raiseFormat";
  format: number;
}

/** Forgets the topic and all that is in it. Does nothing when it is another topic of that name by now. */
export interface DeleteTopic {
  kind: "deleteTopic";
  topic: string;
  /** `TopicInfo.bornSegment` of the topic that is meant. */
  bornSegment: number;
}

/** Forgets the sealed segments before `firstSegment`. */
export interface TrimTopic {
  kind: "trimTopic";
  topic: string;
  firstSegment: number;
}

/** How much of the topic is kept from now on. Does nothing when it is another topic of that name by now. */
export interface SetRetention {
  kind: "setRetention";
  topic: string;
  bornSegment: number;
  retention: Retention;
}

/**
 * ⛔ From here on the segment's leader, should it live, must stop, and only a recovery seals the segment.
 * Does nothing unless it is open.
 */
export interface BeginSeal {
  kind: "beginSeal";
  topic: string;
  segment: number;
}

/**
 * ⛔ Seals exactly `segment` of the topic at exactly `count` entries, if it is in the expected state, and
 * opens the next one. The same command twice has one effect.
 *
 * Why the run: a leader of a replica set of one proposes a seal at 10, dies, comes back, carries on with
 * entry 11 and acknowledges it; were the old proposal taken now, entry 11 would be lost.
 */
export interface SealSegment {
  kind: "sealSegment";
  topic: string;
  segment: number;
  /**
   * A planned rollover: the leader's run, and the segment must be open and led by it. `null`, a recovery: its
   * seal must have been begun.
   */
  expectedRun: string | null;
  /** Entries. */
  count: number;
  /** Records of both kinds: where the segment's log ends on every replica. */
  length: number;
  /** Payload bytes of all of them, for display. */
  bytes: number;
  /** A recovery in which too few replicas were sure of what they had: shown, never silent. */
  mayHaveLost: boolean;
  /** Where the topic's cursors stood; the next segment's leader carries on from there. */
  cursors: readonly Cursor[];
  nextLeader: number;
  nextReplicas: readonly number[];
  /** By the proposer's clock, milliseconds since 1970; 0 in commands of format 1: not known. */
  sealedMs: number;
}

/** The node gets nothing new from here on, and what it has is moved elsewhere. */
export interface DrainNode {
  kind: "drainNode";
  id: number;
}

/**
 * As {@link DrainNode}, and the node will never come back: recoveries don't wait for it. ⛔ What only it had
 * acknowledged is lost by that, and each seal says so.
 */
export interface GiveUpNode {
  kind: "giveUpNode";
  id: number;
}

/** Forgets a drained node. Refused while a segment is still on it. */
export interface RemoveNode {
  kind: "removeNode";
  id: number;
}

/** What repairs of a sealed segment say. */
interface RepairOf {
  topic: string;
  segment: number;
  node: number;
  /**
   * ⛔ `SegmentInfo.replicaChanges` when the nodes began to be asked what they hold: refused when it is another one by
   * now, for the answers spoke of other replicas (spec/DECISIONS.md, 28). `null` in commands of older formats.
   */
  expectedChanges: number | null;
}

/** A node holds a sealed segment whole, as was checked. Does nothing when it is known to. */
export interface AddReplica extends RepairOf {
  kind: "addReplica";
}

/** A sealed segment is not to be held by a node any more. ⛔ Refused for the last replica. */
export interface DropReplica extends RepairOf {
  kind: "dropReplica";
}

/** Any of them. */
export type Command =
  | RegisterNode
  | CreateTopic
  | BeginSeal
  | SealSegment
  | DrainNode
  | GiveUpNode
  | RemoveNode
  | AddReplica
  | DropReplica
  | RaiseFormat
  | DeleteTopic
  | TrimTopic
  | SetRetention;
