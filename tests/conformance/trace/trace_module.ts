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
const ENOUGH = 10_000;

const INVARIANTS =
  "DomainConsistency EveryCountHoldsWhatWasAcked NoAckedEntryLost NoAckedEntryReordered " +
  "NoEntryAtTwoPlaces AckedIsOnAMajority SealedIsOnEnoughDisks SequentialWriteOrder " +
  "SingleWriterPerSegment ReplicasAgree NoWritesPastOpenSegment SealedReplicasAreEqual " +
  "ReadsOnlyCommitted ReadsAgree ReadCursorBounds EachDeliveredOnce";
const PROPERTIES =
  "SealedReplicasAreImmutable SealedCountsStable CursorNeverMovesBack NothingAckedAfterItsCount";
/** What must be violated: the trace can be followed to its end. */
export const FOLLOWED = "NotFollowedToItsEnd";

/** The module's text, for the specification that `spec` is the text of. */
export function moduleOf(trace: SpecTrace, spec: string): string {
  const of = wordsOf(spec);
  const steps = trace.steps.map((step) => `  ${recordOf(step, trace)}`).join(",\n");
  return `------------------------------ MODULE ${TRACE_MODULE} ------------------------------
(* Generated: deno task spec:trace. One run of the code, step by step. *)
EXTENDS WalrusProperties
CONSTANTS ${trace.nodes.map(nameOf).join(", ")}
VARIABLE at  \\* steps taken

Trace == <<
${steps}
>>

${of.takes}\\* A segment that is closed before it is full, and one that is full: what closes it is not told.
CloseWriter(n, s) ==
  /\\ writer[n] = [seg |-> s, phase |-> "open"]
  /\\ writer' = [writer EXCEPT ![n].phase = "closed"]
  /\\ UNCHANGED <<metadataVars, diskVars, up, barrier, lease, recovery, networkVars, historyVars>>

\\* Sync of one segment, up to what the disk had taken when the cycle began.
SyncUpTo(n, s, to) ==
  /\\ up[n] /\\ to <= Len(log[n][s])
  /\\ durable' = [durable EXCEPT ![n][s] = Max({@, to})]
  /\\ acks' = IF MayAcknowledge(n, s) THEN [acks EXCEPT ![s][n] = Max({@, to})] ELSE acks
  /\\ UNCHANGED <<metadataVars, log, fence, forgot, processVars, streamed, historyVars>>

\\* A disk that is full, or fails a write: what was neither durable nor acknowledged is not there.
TakeBackTo(n, s, to) ==
  /\\ up[n] /\\ to >= durable[n][s] /\\ to >= acks[s][n]
  /\\ log' = [log EXCEPT ![n][s] = First(@, to)]
  /\\ UNCHANGED <<metadataVars, durable, fence, forgot, processVars, networkVars, historyVars>>

\\* A read changes nothing, and brings what may be read, and stands there.
ReadAsTold(n, s, to, entries) ==
  /\\ LET readable == Readable(n, s) IN
     /\\ to <= Len(readable)
     /\\ SubSeq(readable, to - Len(entries) + 1, to) = entries
  /\\ UNCHANGED vars

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
  /\\ UNCHANGED <<forgot, metadataVars, streamed, ${of.historyButCrashes}>>

\\* What is durable and acknowledged, or fenced, already may be told again.
Again == UNCHANGED vars
LastCommand == meta'[Len(meta')]
\\* (Where the choice of the next leader is the proposal's, it is the one that was committed.)
Proposes(e) ==
  \\A c \\in proposals' \\ proposals :
    /\\ c.count = e.to
    /\\ "leader" \\in DOMAIN c /\\ e.set # {} => c.leader = e.other /\\ c.replicas = e.set

Follow(e) ==
  \\/ e.a = "RefreshLease" /\\ RefreshLease(e.n)
       /\\ lease'[e.n] = (IF e.s = 0 THEN {} ELSE {e.s})
  \\/ e.a = "OpenWriter" /\\ OpenWriter(e.n) /\\ writer'[e.n].seg = e.s
  \\/ e.a = "AppendEntry" /\\ AppendEntry(e.n) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Take" /\\ TakeTo(e.n, e.to)
  \\/ e.a = "DoNotWait" /\\ ${of.doNotWait}
  \\/ e.a = "ReplicaAppend" /\\ ReplicaAppend(e.n, e.s) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Close" /\\ CloseWriter(e.n, e.s)
  \\/ e.a = "TakeBack" /\\ TakeBackTo(e.n, e.s, e.to)
  \\/ e.a = "Acknowledge" /\\ fence[e.n][e.s] = "none" /\\ ~KnowsSealed(e.n, e.s)
       /\\ SyncUpTo(e.n, e.s, e.to)
  \\/ e.a = "Sync" /\\ SyncUpTo(e.n, e.s, e.to)
  \\/ e.a = "Read" /\\ ReadAsTold(e.n, e.s, e.to, e.list)
  \\/ e.a = "Commit" /\\ Commit(e.n) /\\ committed'[e.s] = e.to
  \\/ e.a = "TakeCount" /\\ TakeCount(e.n) /\\ Proposes(e)
  \\/ e.a = "CommitBegin" /\\ CommitCommand /\\ LastCommand.op = "begin" /\\ LastCommand.seg = e.s
  \\/ e.a = "CommitSeal" /\\ CommitCommand /\\ LastCommand.op = "seal" /\\ LastCommand.seg = e.s
       /\\ LastCommand.count = e.to /\\ LastCommand.leader = e.other /\\ LastCommand.replicas = e.set
  \\/ e.a = "Learn" /\\ Learn(e.n) /\\ meta[known'[e.n]].seg = e.s
  \\/ e.a = "StartRecovery" /\\ StartRecovery(e.n) /\\ recovery'[e.n].seg = e.s
  \\/ e.a = "GiveUp" /\\ GiveUp(e.n)
  \\/ e.a = "Fence" /\\ IF ENABLED Fence(e.n, e.s) THEN Fence(e.n, e.s) ELSE Again
  \\/ e.a = "AnswerFence" /\\ AnswerFence(e.n, e.other)
       /\\ Len(recovery'[e.n].answers[e.other].records) = e.to
  \\/ e.a = "Decide" /\\ Decide(e.n) /\\ Len(recovery'[e.n].target) = e.to
  \\/ e.a = "CopyTail" /\\ CopyTail(e.n, e.other) /\\ Len(log'[e.other][e.s]) = e.to
  \\/ e.a = "ProposeSeal" /\\ ProposeSeal(e.n) /\\ Proposes(e)
  \\/ e.a = "CatchUp" /\\ CatchUp(e.n, e.s) /\\ Len(log'[e.n][e.s]) = e.to
  \\/ e.a = "Crash" /\\ CrashKeeping(e.n, e.list)
  \\/ e.a = "Restart" /\\ Restart(e.n) /\\ known'[e.n] = e.to

TraceInit == Init /\\ at = 0 /\\ meta[1].replicas = ${setOf(trace, trace.firstReplicas)}
TraceNext == at < Len(Trace) /\\ at' = at + 1 /\\ Follow(Trace[at + 1])
TraceSpec == TraceInit /\\ [][TraceNext]_<<vars, at>>

${FOLLOWED} == at < Len(Trace)
=============================================================================
`;
}

