/**
 * One step of `spec/Walrus.tla`, with what it must come to.
 *
 * @module
 */

/** An action, by its name in the specification or in the module that `trace_module.ts` writes. */
export type ActionName =
  | "RefreshLease"
  | "OpenWriter"
  | "AppendEntry"
  | "Take"
  | "DoNotWait"
  | "Close"
  | "ReplicaAppend"
  | "TakeBack"
  | "Acknowledge"
  | "Sync"
  | "Commit"
  | "TakeCount"
  | "CommitBegin"
  | "CommitSeal"
  | "Learn"
  | "StartRecovery"
  | "GiveUp"
  | "Fence"
  | "AnswerFence"
  | "Decide"
  | "CopyTail"
  | "ProposeSeal"
  | "CatchUp"
  | "Read"
  | "Crash"
  | "Restart";

/** One step. What an action does not use is 0, or empty. */
export interface SpecStep {
  action: ActionName;
  /** Who does it. */
  node: number;
  /** The other node of it: who answers, who is copied to, who leads next. */
  other: number;
  segment: number;
  /** The length, count or cursor that it must lead to, or the commands that are known. */
  to: number;
  /** Who holds the next segment. */
  set: readonly number[];
  /** `Crash`: what is left of each segment's log, from segment 1 on. `Read`: the entries that it brought. */
  list: readonly number[];
}

/** A step, from what it uses. */
export function stepOf(action: ActionName, parts: Partial<Omit<SpecStep, "action">>): SpecStep {
  return { action, node: 0, other: 0, segment: 0, to: 0, set: [], list: [], ...parts };
}

/** What a trace says in the specification's words. */
export interface SpecTrace {
  nodes: readonly number[];
  firstLeader: number;
  /** Who holds the first segment. All are held by as many. */
  firstReplicas: readonly number[];
  segments: number;
  steps: SpecStep[];
  /** Why it ends where it does, if that is before the events do. */
  end: string | null;
}
