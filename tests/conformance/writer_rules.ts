/**
 * The writer of a segment: `OpenWriter`, `AppendEntry`, `Take`, `Commit`, `TakeCount`.
 *
 * @module
 */

import type { EventOf } from "./metadata_rules.ts";
import { isForThisState } from "./metadata_rules.ts";
import { isMove, type Model, type NodeModel, type SegmentModel } from "./model.ts";
import { checkCommit, checkMove, checkProposal } from "./properties.ts";
import { need } from "./refusal.ts";

/** The segment that a node speaks of, which it must have heard of. */
export function mustKnow(
  model: Model,
  event: { node: number; topic: string; segment: number },
  rule: string,
): { node: NodeModel; segment: SegmentModel } {
  const node = model.node(event.node);
  const segment = model.segment(event);
  need(node.isUp, rule, "its process does not run");
  need(segment !== undefined, rule, "there is no such segment yet");
  need(
    segment!.openedAt <= node.known,
    rule,
    () =>
      `the segment was opened at ${segment!.openedAt}, the node knows metadata up to ${node.known}`,
  );
  return { node, segment: segment! };
}

/** `OpenWriter`. */
export function openWriter(model: Model, event: EventOf<"openWriter">): void {
  const { node, segment } = mustKnow(model, event, "OpenWriter");
  const replica = model.replica(node, segment);
  need(segment.leader === node.id, "OpenWriter", `node ${segment.leader} leads it`);
  need(!segment.isEndingAt(node.known), "OpenWriter", "the node knows that it is being sealed");
  need(
    segment.runAt(node.known) === node.run,
    "WriterNeverResumes",
    () => `run ${segment.runAt(node.known)} may write it, this is run ${node.run}`,
  );
  need(
    segment.opened === 0 || (segment.isAlone && segment === segment.topic.open),
    "SingleWriterPerSegment",
    "it had a writer",
  );
  need(segment.begunAt === Infinity || segment.opened === 0, "OpenWriter", "it is being sealed");
  need(event.length === replica.length, "OpenWriter", `its log holds ${replica.length} records`);
  need(segment.isAlone || event.length === 0, "OpenWriter", "a shared segment begins empty");
  segment.opened++;
  segment.writer = { node: node.id, phase: "open", readTo: 0 };
  // What it holds alone is synced before it goes on, and so is as good as committed.
  replica.durable = event.length;
  segment.acks.set(node.id, event.length);
  segment.committed = event.length;
}

function mustWrite(
  model: Model,
  event: { node: number; topic: string; segment: number },
  rule: string,
): SegmentModel {
  const { node, segment } = mustKnow(model, event, rule);
  need(segment.writer?.node === node.id, rule, "the node is not its writer");
  need(!segment.isEndingAt(node.known), rule, "the node knows that it is being sealed");
  return segment;
}

/** `AppendEntry` and `Take`: a batch is as many steps. */
export function append(model: Model, event: EventOf<"append">): void {
  const segment = mustWrite(model, event, "AppendEntry");
  const node = model.node(event.node);
  const replica = model.replica(node, segment);
  need(segment.writer!.phase === "open", "AppendEntry", `it is ${segment.writer!.phase}`);
  need(
    segment.openedAt <= node.leaseAt,
    "AppendsUnderLease",
    () =>
      node.leaseAt < 0
        ? "the node holds no lease"
        : `its lease goes by metadata up to ${node.leaseAt}, the segment was opened at ${segment.openedAt}`,
  );
  need(!replica.isFenced, "FenceRefusesAppends", "the writer's own replica is fenced");
  need(!replica.isUncertain && !node.isInDoubt, "UncertainAcceptsNothing", "it may have forgotten");
  need(
    event.position === replica.length &&
      (segment.isAlone || event.position === segment.records.length),
    "AppendsAtItsOwnEnd",
    () => `the log ends at ${replica.length}`,
  );
  if (event.records.some(isMove)) mustBeTake(segment, event);
  if (segment.isAlone) segment.truncate(event.position);
  for (const record of event.records) segment.add(record);
  replica.length = segment.records.length;
  replica.ghost = 0;
}

