/**
 * The safety properties of `spec/WalrusProperties.tla`, each looked at in the steps that could break it.
 *
 * Some can't be broken in this model, because a step that would is refused: `ReplicasAgree`,
 * `SealedReplicasAreEqual`, `SealedReplicasAreImmutable` (an append must be the writer's very record at the
 * replica's own end, a cut must be at the seal), `SingleWriterPerSegment` and `NoWritesPastOpenSegment`
 * (`OpenWriter`), `SealedCountsStable` (`Learn`).
 *
 * @module
 */

import type { Model, Proposal, SegmentModel } from "./model.ts";
import { hold } from "./refusal.ts";

/** A seal was committed. */
export function checkSeal(model: Model, segment: SegmentModel): void {
  const seal = segment.seal!;
  const { name, topic } = segment;
  hold(
    seal.length <= segment.records.length,
    "SequentialWriteOrder",
    () =>
      `${name} is sealed at ${seal.length} records, ${segment.records.length} were ever appended`,
  );
  hold(
    seal.mayHaveLost || segment.committed <= seal.length,
    "NoAckedEntryLost",
    () => `${name} is sealed at ${seal.length} records, ${segment.committed} were acknowledged`,
  );
  hold(
    seal.mayHaveLost || !topic.isSynced ||
      model.holding(segment, seal.length) >= segment.answersNeeded - segment.lostOn.size,
    "SealedIsOnEnoughDisks",
    () =>
      `${name} is sealed at ${seal.length}, which ${
        model.holding(segment, seal.length)
      } nodes hold`,
  );
  hold(
    seal.cursor >= 0 && seal.cursor <= segment.base + seal.count,
    "ReadCursorBounds",
    () => `${name} is sealed with the cursor at ${seal.cursor}`,
  );
  const before = seal.mayHaveLost ? 0 : segment.cursorAfter(segment.committed);
  hold(
    topic.hasLost || seal.cursor >= before,
    "CursorNeverMovesBack",
    () => `${name} is sealed with the cursor at ${seal.cursor}, a move to ${before} was committed`,
  );
}

/** Its writer committed up to a new length. */
export function checkCommit(model: Model, segment: SegmentModel): void {
  const { committed, name, seal } = segment;
  hold(
    seal === null || seal.mayHaveLost || committed <= seal.length,
    "NoAckedEntryLost",
    () => `${name} was sealed at ${seal!.length} records, and now ${committed} are acknowledged`,
  );
  // Who holds it still may throw it away before its writer hears that the topic was deleted.
  const isGone = segment.goneAt !== Infinity;
  hold(
    isGone || !segment.topic.isSynced ||
      model.holding(segment, committed) >= segment.majority - segment.lostOn.size,
    "AckedIsOnAMajority",
    () => `${committed} records of ${name} are held by ${model.holding(segment, committed)} nodes`,
  );
}

/** A count that was proposed, and may still be committed. */
export function checkProposal(segment: SegmentModel, proposal: Proposal): void {
  hold(
    proposal.mayHaveLost || segment.committed <= proposal.length,
    "EveryCountHoldsWhatWasAcked",
    () =>
      `${segment.name}: a seal at ${proposal.length} records may still be committed, and ` +
      `${segment.committed} are acknowledged`,
  );
}

/** A cursor's move was committed. */
export function checkMove(segment: SegmentModel, move: { from: number; to: number }): void {
  const { from, to } = move;
  hold(
    to >= from || segment.topic.hasLost,
    "CursorNeverMovesBack",
    () => `${segment.name}: the cursor went from ${from} to ${to}`,
  );
  hold(
    to <= segment.base + segment.committedEntries,
    "ReadCursorBounds",
    () =>
      `${segment.name}: the cursor is at ${to}, ${
        segment.base + segment.committedEntries
      } are committed`,
  );
}
