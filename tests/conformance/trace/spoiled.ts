/**
 * Traces that break a rule, which TLC must refuse: a check that takes anything proves nothing.
 *
 * @module
 */

import { type ActionName, type SpecStep, stepOf } from "./spec_step.ts";

/** Each takes the first step that it can be done with. */
const SPOILS: Readonly<Record<string, (steps: readonly SpecStep[]) => SpecStep[]>> = {
  /** The first commit comes before the acknowledgements that it needs. */
  commit(steps) {
    const commit = indexOf(steps, "Commit");
    return steps.toSpliced(commit, 1).toSpliced(indexOf(steps, "Acknowledge"), 0, steps[commit]!);
  },
  /** A writer appends without its lease. */
  lease: (steps) => steps.toSpliced(indexOf(steps, "RefreshLease"), 1),
  /** A read brings an entry that stands somewhere else. */
  read(steps) {
    const at = indexOf(steps, "Read");
    const { list, ...read } = steps[at]!;
    return steps.with(at, { ...read, list: list.map((entry) => entry + 1) });
  },
  /** A replica is copied to before anybody knows how far. */
  copy(steps) {
    const copy = indexOf(steps, "CopyTail");
    return steps.toSpliced(copy, 1).toSpliced(indexOf(steps, "Decide"), 0, steps[copy]!);
  },
  /** A fenced replica goes on acknowledging. */
  fence(steps) {
    const fence = indexOf(steps, "Fence");
    const { node, segment } = steps[fence]!;
    return steps.toSpliced(fence + 1, 0, stepOf("Acknowledge", { node, segment }));
  },
};

/** @throws {Error} where there is no such spoil, or no step for it. */
export function spoiled(steps: readonly SpecStep[], spoil: string): SpecStep[] {
  const make = SPOILS[spoil];
  if (!make) throw new Error(`No spoil ${spoil}; there are ${Object.keys(SPOILS).join(", ")}.`);
  return make(steps);
}

function indexOf(steps: readonly SpecStep[], action: ActionName): number {
  const at = steps.findIndex((step) => step.action === action);
  if (at < 0) throw new Error(`The trace has no step ${action} that could be spoiled.`);
  return at;
}