/** Where specifications differ. */
interface SpecWords {
  takes: string;
  doNotWait: string;
  historyButCrashes: string;
  bounds: string;
}

const OWN_TAKE_TO =
  `\\* A move of the cursor over several entries at once: as many of the specification's Take, in one record.
TakeTo(n, to) ==
  LET s == writer[n].seg
      cursor == CursorAfter(s, log[n][s])
  IN
  /\\ writer[n].phase = "open"
  /\\ \\A p \\in (committed[s] + 1)..Len(log[n][s]) : IsEntry(log[n][s][p])
  /\\ cursor < to /\\ to <= CommittedEnd(n, s) /\\ \\A k \\in cursor..(to - 1) : CanRead(k)
  /\\ Write(n, MoveTo(to))
  /\\ UNCHANGED <<writer, appended>>

`;

function wordsOf(spec: string): SpecWords {
  const history = /^historyVars +== <<([^>]*)>>/m.exec(spec)?.[1]?.split(/,\s*/) ?? [];
  const has = (definition: string) => spec.includes(`\n${definition}`);
  const bounds = ["TakeAtOnce", "MaxUnknown"].filter((name) => has(`  ${name},`));
  return {
    takes: has("TakeTo(n, to) ==") ? "" : OWN_TAKE_TO,
    doNotWait: has("DoNotWait(n) ==") ? "DoNotWait(e.n)" : "Again",
    historyButCrashes: history.filter((name) => name !== "crashes").join(", "),
    bounds: bounds.map((name) => `  ${name} = ${ENOUGH}\n`).join(""),
  };
}

/** The configuration for it. */
export function configurationOf(trace: SpecTrace, spec: string): string {
  const names = trace.nodes.map(nameOf);
  return `SPECIFICATION TraceSpec
CONSTANTS
${names.map((name) => `  ${name} = ${name}`).join("\n")}
  Nodes = {${names.join(", ")}}
  ReplicationFactor = ${trace.firstReplicas.length}
  MaxSegments = ${trace.segments}
  MaxEntries = ${ENOUGH}
  SegmentLimit = ${ENOUGH}
  MaxTakes = ${ENOUGH}
${wordsOf(spec).bounds}  MaxCrashes = ${ENOUGH}
  MaxWipes = 0
  MaxRecoverers = ${trace.nodes.length}
  MaxGiveUps = ${ENOUGH}
  FirstLeaders = {${nameOf(trace.firstLeader)}}
  FalseSuspicion = TRUE
  LeasesLag = TRUE
  AckBeforeSync = FALSE
  Broken = {}
CHECK_DEADLOCK FALSE
INVARIANTS ${FOLLOWED} ${INVARIANTS}
PROPERTIES ${PROPERTIES}
`;
}

const setOf = ({ nodes }: SpecTrace, set: readonly number[]): string =>
  `{${set.filter((id) => nodes.includes(id)).map(nameOf).join(", ")}}`;
const nameOf = (node: number): string => `n${node}`;

function recordOf(step: SpecStep, trace: SpecTrace): string {
  const { action, node, other, segment, to, set, list } = step;
  const name = (id: number) => trace.nodes.includes(id) ? nameOf(id) : "0";
  return `[a |-> "${action}", n |-> ${name(node)}, other |-> ${name(other)}, s |-> ${segment}, ` +
    `to |-> ${to}, set |-> ${setOf(trace, set)}, list |-> <<${list.join(", ")}>>]`;
}
