/**
 * Metadata: `CommitCommand` and `Learn`. The first node that applies the command at an index shows that it was
 * committed there; all others must find the same one.
 *
 * @module
 */

import type { Command, SealSegment } from "../../server/metadata/mod.ts";
import { sharedOffset } from "../../server/segments/control_record.ts";
import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import { type Model, type Proposal, SegmentModel, TopicModel } from "./model.ts";
import { checkSeal } from "./properties.ts";
import { need } from "./refusal.ts";

/** An event of one kind. */
export type EventOf<K extends TraceEvent["kind"]> = Extract<TraceEvent, { kind: K }>;

/** `Learn`, and `CommitCommand` before it where nobody has learnt of the command yet. */
export function learn(model: Model, event: EventOf<"learn">): void {
  const node = model.node(event.node);
  const { index, command } = event;
  need(node.isUp, "Learn", "its process does not run");
  if (isAside(command) && !model.commands.has(index)) return learnAside(model, event);
  const next = model.nextIndex(node.known);
  need(
    index > node.known && index <= next,
    "Learn",
    () =>
      `the node knows metadata up to ${node.known}, and the next command after that is at ${next}`,
  );
  const text = JSON.stringify([command, event.isDone]);
  if (next === Infinity) {
    commit(model, event);
    model.addIndex(index, text);
  } else {
    need(
      model.commands.get(index) === text,
      "SealedCountsStable",
      () => `others found ${model.commands.get(index)} there`,
    );
  }
  node.known = index;
}

/** Commands beside the specification's: their place among the others does not matter. */
function isAside({ kind }: Command): boolean {
  return kind === "addReplica" || kind === "dropReplica" || kind === "drainNode" ||
    kind === "giveUpNode" || kind === "removeNode" || kind === "raiseFormat" ||
    kind === "setRetention";
}

function learnAside(model: Model, event: EventOf<"learn">): void {
  const node = model.node(event.node);
  const { index, command, isDone } = event;
  const next = model.nextIndex(node.known);
  need(
    index > node.known && index <= next,
    "Learn",
    () =>
      `the node knows metadata up to ${node.known}, and the next command after that is at ${next}`,
  );
  commit(model, event);
  model.addIndex(index, JSON.stringify([command, isDone]));
  node.known = index;
}

/** `Learn`, many times. */
export function restore(model: Model, event: EventOf<"restore">): void {
  const node = model.node(event.node);
  need(node.isUp, "Learn", "its process does not run");
  need(event.index >= node.known, "Learn", `the node knows metadata up to ${node.known} already`);
  // In a merged trace: what the snapshot holds must have been committed in the model, too.
  const topics = [...model.topics.values()];
  let segments = topics.reduce((sum, { open }) => sum + open.number, 0);
  for (const [name, next] of model.deleted) if (!model.topics.has(name)) segments += next;
  const isReached = segments > event.segments ||
    (segments === event.segments &&
      topics.filter(({ open }) => open.begunAt !== Infinity).length >= event.sealing);
  need(isReached, "Learn", () => `it holds ${event.segments} segments, ${segments} were opened`);
  for (const [id, run] of event.runs) {
    need(
      model.allRuns.has(`${id} ${run}`),
      "Learn",
      () => `run ${run} of node ${id} is not registered`,
    );
  }
  node.known = event.index;
}

function commit(model: Model, { index, command, isDone }: EventOf<"learn">): void {
  switch (command.kind) {
    case "registerNode":
      return isDone ? register(model, command, index) : undefined;
    case "createTopic":
      return createTopic(model, command, { index, isDone });
    case "beginSeal":
      return beginSeal(model, command, { index, isDone });
    case "sealSegment":
      return sealSegment(model, command, { index, isDone });
    case "deleteTopic":
      return deleteTopic(model, command, index);
    case "trimTopic":
      return isDone ? trimTopic(model, command, index) : undefined;
    case "addReplica":
    case "dropReplica":
      return isDone ? changeReplica(model, command, index) : undefined;
  }
}

/** `Restart`'s end: a run that is registered may lead what is opened later; what it holds alone, at once. */
function register(
  model: Model,
  command: Command & { kind: "registerNode" },
  index: number,
): void {
  if (model.runs.get(command.id) === command.run) return;
  model.runs.set(command.id, command.run);
  model.allRuns.add(`${command.id} ${command.run}`);
  for (const { open } of model.topics.values()) {
    if (open.leader === command.id && open.isAlone) open.runs.push({ index, run: command.run });
  }
}

function createTopic(
  model: Model,
  command: Command & { kind: "createTopic" },
  { index, isDone }: { index: number; isDone: boolean },
): void {
  const first = model.deleted.get(command.topic) ?? 1;
  if (model.topics.has(command.topic) || command.firstSegment !== first) return;
  const isGood = command.replicas.includes(command.leader);
  need(isDone === isGood, "CommitCommand", "a leader is one of the replicas");
  if (!isGood) return;
  const isSynced = command.durability === null
    ? model.isSyncedByDefault
    : command.durability === "each";
  const topic = new TopicModel(command.topic, isSynced);
  model.topics.set(command.topic, topic);
  open(model, topic, { ...command, number: first, index, base: 0, cursor: 0 });
}

