/**
 * A segment's replicas: `ReplicaAppend`, `Sync`, `CopyTail`, `CatchUp`, and the cut behind a seal.
 *
 * @module
 */

import type { EventOf } from "./metadata_rules.ts";
import type { Model, NodeModel, ReplicaModel, SegmentModel } from "./model.ts";
import { need } from "./refusal.ts";
import { mustKnow } from "./writer_rules.ts";

interface Place {
  node: NodeModel;
  segment: SegmentModel;
  replica: ReplicaModel;
}

function placeOf(
  model: Model,
  event: { node: number; topic: string; segment: number },
  rule: string,
): Place {
  const node = model.node(event.node);
  const segment = model.segment(event);
  need(node.isUp, rule, "its process does not run");
  need(segment !== undefined, rule, "there is no such segment yet");
  return { node, segment: segment!, replica: model.replica(node, segment!) };
}

function mustBeCertain({ node, replica }: Place): void {
  need(!node.isInDoubt && !replica.isUncertain, "UncertainAcceptsNothing", "it may have forgotten");
}

/** `ReplicaAppend`: as many steps as there are records. */
export function replicaAppend(model: Model, event: EventOf<"replicaAppend">): void {
  const { node, segment } = mustKnow(model, event, "ReplicaAppend");
  const replica = model.replica(node, segment);
  need(
    segment.members.includes(node.id) && segment.leader !== node.id,
    "ReplicaAppend",
    () => `nodes ${segment.members} hold it, ${segment.leader} leads it`,
  );
  need(!segment.isSealedAt(node.known), "ReplicaAppend", "the node knows that it is sealed");
  need(!replica.isFenced, "FenceRefusesAppends", "the replica is fenced");
  mustBeCertain({ node, segment, replica });
  extend(segment, replica, event);
}

/** ⛔ At exactly its own end, and exactly what the writer appended there: so replicas can't disagree. */
function extend(
  segment: SegmentModel,
  replica: ReplicaModel,
  event: { position: number; records: readonly number[] },
): void {
  const { position, records } = event;
  // What is being deleted has no name any more: this is another log.
  if (replica.isGoing && position === 0) {
    replica.length = 0;
    replica.isGoing = false;
  }
  need(position === replica.length, "AppendsAtItsOwnEnd", `the log ends at ${replica.length}`);
  for (let i = 0; i < records.length; i++) {
    need(
      segment.records[position + i] === records[i],
      "ReplicasAgree",
      () =>
        `the writer's record ${position + i} is ${segment.records[position + i]}, not ${
          records[i]
        }`,
    );
  }
  replica.length = position + records.length;
  replica.ghost = 0;
}

/**
 * `CatchUp` within a seal (where it is repair's copy the node may not know of it yet), else `CopyTail`.
 */
export function copy(model: Model, event: EventOf<"copy">): void {
  const place = placeOf(model, event, "CopyTail");
  const { node, segment, replica } = place;
  const end = event.position + event.records.length;
  const isCatchUp = segment.isSealed && end <= segment.seal!.length;
  if (!isCatchUp) {
    need(
      !segment.isSealedAt(node.known),
      "SealedTakesNoCopies",
      () => `it is sealed at ${segment.seal!.length}`,
    );
    need(segment.members.includes(node.id), "CopyTail", () => `nodes ${segment.members} hold it`);
    need(replica.isFenced, "CopyTail", "the replica is not fenced");
    need(
      end <= segment.copyTarget,
      "CopyTail",
      () => `recoveries have asked for ${segment.copyTarget} records at most`,
    );
  }
  extend(segment, replica, event);
}

/** `Sync` of one segment, as its writer hears of it. ⛔ A fenced replica is silent, an uncertain one too. */
export function acknowledge(model: Model, event: EventOf<"acknowledge">): void {
  const { node, segment } = mustKnow(model, event, "Sync");
  const replica = model.replica(node, segment);
  const { length } = event;
  need(segment.members.includes(node.id), "Sync", () => `nodes ${segment.members} hold it`);
  need(!replica.isFenced, "FencedIsSilent", "the replica is fenced");
  mustBeCertain({ node, segment, replica });
  need(length <= replica.length, "Sync", `its log ends at ${replica.length}`);
  if (segment.topic.isSynced) replica.durable = Math.max(replica.durable, length);
  segment.acks.set(node.id, Math.max(segment.acks.get(node.id) ?? 0, length));
}

