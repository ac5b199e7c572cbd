/**
 * Unplanned seal of one segment whose leader is gone: begin, fence, count, copy, seal (DESIGN.md §6,
 * "Failover"). Every step can be repeated, by any node and by two at once: the first `SealSegment` wins, and
 * any count that either reaches holds every acknowledged entry.
 *
 * @module
 */

import type { Clock, Logger } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { RefusedError, UnavailableError } from "../errors.ts";
import { type Metadata, openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";
import { majorityOf } from "./commit_tracker.ts";
import { sharedOffset } from "./control_record.ts";
import { type Placement, type SegmentTarget, wallStamp } from "./open_segment.ts";
import type { FenceAnswer } from "./replicas.ts";
import { emitterOf, type SegmentEvents } from "./segment_events.ts";

/** How long a replica may take to fence, milliseconds. */
export const FENCE_TIMEOUT_MS = 2000;
/** With enough certain answers, how long the others are waited for, milliseconds. */
const STRAGGLER_MS = 100;

/** What a recovery asks other nodes (and this one) for. */
export interface RecoveryLink {
  fence: (node: number, target: SegmentTarget) => Promise<FenceAnswer>;
  /** Has `node` copy what it lacks up to `end` from the node `from`. */
  complete: (
    node: number,
    target: SegmentTarget,
    options: { from: number; end: number },
  ) => Promise<void>;
}

/** What a recovery is made from. */
export interface RecoveryParts {
  metadata: Metadata;
  link: RecoveryLink;
  placeNext: (topic: TopicInfo) => Placement;
  clock: Clock;
  logger: Logger;
  events?: SegmentEvents | undefined;
}

/** A replica's answer, and whose it is. */
interface Answer extends FenceAnswer {
  node: number;
}

/** What the answers say about the segment's end. */
export interface Verdict {
  /** The answer with the largest length: where the others copy from. */
  longest: Answer;
  /** Too few answers were certain, all replicas answered: acknowledged entries may be missing. */
  mayHaveLost: boolean;
}

/**
 * Seals the topic's open segment. Harmless where it is sealed already.
 *
 * @throws {UnavailableError} while too few replicas answer: try again.
 */
export async function recoverSegment(parts: RecoveryParts, target: SegmentTarget): Promise<void> {
  const { metadata, logger } = parts;
  const emit = emitterOf(parts.events, target);
  emit?.({ kind: "startRecovery" });
  if (!await begin(metadata, target)) return;
  const topic = metadata.state.topics.get(target.topic);
  const info = topic && openSegmentOf(topic);
  if (info?.number !== target.segment) return;
  const answers = await fenceReplicas(parts, target, info);
  const { givenUp } = metadata.state;
  const verdict = judge(answers, { replicas: info.replicas, givenUp });
  if (verdict === null) {
    throw new UnavailableError(
      `${target.topic}/${target.segment}: ${answers.length} of ${info.replicas.length} replicas answered`,
    );
  }
  emit?.({
    kind: "decide",
    answers: answers.map(({ node, length, isCertain }) => ({ node, length, isCertain })),
    length: verdict.longest.length,
    mayHaveLost: verdict.mayHaveLost,
  });
  const copies = copiesFor(verdict, { replicas: info.replicas, givenUp });
  await copyTail(parts, target, { answers, longest: verdict.longest, ...copies });
  await seal(parts, target, verdict);
  if (verdict.mayHaveLost) {
    logger.log(
      "error",
      "acknowledged entries may be lost: too few replicas are sure of what they had",
      {
        ...target,
        entries: verdict.longest.entries,
      },
    );
  }
}

/**
 * ⛔ R − W + 1 certain answers (W: a majority of R) always include one that has every acknowledged entry.
 * Uncertain ones give data, but no vote. Where certain answers can never be enough, every replica must answer whose
 * node no operator has given up (spec/DECISIONS.md, 26): an answer of one that was stands for nobody else's. Pure.
 */
export function judge(
  answers: readonly Answer[],
  segment: { replicas: readonly number[]; givenUp: ReadonlySet<number> },
): Verdict | null {
  const { replicas, givenUp } = segment;
  const needed = neededAnswers(replicas.length);
  const certain = answers.filter((answer) => answer.isCertain).length;
  const mayHaveLost = certain < needed;
  const hasAnswered = (id: number) => answers.some((answer) => answer.node === id);
  if (answers.length === 0) return null;
  if (mayHaveLost && !replicas.every((id) => givenUp.has(id) || hasAnswered(id))) return null;
  const longest = answers.reduce((best, answer) => answer.length > best.length ? answer : best);
  return { longest, mayHaveLost };
}

/** How many replicas must hold the tail, and which of them count. */
function copiesFor(
  verdict: Verdict,
  segment: { replicas: readonly number[]; givenUp: ReadonlySet<number> },
): { copies: number; counts: (node: number) => boolean } {
  const needed = neededAnswers(segment.replicas.length);
  // What is certain is sealed on as many disks as ever, whoever was given up: else its loss would be silent.
  if (!verdict.mayHaveLost) return { copies: needed, counts: () => true };
  const kept = segment.replicas.filter((id) => !segment.givenUp.has(id));
  // No more can hold it than are left; where nobody is, the one that has it must do.
  if (kept.length === 0) return { copies: 1, counts: () => true };
  return { copies: Math.min(needed, kept.length), counts: (node) => kept.includes(node) };
}

/** R − W + 1: so many replicas always include one of every majority. */
function neededAnswers(replicas: number): number {
  return replicas - majorityOf(replicas) + 1;
}

/** From here on nobody else seals it. False where it is sealed already. */
async function begin(metadata: Metadata, target: SegmentTarget): Promise<boolean> {
  try {
    await metadata.propose({ kind: "beginSeal", ...target }, { timeoutMs: REQUEST_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

/** Asks all replicas at once, and waits for the slow ones only as long as they are needed. */
function fenceReplicas(
  parts: RecoveryParts,
  target: SegmentTarget,
  info: SegmentInfo,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const { replicas } = info;
  const { givenUp } = parts.metadata.state;
  let left = replicas.length;
  return new Promise((resolve) => {
    const finish = () => {
      limit.cancel();
      straggler?.cancel();
      resolve([...answers]);
    };
    const limit = parts.clock.after(FENCE_TIMEOUT_MS, finish);
    let straggler: ReturnType<Clock["after"]> | undefined;
    for (const node of replicas) {
      parts.link.fence(node, target).then((answer) => {
        answers.push({ node, ...answer });
        const verdict = judge(answers, { replicas, givenUp });
        if (verdict && !verdict.mayHaveLost) straggler ??= parts.clock.after(STRAGGLER_MS, finish);
      }, (error) => {
        parts.logger.log("debug", "a replica did not fence", {
          ...target,
          node,
          reason: error.message,
        });
      }).finally(() => {
        if (--left === 0) finish();
      });
    }
  });
}

/**
 * ⛔ The entries that will count are on R − W + 1 replicas before the count is taken: what is sealed must
 * survive what committed entries survive. (A majority of those alive is not enough, where one of those that
 * answered has died since: spec/DECISIONS.md, 8.)
 */
async function copyTail(
  parts: RecoveryParts,
  target: SegmentTarget,
  found: {
    answers: readonly Answer[];
    longest: Answer;
    copies: number;
    counts: (node: number) => boolean;
  },
): Promise<void> {
  const { answers, longest, copies, counts } = found;
  let holders = 0;
  let reason: unknown = "too few replicas are there to hold it";
  await Promise.all(answers.map(async ({ node, length }) => {
    try {
      if (length < longest.length) {
        await parts.link.complete(node, target, { from: longest.node, end: longest.length });
      }
      if (counts(node)) holders++;
    } catch (error) {
      reason = error;
    }
  }));
  if (holders >= copies) return;
  throw new UnavailableError(
    `${target.topic}/${target.segment}: its tail could not be copied: ${reason}`,
  );
}

async function seal(parts: RecoveryParts, target: SegmentTarget, verdict: Verdict): Promise<void> {
  const topic = parts.metadata.state.topics.get(target.topic);
  // Deleted meanwhile; the name may be another topic's by now.
  if (!topic || parts.metadata.state.isGone(target)) return;
  const next = parts.placeNext(topic);
  const { longest } = verdict;
  const command = {
    kind: "sealSegment" as const,
    ...target,
    expectedRun: null,
    count: longest.entries,
    length: longest.length,
    bytes: longest.bytes,
    cursors: longest.cursors ?? topic.cursors,
    mayHaveLost: verdict.mayHaveLost,
    nextLeader: next.leader,
    nextReplicas: next.replicas,
    sealedMs: wallStamp(parts.clock),
  };
  emitterOf(parts.events, target)?.({
    kind: "proposeSeal",
    count: command.count,
    length: command.length,
    cursor: sharedOffset(command.cursors),
    mayHaveLost: command.mayHaveLost,
  });
  try {
    await parts.metadata.propose(command, { timeoutMs: REQUEST_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error; // refused: another recovery was first
  }
}