/** ⛔ One move is in flight at a time, and what it hands out was read, and committed before. */
function mustBeTake(segment: SegmentModel, { records, position }: EventOf<"append">): void {
  need(records.length === 1, "Take", "a move is appended alone");
  const cursor = segment.cursorAfter(position);
  const committed = segment.cursorAfter(segment.committed);
  const to = -records[0]! - 1;
  need(cursor === committed, "Take", `a move to ${cursor} is not committed yet`);
  need(to >= cursor, "CursorNeverMovesBack", `the cursor is at ${cursor}`);
  need(
    to <= segment.base + segment.committedEntries,
    "Take",
    () => `${segment.base + segment.committedEntries} entries are committed`,
  );
  need(
    to === cursor || to <= segment.writer!.readTo,
    "NoneSkipped",
    () => `entries were read up to ${segment.writer!.readTo}`,
  );
}

/** `Take`: what is read for it is committed, and is what was written there. */
export function take(model: Model, event: EventOf<"take">): void {
  const { node, segment } = mustKnow(model, event, "Take");
  const { topic } = segment;
  let at = topic.segments.findLastIndex(({ base }) => base <= event.offset);
  let offset = event.offset;
  for (const record of event.records) {
    while (at >= 0 && offset >= topic.segments[at]!.base + topic.segments[at]!.committedEntries) {
      if (++at >= topic.segments.length) at = -1;
    }
    need(at >= 0, "ReadsOnlyCommitted", `entry ${offset} is not committed`);
    const holder = topic.segments[at]!;
    need(
      holder.entryAt(offset - holder.base) === record,
      "ReadsAgree",
      () => `entry ${offset} was written as ${holder.entryAt(offset - holder.base)}`,
    );
    offset++;
  }
  if (segment.writer?.node === node.id) segment.writer.readTo = offset;
}

/** `Commit`, as many times as there are records: clients are answered. */
export function commit(model: Model, event: EventOf<"commit">): void {
  const segment = mustWrite(model, event, "Commit");
  const replica = model.replica(model.node(event.node), segment);
  const { length } = event;
  need(segment.writer!.phase !== "counted", "CountIsFinal", "its count was taken");
  need(
    length > segment.committed && length <= replica.length,
    "Commit",
    () => `${segment.committed} of ${replica.length} records are committed`,
  );
  const acks = segment.members.filter((id) => (segment.acks.get(id) ?? 0) >= length);
  need(
    acks.length >= segment.majority,
    "MajorityBeforeAck",
    () => `nodes ${acks} of ${segment.members} have acknowledged it`,
  );
  const from = segment.cursorAfter(segment.committed);
  segment.committed = length;
  checkCommit(model, segment);
  for (const proposal of segment.proposals) {
    if (isForThisState(segment, proposal)) checkProposal(segment, proposal);
  }
  checkMove(segment, { from, to: segment.cursorAfter(length) });
}

/** The append that fills a segment closes it; there are other reasons, too. */
export function close(model: Model, event: EventOf<"close">): void {
  const { node, segment } = mustKnow(model, event, "AppendEntry");
  if (segment.writer?.node !== node.id) return;
  if (segment.writer.phase === "open") segment.writer.phase = "closed";
}

/** The writer does nothing more: as if its steps came never. */
export function abandon(model: Model, event: EventOf<"abandon">): void {
  const { node, segment } = mustKnow(model, event, "AppendEntry");
  if (segment.writer?.node === node.id) segment.writer = null;
}

/** Where the cursor stands after so many records; or further on, where that is behind what was trimmed. */
export function isCarriedOver(
  segment: SegmentModel,
  { length, cursor }: { length: number; cursor: number },
): boolean {
  const after = segment.cursorAfter(length);
  return cursor === after || (cursor > after && cursor <= segment.topic.firstOffset);
}

/** `TakeCount`; again where the proposal got lost, with the same count. */
export function takeCount(model: Model, event: EventOf<"takeCount">): void {
  const { count, length, cursor } = event;
  const { run } = model.node(event.node);
  // What was proposed once may arrive again, whatever has become of the writer.
  const isAgain = model.segment(event)?.proposals.some((sent) =>
    sent.run === run && sent.count === count && sent.length === length && sent.cursor === cursor
  );
  if (isAgain) return;
  const segment = mustWrite(model, event, "TakeCount");
  need(segment.writer!.phase !== "open", "TakeCount", "it is open for appends");
  need(length === segment.committed, "TakeCount", `${segment.committed} records are committed`);
  need(
    count === segment.entriesBefore(length),
    "TakeCount",
    () => `${segment.entriesBefore(length)} entries are among them`,
  );
  need(
    isCarriedOver(segment, { length, cursor }),
    "CursorIsCarriedOver",
    () => `the cursor is at ${segment.cursorAfter(length)}`,
  );
  segment.writer!.phase = "counted";
  segment.proposals.push({ run, count, length, cursor, mayHaveLost: false });
}
