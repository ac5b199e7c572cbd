/**
 * A trace as a TLA+ module that extends the specification: its only behaviour is the trace, each step of which
 * must be the specification's own action and lead to what was told.
 *
 * @module
 */

import type { SpecStep, SpecTrace } from "./spec_step.ts";

/** The module's name, and the file's. */
export const TRACE_MODULE = "WalrusTrace";
/** More than any trace takes. */
const ENOUGH = 1000;

const INVARIANTS =
  "DomainConsistency EveryCountHoldsWhatWasAcked NoAckedEntryLost NoAckedEntryReordered " +
  "NoEntryAtTwoPlaces AckedIsOnAMajority SealedIsOnEnoughDisks SequentialWriteOrder " +
  "SingleWriterPerSegment ReplicasAgree NoWritesPastOpenSegment SealedReplicasAreEqual " +
  "ReadsOnlyCommitted ReadsAgree ReadCursorBounds EachDeliveredOnce";
const PROPERTIES =
  "SealedReplicasAreImmutable SealedCountsStable CursorNeverMovesBack NothingAckedAfterItsCount";
/** What must be violated: the trace can be followed to its end. */
export const FOLLOWED = "NotFollowedToItsEnd";

/** The module's text. */
export function moduleOf(trace: SpecTrace): string {
  const steps = trace.steps.map((step) => `  ${recordOf(step, trace)}`).join(",\n");
  return `------------------------------ MODULE ${TRACE_MODULE} ------------------------------
(* Generated: deno task spec:trace. One run of the code, step by step. *)
EXTENDS WalrusProperties
CONSTANTS ${trace.nodes.map(nameOf).join(", ")}
VARIABLE at  \\* steps taken

Trace == <<
${steps}
>>

\\* A move of the cursor over several entries at once: as many of the specification's Take, in one record.
TakeTo(n, to) ==
  LET s == writer[n].seg
      cursor == CursorAfter(s, log[n][s])
  IN
  /\\ writer[n].phase = "open"
  /\\ \\A p \\in (committed[s] + 1)..Len(log[n][s]) : IsEntry(log[n][s][p])
  /\\ cursor < to /\\ to <= CommittedEnd(n, s) /\\ \\A k \\in cursor..(to - 1) : CanRead(k)
  /\\ Write(n, MoveTo(to))
  /\\ UNCHANGED <<writer, appended>>

\\* Crash, with what the disk kept given: TLC need not try everything else.
CrashKeeping(n, lengths) ==
  LET kept == [s \\in Segments |-> IF s \\in DOMAIN lengths THEN lengths[s] ELSE 0] IN
  /\\ up[n] /\\ crashes < MaxCrashes
  /\\ crashes' = crashes + 1
  /\\ StopProcess(n)
  /\\ \\A s \\in Segments : kept[s] \\in durable[n][s]..Len(log[n][s])
  /\\ log' = [log EXCEPT ![n] = [s \\in Segments |-> First(@[s], kept[s])]]
  /\\ durable' = [durable EXCEPT ![n] = kept]
  /\\ fence' = [fence EXCEPT ![n] = [s \\in Segments |-> IF @[s] = "written" THEN "none" ELSE @[s]]]
  /\\ UNCHANGED <<forgot, metadataVars, streamed, committed, acked, delivered, appended, opened,
                 wipes, giveUps>>

\\* What is durable and acknowledged, or fenced, already may be told again.
Again == UNCHANGED vars
LastCommand == meta'[Len(meta')]
Proposes(leader, count) ==
  \\A c \\in proposals' \\ proposals : (leader # 0 => c.leader = leader) /\\ c.count = count

Follow(e) ==
  \\/ e.a = "OpenWriter" /\\ OpenWriter(e.n) /\\ writer'[e.n].seg = e.s
  \\/ e.a = "AppendEntry" /\\ AppendEntry(e.n) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Take" /\\ TakeTo(e.n, e.to)
  \\/ e.a = "ReplicaAppend" /\\ ReplicaAppend(e.n, e.s) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Sync" /\\ IF ENABLED Sync(e.n) THEN Sync(e.n) ELSE Again
  \\/ e.a = "Commit" /\\ Commit(e.n) /\\ committed'[e.s] = e.to
  \\/ e.a = "TakeCount" /\\ TakeCount(e.n) /\\ Proposes(e.other, e.to)
  \\/ e.a = "CommitBegin" /\\ CommitCommand /\\ LastCommand.op = "begin" /\\ LastCommand.seg = e.s
  \\/ e.a = "CommitSeal" /\\ CommitCommand /\\ LastCommand.op = "seal" /\\ LastCommand.seg = e.s
       /\\ LastCommand.count = e.to /\\ LastCommand.leader = e.other
  \\/ e.a = "Learn" /\\ Learn(e.n) /\\ meta[known'[e.n]].seg = e.s
  \\/ e.a = "StartRecovery" /\\ StartRecovery(e.n) /\\ recovery'[e.n].seg = e.s
  \\/ e.a = "GiveUp" /\\ GiveUp(e.n)
  \\/ e.a = "Fence" /\\ IF ENABLED Fence(e.n, e.s) THEN Fence(e.n, e.s) ELSE Again
  \\/ e.a = "AnswerFence" /\\ AnswerFence(e.n, e.other)
       /\\ Len(recovery'[e.n].answers[e.other].records) = e.to
  \\/ e.a = "Decide" /\\ Decide(e.n) /\\ Len(recovery'[e.n].target) = e.to
  \\/ e.a = "CopyTail" /\\ CopyTail(e.n, e.other) /\\ Len(log'[e.other][e.s]) = e.to
  \\/ e.a = "ProposeSeal" /\\ ProposeSeal(e.n) /\\ Proposes(e.other, e.to)
  \\/ e.a = "CatchUp" /\\ CatchUp(e.n, e.s) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Crash" /\\ CrashKeeping(e.n, e.kept)
  \\/ e.a = "Restart" /\\ Restart(e.n)

TraceInit == Init /\\ at = 0
TraceNext == at < Len(Trace) /\\ at' = at + 1 /\\ Follow(Trace[at + 1])
TraceSpec == TraceInit /\\ [][TraceNext]_<<vars, at>>

${FOLLOWED} == at < Len(Trace)
=============================================================================
`;
}

