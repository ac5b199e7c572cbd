/**
 * What the parts of a segment's life did, in the words of `spec/Walrus.tla`: told to whoever holds the code to
 * the specification (`tests/conformance/`), at the moment at which it has its effect here and before anybody
 * else can know of it.
 *
 * Nothing is made, and nothing costs, where nobody listens: emitters are optional and called as
 * `emit?.({ … })`. On the path of appends there is one event for each batch.
 *
 * @module
 */

import type { Durability, RecordBatch } from "../../storage/mod.ts";
import { type Command, type MetadataState, openSegmentOf } from "../metadata/mod.ts";

/** Listens to one node. */
export interface SegmentEvents {
  /** `event`, and the bytes of its batch, are valid only until this returns. */
  emit(event: SegmentEvent): void;
}

/** Which segment. */
interface Where {
  topic: string;
  segment: number;
}

/** What a log held when its node started. */
export interface HeldLog extends Where {
  length: number;
  entries: number;
  isCertain: boolean;
}

/** A fence's answer as the recovering node got it. */
export interface HeardAnswer {
  node: number;
  length: number;
  isCertain: boolean;
}

/** What happens to one segment. Lengths and positions count records of both kinds. */
export type EventOfSegment =
  /** `OpenWriter`: this run takes up the segment; it holds so many records of it. */
  | { kind: "openWriter"; length: number }
  /** `AppendEntry`, `Take`: its writer appends. */
  | { kind: "append"; position: number; batch: RecordBatch }
  /** Its writer appends no more: it is full, or another reason to roll over. */
  | { kind: "close" }
  /** Its writer appends, commits and seals no more. */
  | { kind: "abandon" }
  /** `ReplicaAppend`: another replica appends what the writer streamed. */
  | { kind: "replicaAppend"; position: number; batch: RecordBatch }
  /** `CopyTail`, `CatchUp`: a replica appends what it fetched from another one. */
  | { kind: "copy"; position: number; batch: RecordBatch; from: number }
  /** `Sync`, as the writer learns it: so much is as durable here as the topic's mode promises. */
  | { kind: "acknowledge"; length: number }
  /** `Sync`, of what was copied. */
  | { kind: "sync"; length: number }
  /** `Commit`: clients are answered up to there. */
  | { kind: "commit"; length: number }
  /** `Take`: entries that were read for it, from `offset` in the topic on. */
  | { kind: "take"; offset: number; batch: { bytes: Uint8Array } }
  /**
   * `Readable`: this node's replica was read, from `offset` in the segment on; so many entries of the segment are
   * committed, as far as is known where the read was decided.
   */
  | { kind: "read"; offset: number; known: number; batch: { bytes: Uint8Array } }
  /** `TakeCount`: the leader is about to propose its seal. */
  | { kind: "takeCount"; count: number; length: number; cursor: number }
  /** `StartRecovery`: somebody is about to propose `BeginSeal`. */
  | { kind: "startRecovery" }
  /** `Fence`: it is durable. */
  | { kind: "fence" }
  /** `AnswerFence`: what a replica is about to answer. `cursor`: of its last control record. */
  | {
    kind: "answerFence";
    length: number;
    entries: number;
    isCertain: boolean;
    cursor: number | null;
  }
  /** `Decide`: the answers that a recovery goes on with. */
  | { kind: "decide"; answers: HeardAnswer[]; length: number; mayHaveLost: boolean }
  /** `ProposeSeal`: a recovery is about to propose its seal. */
  | { kind: "proposeSeal"; count: number; length: number; cursor: number; mayHaveLost: boolean }
  /** An append failed on this node's disk: its log ends there again. */
  | { kind: "takeBack"; length: number }
  /** `Learn`: the tail behind the seal is gone. */
  | { kind: "cut"; length: number }
  /** A rotten replica of a sealed segment is about to be thrown away, to be copied anew. */
  | { kind: "discard" }
  /** A replica that metadata counts on this node no more is about to be deleted. */
  | { kind: "delete" }
  /** What was discarded or deleted is gone; a new replica may have begun meanwhile. */
  | { kind: "deleted" };

/** Anything that a node tells. */
export type SegmentEvent =
  | EventOfSegment & Where
  /** `Restart`: a process begins, with what is left on its disk. */
  | {
    kind: "restart";
    run: string;
    incarnation: string;
    durability: Durability;
    logs: HeldLog[];
  }
  /** `Restart`: fences, and segments it is uncertain of; of all of them where it is not certain. */
  | { kind: "remember"; fenced: Where[]; uncertain: Where[]; isCertain: boolean }
  /** `Restart`: it knows now of which segments it may have forgotten something. */
  | { kind: "ready"; uncertain: Where[] }
  /**
   * `RefreshLease`: from here on this node may append to what it leads by the metadata that it knows now, or to
   * nothing.
   */
  | { kind: "refreshLease"; isHeld: boolean }
  /** `CommitCommand`, `Learn`: the command at that index was applied; it had an effect or was refused. */
  | { kind: "learn"; index: number; command: Command; isDone: boolean }
  /**
   * `Learn`: everything up to that index, by a snapshot that knows these runs of nodes, and of so many segments,
   * those that are gone included.
   */
  | { kind: "restore"; index: number; segments: number; sealing: number; runs: [number, string][] };

/** What a snapshot of metadata is told as. */
export function restoreEvent(index: number, state: MetadataState): SegmentEvent {
  const { deleted, nodes, topics } = state;
  let segments = 0, sealing = 0;
  for (const topic of topics.values()) {
    const open = openSegmentOf(topic);
    segments += open.number;
    if (open.isSealing) sealing++;
  }
  for (const [name, next] of deleted) if (!topics.has(name)) segments += next;
  const runs = [...nodes.values()].map(({ id, run }): [number, string] => [id, run]);
  return { kind: "restore", index, segments, sealing, runs };
}

/** Tells of one segment; absent where nobody listens. */
export type SegmentEmitter = ((event: EventOfSegment) => void) | undefined;

/** The events of one segment. */
export function emitterOf(events: SegmentEvents | undefined, where: Where): SegmentEmitter {
  if (events === undefined) return undefined;
  const { topic, segment } = where;
  return (event) => events.emit({ ...event, topic, segment });
}