/**
 * `Readable`, of any replica: what the reading node took to be committed is, and what it found is what the writer
 * wrote there, so that two reads can't disagree.
 */
export function read(model: Model, event: EventOf<"read">): void {
  const { segment } = placeOf(model, event, "Readable");
  const { known, offset, records } = event;
  need(offset + records.length <= known, "Readable", `${known} entries are known to be committed`);
  need(
    known <= segment.readableEntries,
    "ReadsOnlyCommitted",
    () => `${segment.readableEntries} entries are committed, it was read up to ${known}`,
  );
  for (const [i, record] of records.entries()) {
    need(
      segment.entryAt(offset + i) === record,
      "ReadsAgree",
      () => `entry ${offset + i} was written as ${segment.entryAt(offset + i)}`,
    );
  }
}

/** `Sync` of what was copied. */
export function sync(model: Model, event: EventOf<"sync">): void {
  const { segment, replica } = placeOf(model, event, "Sync");
  need(event.length <= replica.length, "Sync", `its log ends at ${replica.length}`);
  if (segment.topic.isSynced) replica.durable = Math.max(replica.durable, event.length);
}

/** Not in the specification: a full disk refuses what was not acknowledged. */
export function takeBack(model: Model, event: EventOf<"takeBack">): void {
  const { node, segment, replica } = placeOf(model, event, "TakeBack");
  const { length } = event;
  need(length <= replica.length, "TakeBack", `its log ends at ${replica.length}`);
  const kept = Math.max(replica.durable, segment.acks.get(node.id) ?? 0);
  // Of a segment that is gone nothing has to be kept: but where the node does not know that yet, it goes on there.
  need(
    segment.goneAt !== Infinity || length >= Math.min(kept, replica.length),
    "AckedIsOnAMajority",
    () => `${kept} records were acknowledged, it takes back all behind ${length}`,
  );
  replica.ghost = Math.max(replica.ghost, replica.length);
  replica.length = length;
}

/** `Learn`'s cut of the tail behind the seal; the state had it cut when the node learnt of the seal. */
export function cut(model: Model, event: EventOf<"cut">): void {
  const { node, segment, replica } = placeOf(model, event, "CutSealed");
  need(segment.isSealedAt(node.known), "CutSealed", "the node does not know that it is sealed");
  need(
    event.length === segment.seal!.length,
    "CutSealed",
    `it is sealed at ${segment.seal!.length}`,
  );
  replica.length = Math.min(replica.length, event.length);
  replica.durable = Math.min(replica.durable, event.length);
}

/** The end of `discard` and `delete`, unless a new replica was begun before. */
export function deleted(model: Model, event: EventOf<"deleted">): void {
  const { replica } = placeOf(model, event, "Delete");
  if (!replica.isGoing) return;
  replica.length = replica.durable = 0;
  replica.isGoing = false;
}

/** Not in the specification (there it is `LoseDisk`): what is rotten is copied anew, from one that is whole. */
export function discard(model: Model, event: EventOf<"discard">): void {
  const { node, segment, replica } = placeOf(model, event, "Discard");
  need(segment.isSealedAt(node.known), "Discard", "the node does not know that it is sealed");
  const others = [...model.nodes.values()].filter((other) => other !== node);
  const whole = others.filter((other) =>
    (other.replicas.get(segment)?.length ?? 0) >= segment.seal!.length
  );
  need(whole.length > 0, "Discard", "no other node holds it whole");
  replica.isGoing = true;
  replica.durable = 0;
}

/** Not in the specification: others hold what repair has moved. */
export function remove(model: Model, event: EventOf<"delete">): void {
  const { node, segment, replica } = placeOf(model, event, "Delete");
  if (segment.goneAt > node.known) {
    need(segment.isSealedAt(node.known), "Delete", "the node does not know that it is sealed");
    need(!segment.holdersAt(node.known).includes(node.id), "Delete", "the node is to hold it");
  }
  replica.isGoing = true;
  replica.durable = 0;
}