/** The configuration for it. */
export function configurationOf(trace: SpecTrace): string {
  const names = trace.nodes.map(nameOf);
  return `SPECIFICATION TraceSpec
CONSTANTS
${names.map((name) => `  ${name} = ${name}`).join("\n")}
  Nodes = {${names.join(", ")}}
  ReplicationFactor = ${trace.nodes.length}
  MaxSegments = ${trace.segments}
  MaxEntries = ${ENOUGH}
  SegmentLimit = ${trace.segmentLimit}
  MaxTakes = ${ENOUGH}
  MaxCrashes = ${ENOUGH}
  MaxWipes = 0
  MaxRecoverers = ${trace.nodes.length}
  MaxGiveUps = ${ENOUGH}
  FirstLeaders = {${nameOf(trace.firstLeader)}}
  FalseSuspicion = TRUE
  LeasesLag = FALSE
  AckBeforeSync = FALSE
  Broken = {}
CHECK_DEADLOCK FALSE
INVARIANTS ${FOLLOWED} ${INVARIANTS}
PROPERTIES ${PROPERTIES}
`;
}

const nameOf = (node: number): string => `n${node}`;

function recordOf(step: SpecStep, { nodes }: SpecTrace): string {
  const { action, node, other, segment, to, kept } = step;
  const name = (id: number) => nodes.includes(id) ? nameOf(id) : "0";
  return `[a |-> "${action}", n |-> ${name(node)}, other |-> ${name(other)}, s |-> ${segment}, ` +
    `to |-> ${to}, kept |-> <<${kept.join(", ")}>>]`;
}