/** Not in the specification. ⛔ Numbers are not used again: old records and fences may still lie on some disk. */
function deleteTopic(
  model: Model,
  command: Command & { kind: "deleteTopic" },
  index: number,
): void {
  const topic = model.topics.get(command.topic);
  if (topic?.segments[0]?.number !== command.bornSegment) return;
  model.topics.delete(topic.name);
  model.deleted.set(topic.name, topic.open.number + 1);
  for (const segment of topic.segments) segment.goneAt = Math.min(segment.goneAt, index);
}

/** Not in the specification. ⛔ Sealed segments only. */
function trimTopic(model: Model, command: Command & { kind: "trimTopic" }, index: number): void {
  const topic = model.topics.get(command.topic);
  if (!topic) return;
  for (const segment of topic.segments) {
    if (segment.number >= command.firstSegment || !segment.isSealed) break;
    segment.goneAt = Math.min(segment.goneAt, index);
  }
}

function open(
  model: Model,
  topic: TopicModel,
  parts: {
    number: number;
    leader: number;
    replicas: readonly number[];
    index: number;
    base: number;
    cursor: number;
  },
): void {
  const segment = new SegmentModel({
    topic,
    number: parts.number,
    leader: parts.leader,
    members: parts.replicas,
    base: parts.base,
    cursor: parts.cursor,
    openedAt: parts.index,
    run: model.runs.get(parts.leader) ?? "",
  });
  topic.segments.push(segment);
  model.segments.set(segment.name, segment);
}

function beginSeal(
  model: Model,
  command: Command & { kind: "beginSeal" },
  { index, isDone }: { index: number; isDone: boolean },
): void {
  const segment = model.segment(command);
  const isGood = segment !== undefined && !segment.isSealed && segment.goneAt === Infinity;
  need(
    isDone === isGood,
    "CommitBeginSeal",
    "it has an effect on a segment that is not sealed only",
  );
  if (!isGood) return;
  need(segment.isBeginProposed, "CommitBeginSeal", "nobody proposed it");
  segment.begunAt = Math.min(segment.begunAt, index);
}

/** ⛔ `IsForThisState`: a recovery's seal finds the segment sealing, the leader's finds it open and its own. */
export function isForThisState(segment: SegmentModel, proposal: Proposal): boolean {
  if (segment.isSealed || segment.goneAt !== Infinity) return false;
  const isBegun = segment.begunAt !== Infinity;
  if (proposal.run === null) return isBegun;
  return !isBegun && segment.runAt(Infinity) === proposal.run;
}

function sealSegment(
  model: Model,
  command: SealSegment,
  { index, isDone }: { index: number; isDone: boolean },
): void {
  const segment = model.segment(command);
  const seal: Proposal = {
    run: command.expectedRun,
    count: command.count,
    length: command.length,
    cursor: sharedOffset(command.cursors),
    mayHaveLost: command.mayHaveLost,
  };
  need(
    segment?.proposals.some((proposal) => isSameSeal(proposal, seal)) ?? false,
    "CommitSealSegment",
    "nobody proposed it like this",
  );
  const isGood = isForThisState(segment!, seal) &&
    command.nextReplicas.includes(command.nextLeader);
  need(
    isDone === isGood,
    "SealNamesItsSegment",
    () =>
      isGood ? "it is for this state, and was refused" : "it is not for this state, and was taken",
  );
  if (!isGood) return;
  const { topic } = segment!;
  segment!.seal = seal;
  segment!.sealedAt = index;
  if (seal.mayHaveLost) topic.hasLost = true;
  checkSeal(model, segment!);
  open(model, topic, {
    number: segment!.number + 1,
    leader: command.nextLeader,
    replicas: command.nextReplicas,
    index,
    base: segment!.base + seal.count,
    cursor: Math.max(seal.cursor, topic.firstOffset),
  });
}

function isSameSeal(a: Proposal, b: Proposal): boolean {
  return a.run === b.run && a.count === b.count && a.length === b.length &&
    a.cursor === b.cursor && a.mayHaveLost === b.mayHaveLost;
}

/** Not in the specification, where replica sets stay: who holds a sealed segment whole may be counted. */
function changeReplica(
  model: Model,
  command: Command & { kind: "addReplica" | "dropReplica" },
  index: number,
): void {
  const segment = model.segment(command);
  need(segment?.isSealed ?? false, "ReplicaSetIsFixed", "only a sealed segment's replicas change");
  const nodes = segment!.holdersAt(Infinity);
  const others = nodes.filter((id) => id !== command.node);
  const isWhole = (id: number) =>
    (model.nodes.get(id)?.replicas.get(segment!)?.length ?? 0) >= segment!.seal!.length;
  if (command.kind === "addReplica") {
    need(isWhole(command.node), "RepairCopiesAll", `node ${command.node} does not hold it whole`);
    segment!.holders.push({ index, nodes: [...others, command.node] });
  } else {
    need(
      others.filter(isWhole).length >= (others.length >> 1) + 1,
      "RepairKeepsAMajority",
      `too few of nodes ${others} hold it whole`,
    );
    segment!.holders.push({ index, nodes: others });
  }
}
