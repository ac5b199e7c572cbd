/**
 * Failover: `StartRecovery`, `Fence`, `AnswerFence`, `Decide`, `ProposeSeal`.
 *
 * @module
 */

import type { EventOf } from "./metadata_rules.ts";
import { isForThisState } from "./metadata_rules.ts";
import { isMove, type Model, type SegmentModel } from "./model.ts";
import { checkProposal } from "./properties.ts";
import { need } from "./refusal.ts";
import { isCarriedOver, mustKnow } from "./writer_rules.ts";

/** `StartRecovery`: suspicion may be false. */
export function startRecovery(model: Model, event: EventOf<"startRecovery">): void {
  const { segment } = mustKnow(model, event, "StartRecovery");
  segment.isBeginProposed = true;
}

/** `Fence`. The node need not have learnt of the segment: whoever asks has. */
export function fence(model: Model, event: EventOf<"fence">): void {
  const { node, segment } = mustBeAsked(model, event, "Fence");
  model.replica(node, segment).isFenced = true;
}

function mustBeAsked(
  model: Model,
  event: { node: number; topic: string; segment: number },
  rule: string,
): { node: ReturnType<Model["node"]>; segment: SegmentModel } {
  const node = model.node(event.node);
  const segment = model.segment(event);
  need(node.isUp, rule, "its process does not run");
  need(segment !== undefined, rule, "there is no such segment yet");
  need(segment!.begunAt !== Infinity, rule, "nobody began to seal it");
  need(segment!.members.includes(node.id), rule, () => `nodes ${segment!.members} hold it`);
  return { node, segment: segment! };
}

/** `AnswerFence`, at the replica. What it says may be heard at any time from now on. */
export function answerFence(model: Model, event: EventOf<"answerFence">): void {
  const { node, segment } = mustBeAsked(model, event, "AnswerFence");
  const replica = model.replica(node, segment);
  const { length, isCertain } = event;
  need(replica.isFenced, "FenceIsDurable", "the fence is not durable");
  need(
    length >= replica.durable && length <= replica.length,
    "AnswerFence",
    () => `its log holds ${replica.length} records, ${replica.durable} of them durably`,
  );
  need(
    event.entries === segment.entriesBefore(length),
    "AnswerFence",
    () => `${segment.entriesBefore(length)} entries are among them`,
  );
  need(
    event.cursor === lastMove(segment, length),
    "AnswerFence",
    () => `the last move among them is to ${lastMove(segment, length)}`,
  );
  if (isCertain) {
    need(
      !replica.isUncertain && !node.isInDoubt && !replica.mustDoubt,
      "OnlyCertainVote",
      () => "the replica may have forgotten what it acknowledged",
    );
    need(
      length >= (segment.acks.get(node.id) ?? 0) || segment.isSealed,
      "FenceSyncsTheLog",
      () => `${segment.acks.get(node.id)} records were acknowledged`,
    );
  }
  replica.durable = length;
  const given = segment.given.get(node.id) ?? [];
  given.push({ length, isCertain });
  segment.given.set(node.id, given);
}

function lastMove(segment: SegmentModel, length: number): number | null {
  for (let at = length - 1; at >= 0; at--) {
    const record = segment.records[at]!;
    if (isMove(record)) return -record - 1;
  }
  return null;
}

/** `Decide`: with answers that were given, and enough of them. The longest counts. */
export function decide(model: Model, event: EventOf<"decide">): void {
  const { node, segment } = mustKnow(model, event, "Decide");
  need(
    segment.isEndingAt(node.known),
    "Decide",
    "the node does not know that it is being sealed",
  );
  const { answers, length, mayHaveLost } = event;
  const heard = new Set(answers.map((answer) => answer.node));
  need(heard.size === answers.length, "EnoughAnswers", "an answer counts twice");
  for (const answer of answers) {
    const given = segment.given.get(answer.node) ?? [];
    need(
      given.some((one) => one.length === answer.length && one.isCertain === answer.isCertain),
      "AnswerFence",
      () => `node ${answer.node} never answered ${answer.length}`,
    );
  }
  const certain = answers.filter((answer) => answer.isCertain).length;
  const hasQuorum = certain >= segment.answersNeeded;
  need(
    hasQuorum || answers.length === segment.members.length,
    "EnoughAnswers",
    () => `${certain} certain answers of ${answers.length}, ${segment.answersNeeded} are needed`,
  );
  need(
    mayHaveLost === !hasQuorum,
    "LossIsNeverSilent",
    () => `${certain} certain answers, ${segment.answersNeeded} are needed`,
  );
  need(
    length === Math.max(...answers.map((answer) => answer.length)),
    "LongestWins",
    () => `the answers are ${answers.map((answer) => answer.length)}`,
  );
  segment.decisions.set(node.id, { length, mayHaveLost });
  segment.copyTarget = Math.max(segment.copyTarget, length);
}

/** `ProposeSeal`. ⛔ The tail is on R − W + 1 disks before. */
export function proposeSeal(model: Model, event: EventOf<"proposeSeal">): void {
  const { node, segment } = mustKnow(model, event, "ProposeSeal");
  const { count, length, cursor, mayHaveLost } = event;
  const decision = segment.decisions.get(node.id);
  need(decision !== undefined, "ProposeSeal", "the node has not heard enough answers");
  need(
    length === decision!.length && count === segment.entriesBefore(length),
    "CountComesFromTheLogs",
    () => `the longest holds ${decision!.length} records`,
  );
  need(mayHaveLost === decision!.mayHaveLost, "LossIsNeverSilent", "the answers said otherwise");
  // Who knows a seal carries over the cursor of that one: this proposal comes too late in any case.
  need(
    segment.isSealedAt(node.known) || isCarriedOver(segment, { length, cursor }),
    "CursorIsCarriedOver",
    () => `the cursor is at ${segment.cursorAfter(length)}`,
  );
  need(
    segment.isSealed || model.holding(segment, length) >= segment.answersNeeded,
    "CopiesSurviveAFailure",
    () => `${model.holding(segment, length)} nodes hold it all`,
  );
  const proposal = { run: null, count, length, cursor, mayHaveLost };
  segment.proposals.push(proposal);
  if (isForThisState(segment, proposal)) checkProposal(segment, proposal);
}
