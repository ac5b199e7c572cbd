------------------------------- MODULE Walrus -------------------------------
(***************************************************************************)
(* A topic of Walrus: its segments, their replicas, seals and the shared   *)
(* cursor, with everything that may go wrong in it (DESIGN.md, 5, 6, 10).  *)
(*                                                                         *)
(* How to read it. A state is a value for each VARIABLE below. An action   *)
(* is a formula that says when a step may happen (its guards) and what it  *)
(* changes (x' is the value of x after the step). TLC starts from Init and *)
(* tries every order of all steps that Next allows. What must hold is in   *)
(* WalrusProperties.tla; README.md tells the actions beside the code.      *)
(*                                                                         *)
(* How faults get in. Nothing has a duration: any step may come as late as *)
(* it likes, or never, so a slow node, a stopped one, a lost message and a *)
(* cut network all look the same to the others. What was sent once stays   *)
(* in the network for ever (streamed, acks, proposals), so a message can   *)
(* arrive late, twice, after its sender's death, or not at all.            *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS
  Nodes,              \* the cluster
  ReplicationFactor,  \* nodes that hold a segment
  \* Bounds of the model, not of the product.
  MaxSegments,        \* the last one stays open
  MaxEntries,         \* appends in the whole run
  SegmentLimit,       \* entries that make a segment full
  MaxTakes,           \* how far GETs move the shared cursor
  TakeAtOnce,         \* entries that one GET takes at most
  MaxUnknown,         \* GETs that are told that their outcome is unknown, while their move may still come
  MaxCrashes,         \* kill -9, power cuts
  MaxWipes,           \* disks lost with all that was on them
  MaxRecoverers,      \* nodes that fail a segment over at the same time
  MaxGiveUps,         \* failovers that end half done, though their node lives
  FirstLeaders,       \* who may lead segment 1: any one node will do, for they are alike
  \* What the cluster is like.
  FalseSuspicion,     \* may a living leader be failed over?
  LeasesLag,          \* are leases checked (and late)? FALSE: never in anybody's way
  AckBeforeSync,      \* --fsync none: a replica acknowledges what is only written
  Broken              \* the rules that are knocked out: {} in a true model

Rule(name) == name \notin Broken

VARIABLES
  \* Metadata: one ordered log (Raft's promise, taken for granted here), which nodes learn late.
  meta,       \* the sequence of commands that had an effect
  known,      \* known[n]: how many of them node n has applied
  proposals,  \* commands on their way; each may arrive any number of times
  \* A node's disk. log[n][s] is n's replica of segment s; only its first durable[n][s] records
  \* survive a crash for sure.
  log,
  durable,
  fence,      \* fence[n][s]: "none", "durable" ("written" only where a rule is broken)
  forgot,     \* forgot[n]: n is uncertain of every segment up to this one (0: of none)
  \* A process.
  up,         \* up[n]: it runs
  barrier,    \* barrier[n]: the newest segment when this process started; it leads later ones only
  lease,      \* lease[n]: the segments that n believes it may append to
  writer,     \* writer[n]: the segment that n writes, and how far it is on the way to its seal
  recovery,   \* recovery[n]: the segment that n fails over, and the fence answers it has
  \* The network between a segment's writer and its replicas.
  streamed,   \* streamed[s]: all <<position, record>> that were ever sent
  acks,       \* acks[s][n]: the largest length that replica n acknowledged to the writer that s has now
  \* What clients saw, and other history that only the properties look at.
  committed,  \* committed[s]: how many positions the writer of s knew to be committed
  acked,      \* entries that were acknowledged: <<segment, position, entry>>
  delivered,  \* offsets that GETs were answered with, in that order
  taking,     \* taking[s]: the GET that waits for its move: the move's position (0: none), the first offset
  unknown,    \* GETs that did not wait any longer
  appended,   \* appends so far; also the identity of the last entry
  opened,     \* opened[s]: writers that were ever made for s; metadata names the last one
  crashes,
  wipes,
  giveUps

metadataVars == <<meta, known, proposals>>
diskVars     == <<log, durable, fence, forgot>>
processVars  == <<up, barrier, lease, writer, recovery>>
networkVars  == <<streamed, acks>>
historyVars  == <<committed, acked, delivered, taking, unknown, appended, opened, crashes, wipes, giveUps>>
vars == <<metadataVars, diskVars, processVars, networkVars, historyVars>>

Segments == 1..MaxSegments

-----------------------------------------------------------------------------
(* Records. An entry is its identity, 1, 2, 3 ...; the control record "the *)
(* cursor stands at k" is the number -k. Positions count both kinds,       *)
(* offsets and sealed counts count entries.                                *)

IsEntry(record) == record > 0
IsMove(record)  == record < 0
MoveTo(offset)  == -offset

EntriesOf(records) == SelectSeq(records, IsEntry)
EntryCount(records) == Len(EntriesOf(records))
First(records, n) == SubSeq(records, 1, n)
Max(numbers) == CHOOSE x \in numbers : \A y \in numbers : y <= x
Min(numbers) == CHOOSE x \in numbers : \A y \in numbers : y >= x

-----------------------------------------------------------------------------
(* Metadata. A segment is opened by the command before it: "open" for the  *)
(* first (its seg is 0), "seal" of segment s for segment s + 1. k is       *)
(* always the number of commands that somebody knows.                      *)

OpenAt(k) == IF meta[k].op = "begin" THEN meta[k].seg ELSE meta[k].seg + 1
IsSealedAt(s, k) == s < OpenAt(k)
\* BeginSeal can only be followed by the seal, so it is the last command while it is in force.
IsSealingAt(s, k) == s = OpenAt(k) /\ meta[k].op = "begin"

Now == Len(meta)
Exists(s) == s <= OpenAt(Now)
Opening(s) == IF s = 1 THEN meta[1]
              ELSE meta[CHOOSE i \in 1..Now : meta[i].op = "seal" /\ meta[i].seg = s - 1]
Seal(s) == Opening(s + 1)  \* of a sealed segment

Replicas(s) == Opening(s).replicas
Leader(s) == Opening(s).leader
KnowsSealed(n, s) == IsSealedAt(s, known[n])

R == ReplicationFactor
W == (R \div 2) + 1
\* Any that many replicas include one of any W: what a failover must hear from.
AnswersNeeded == R - W + 1

ReplicaSets == {set \in SUBSET Nodes : Cardinality(set) = ReplicationFactor}

\* Where the cursor stands after these records of segment s: the last move, or what was carried in.
CursorAfter(s, records) ==
  LET moves == SelectSeq(records, IsMove)
  IN IF moves # <<>> THEN -moves[Len(moves)]
     ELSE IF Rule("CursorIsCarriedOver") THEN Opening(s).cursor ELSE 0

-----------------------------------------------------------------------------
Idle == [seg |-> 0, phase |-> "idle"]
NotTaking == [position |-> 0, from |-> 0]
NoAnswer == [heard |-> FALSE, records |-> <<>>, certain |-> FALSE]
NoAnswers == [r \in Nodes |-> NoAnswer]
\* A failover: it hears answers ("asking"); then it knows its count, and completes replicas ("copying").
\* target: the log to seal; asked: who answered; holders: who has it all, by its answer or as a copy.
NotRecovering == [seg |-> 0, phase |-> "none", answers |-> NoAnswers, target |-> <<>>,
                  asked |-> {}, holders |-> {}, mayHaveLost |-> FALSE]

Init ==
  /\ \E set \in ReplicaSets : \E leader \in set \intersect FirstLeaders :
       meta = <<[op |-> "open", seg |-> 0, leader |-> leader, replicas |-> set, base |-> 0,
                 cursor |-> 0]>>
  /\ known = [n \in Nodes |-> 1]
  /\ proposals = {}
  /\ log = [n \in Nodes |-> [s \in Segments |-> <<>>]]
  /\ durable = [n \in Nodes |-> [s \in Segments |-> 0]]
  /\ fence = [n \in Nodes |-> [s \in Segments |-> "none"]]
  /\ forgot = [n \in Nodes |-> 0]
  /\ up = [n \in Nodes |-> TRUE]
  /\ barrier = [n \in Nodes |-> 0]
  /\ lease = [n \in Nodes |-> {}]
  /\ writer = [n \in Nodes |-> Idle]
  /\ recovery = [n \in Nodes |-> NotRecovering]
  /\ streamed = [s \in Segments |-> {}]
  /\ acks = [s \in Segments |-> [n \in Nodes |-> 0]]
  /\ committed = [s \in Segments |-> 0]
  /\ acked = {}
  /\ delivered = <<>>
  /\ taking = [s \in Segments |-> NotTaking]
  /\ unknown = 0
  /\ appended = 0
  /\ opened = [s \in Segments |-> 0]
  /\ crashes = 0
  /\ wipes = 0
  /\ giveUps = 0

-----------------------------------------------------------------------------
(* Metadata: committing a command, and learning of it.                     *)

BeginSealCommand(s) == [op |-> "begin", seg |-> s]

\* Who proposes also says who leads the next segment and who holds it. Nobody acts by it before it is
\* committed, so the choice is made there (CommitSealSegment); isSame: the leader may be the same again.
SealCommand(s, by, sealedLog, given) ==
  [op |-> "seal", seg |-> s, by |-> by, run |-> opened[s],
   count |-> EntryCount(sealedLog),
   length |-> Len(sealedLog),  \* the same in positions: where every replica's log ends
   cursor |-> CursorAfter(s, sealedLog),
   isSame |-> given.isSame,
   mayHaveLost |-> given.mayHaveLost]

\* BeginSeal: does nothing unless its segment is open. The leader's own seal is refused from here on.
CommitBeginSeal(command) ==
  /\ command.op = "begin"
  /\ command.seg = OpenAt(Now) /\ ~IsSealingAt(command.seg, Now)
  /\ meta' = Append(meta, command)
  /\ proposals' = IF Rule("SealNamesItsSegment")
                  THEN {c \in proposals : c.op = "seal" /\ c.by = "failover"} ELSE proposals

\* SealSegment: names the segment that it seals and the state that it expects: a failover's seal finds
\* the segment sealing; the leader's own finds it open, and led by the very run that took the count. The
\* same command twice has one effect.
IsForThisState(command) ==
  LET s == OpenAt(Now) IN
  Rule("SealNamesItsSegment") =>
    /\ command.seg = s
    /\ IsSealingAt(s, Now) <=> command.by = "failover"
    /\ Rule("SealNamesItsWriter") /\ command.by = "leader" => command.run = opened[s]

CommitSealSegment(command) ==
  LET s == OpenAt(Now) IN
  /\ command.op = "seal"
  /\ s < MaxSegments
  /\ IsForThisState(command)
  \* The next leader is a node that seems alive: not the former one if there is any other, but for one
  \* that sealed its own segment by a failover.
  /\ \E set \in ReplicaSets :
       \E leader \in IF command.isSame \/ set = {Leader(s)} THEN set ELSE set \ {Leader(s)} :
         meta' = Append(meta,
           [op |-> "seal", seg |-> s, count |-> command.count, length |-> command.length,
            cursor |-> command.cursor, leader |-> leader, replicas |-> set,
            base |-> Opening(s).base + command.count, mayHaveLost |-> command.mayHaveLost])
  \* What names a sealed segment is refused for ever: it is left out from here on.
  /\ proposals' = IF Rule("SealNamesItsSegment") THEN {c \in proposals : c.seg > s} ELSE proposals

\* A proposal arrives at Raft, for the first time or again, and is committed.
CommitCommand ==
  /\ \E command \in proposals : CommitBeginSeal(command) \/ CommitSealSegment(command)
  /\ UNCHANGED <<known, diskVars, processVars, networkVars, historyVars>>

\* A proposal is sent. It may be late already.
IsInVain(command) ==
  /\ Rule("SealNamesItsSegment")
  /\ \/ command.seg < OpenAt(Now)
     \/ IsSealingAt(command.seg, Now) /\ ~(command.op = "seal" /\ command.by = "failover")
Propose(command) ==
  proposals' = IF IsInVain(command) THEN proposals ELSE proposals \union {command}

\* Acknowledgements to a writer that is no more, or has taken its count, are read by nobody: they are
\* left out from here on.
Listens(n, s) == writer[n].seg = s /\ (writer[n].phase # "counted" \/ ~Rule("CountIsFinal"))
HasWriter(s) == \E n \in Nodes : Listens(n, s)
AcksWithoutWriter(n) ==
  [s \in Segments |-> IF \E m \in Nodes \ {n} : Listens(m, s) THEN acks[s]
                     ELSE [m \in Nodes |-> 0]]

\* Tail beyond the count: cut by whoever learns the seal.
CutSealed(n, s, length) ==
  IF Rule("TailIsCut") THEN First(log[n][s], Min({length, Len(log[n][s])})) ELSE log[n][s]

\* A fence is let go when its seal is known for ever: when no later process of n can know less, as a
\* snapshot of metadata on n's disk has the seal. Then nobody asks for it any more, so it is the same
\* whether it is there, and the model need not say when snapshots are made: it keeps fences as long as
\* a process may come that knows less.
FencesAt(n, k) ==
  [s \in Segments |->
    IF IsSealedAt(s, k) /\ (crashes = MaxCrashes \/ ~Rule("FenceOutlivesItsSeal")) THEN "none"
    ELSE fence[n][s]]

\* A node applies the next command. A writer whose segment begins to be sealed, or is sealed, stops; a
\* failover of a sealed segment is over.
Learn(n) ==
  LET command == meta[known[n] + 1]
      s == command.seg
  IN
  /\ up[n] /\ known[n] < Now
  /\ known' = [known EXCEPT ![n] = @ + 1]
  /\ writer' = [writer EXCEPT ![n] = IF @.seg = s THEN Idle ELSE @]
  /\ acks' = IF writer[n].seg = s THEN AcksWithoutWriter(n) ELSE acks
  /\ IF command.op = "seal"
     THEN LET cut == CutSealed(n, s, command.length) IN
          /\ log' = [log EXCEPT ![n][s] = cut]
          /\ durable' = [durable EXCEPT ![n][s] = Min({@, Len(cut)})]
          /\ recovery' = [recovery EXCEPT ![n] = IF @.seg = s THEN NotRecovering ELSE @]
          /\ fence' = [fence EXCEPT ![n] = FencesAt(n, known[n] + 1)]
     ELSE UNCHANGED <<log, durable, recovery, fence>>
  /\ UNCHANGED <<meta, proposals, forgot, up, barrier, lease, streamed, historyVars>>

\* Every 100 ms, and when metadata changes, but never exactly when it should: leases lag. A node that
\* hears no Raft majority finds that it holds none.
RefreshLease(n) ==
  /\ LeasesLag /\ up[n]
  /\ LET s == OpenAt(known[n])
         led == IF Leader(s) = n /\ ~IsSealingAt(s, known[n]) THEN {s} ELSE {}
     IN \E held \in {led, {}} : lease[n] # held /\ lease' = [lease EXCEPT ![n] = held]
  /\ UNCHANGED <<metadataVars, diskVars, up, barrier, writer, recovery, networkVars, historyVars>>

-----------------------------------------------------------------------------
(* Append: the writer, its replicas, and the majority.                     *)

\* A writer never resumes: a segment that was there when this process started is not for it to write.
\* (In the code: metadata names the leader's run, its process, and only that one may write.) Only a
\* replica set of one may: nobody else can hold another record at a position.
MayLead(n, s) ==
  \/ s > barrier[n]
  \/ Replicas(s) = {n} /\ s >= barrier[n]
  \/ ~Rule("WriterNeverResumes")

\* The named leader makes the segment's writer. To resume, its new run must be named by metadata first:
\* RegisterNode does it, in the order of the metadata log, so only while the segment is open there.
OpenWriter(n) ==
  LET s == OpenAt(known[n]) IN
  /\ up[n] /\ writer[n] = Idle
  /\ Leader(s) = n /\ ~IsSealingAt(s, known[n])
  /\ MayLead(n, s)
  /\ opened[s] = 0 \/ (s = OpenAt(Now) /\ ~IsSealingAt(s, Now))
  /\ writer' = [writer EXCEPT ![n] = [seg |-> s, phase |-> "open"]]
  /\ opened' = [opened EXCEPT ![s] = @ + 1]
  /\ taking' = [taking EXCEPT ![s] = NotTaking]
  /\ UNCHANGED <<metadataVars, diskVars, up, barrier, lease, recovery, networkVars,
                 committed, acked, delivered, unknown, appended, crashes, wipes, giveUps>>

\* An uncertain replica accepts nothing in a segment whose fence it may have forgotten.
IsCertain(n, s) == s > forgot[n]
MayAppend(n, s) ==
  /\ Rule("FenceRefusesAppends") => fence[n][s] = "none"
  /\ Rule("UncertainAcceptsNothing") => IsCertain(n, s)

\* The writer appends one record to its own log and streams it, before either is durable anywhere.
Write(n, record) ==
  LET s == writer[n].seg
      position == Len(log[n][s]) + 1
  IN
  /\ up[n] /\ writer[n].phase = "open"
  /\ LeasesLag => s \in lease[n]
  /\ MayAppend(n, s)
  /\ log' = [log EXCEPT ![n][s] = Append(@, record)]
  /\ streamed' = [streamed EXCEPT ![s] = @ \union {<<position, record>>}]
  /\ acks' = IF AckBeforeSync THEN [acks EXCEPT ![s][n] = Max({@, position})] ELSE acks
  /\ UNCHANGED <<metadataVars, durable, fence, forgot, up, barrier, lease, recovery,
                 committed, acked, delivered, unknown, opened, crashes, wipes, giveUps>>

\* PUT. The append that fills the segment closes it (but for the model's last one).
AppendEntry(n) ==
  LET s == writer[n].seg IN
  /\ appended < MaxEntries
  /\ Write(n, appended + 1)
  /\ appended' = appended + 1
  /\ writer' = [writer EXCEPT ![n].phase =
                  IF s < MaxSegments /\ EntryCount(log[n][s]) + 1 >= SegmentLimit THEN "closed"
                  ELSE "open"]
  /\ UNCHANGED taking

\* What is committed of s and of the topic, as the writer n of s knows it.
CommittedPart(n, s) == First(log[n][s], Min({committed[s], Len(log[n][s])}))
CommittedEnd(n, s) == Opening(s).base + EntryCount(CommittedPart(n, s))

\* A replica that a committed entry can be read from: of a sealed segment any that has it, of the open
\* one a replica that knows it to be committed.
CanRead(offset) ==
  \E s \in Segments : \E n \in Nodes :
    /\ Exists(s) /\ up[n] /\ n \in Replicas(s)
    /\ offset >= Opening(s).base
    /\ IF s < OpenAt(Now) THEN offset < Opening(s).base + Seal(s).count ELSE TRUE
    /\ offset < Opening(s).base + EntryCount(log[n][s])

\* GET. The entries under the cursor are read, from any replica; then the cursor's move is appended, a
\* control record like any other. One GET at a time; its answer waits for the move's commit. (A move that
\* nobody waits for any more may still be on its way: the cursor stands at the last committed one.)
TakeTo(n, to) ==
  LET s == writer[n].seg
      cursor == CursorAfter(s, CommittedPart(n, s))
  IN
  /\ writer[n].phase = "open"
  /\ taking[s] = NotTaking
  \* A lone replica's writer that resumes waits for what it holds already.
  /\ Replicas(s) = {n} => \A p \in (committed[s] + 1)..Len(log[n][s]) : IsEntry(log[n][s][p])
  /\ cursor < to /\ to <= CommittedEnd(n, s) /\ \A offset \in cursor..(to - 1) : CanRead(offset)
  /\ Write(n, MoveTo(to))
  /\ taking' = [taking EXCEPT ![s] = [position |-> Len(log[n][s]) + 1, from |-> cursor]]
  /\ UNCHANGED <<writer, appended>>

Take(n) ==
  /\ writer[n].phase = "open"
  /\ LET s == writer[n].seg
         cursor == CursorAfter(s, CommittedPart(n, s))
     IN \E to \in (cursor + 1)..Min({cursor + TakeAtOnce, MaxTakes}) : TakeTo(n, to)

\* The GET has waited too long, and is told that its outcome is unknown.
DoNotWait(n) ==
  /\ writer[n].phase = "open" /\ taking[writer[n].seg] # NotTaking /\ unknown < MaxUnknown
  /\ taking' = [taking EXCEPT ![writer[n].seg] = NotTaking]
  /\ unknown' = unknown + 1
  /\ UNCHANGED <<metadataVars, diskVars, processVars, networkVars,
                 committed, acked, delivered, appended, opened, crashes, wipes, giveUps>>

\* As long as a log can become.
MaxLength == MaxEntries + MaxTakes + MaxUnknown

\* A streamed record arrives. A replica appends only at exactly its own end, so records that come twice
\* or out of order change nothing.
ReplicaAppend(n, s) ==
  /\ up[n] /\ Exists(s) /\ n \in Replicas(s) /\ n # Leader(s)
  /\ ~KnowsSealed(n, s)
  /\ MayAppend(n, s)
  /\ \E <<position, record>> \in streamed[s] :
       /\ Rule("AppendsAtItsOwnEnd") => position = Len(log[n][s]) + 1
       /\ Len(log[n][s]) < MaxLength
       /\ log' = [log EXCEPT ![n][s] = Append(@, record)]
       /\ acks' = IF AckBeforeSync /\ HasWriter(s)
                  THEN [acks EXCEPT ![s][n] = Max({@, Len(log'[n][s])})] ELSE acks
  /\ UNCHANGED <<metadataVars, durable, fence, forgot, processVars, streamed, historyVars>>

\* A fenced replica is silent towards the writer, the writer's own replica too: it doesn't count itself.
MayAcknowledge(n, s) ==
  /\ HasWriter(s) /\ ~KnowsSealed(n, s)
  /\ \/ fence[n][s] = "none"
     \/ ~Rule("FencedIsSilent")
     \/ ~Rule("FencedWriterDoesNotCountItself") /\ writer[n].seg = s
  /\ Rule("UncertainAcceptsNothing") => IsCertain(n, s)

\* One commit cycle of n's store: what was written of s becomes durable, and its length is acknowledged.
\* (A cycle is for all segments; each may come a little later than the one before.)
CanSync(n, s) ==
  /\ up[n]
  /\ \/ durable[n][s] < Len(log[n][s]) \/ fence[n][s] = "written"
     \/ MayAcknowledge(n, s) /\ acks[s][n] < Len(log[n][s])
Sync(n, s) ==
  /\ CanSync(n, s)
  /\ durable' = [durable EXCEPT ![n][s] = Len(log[n][s])]
  /\ fence' = [fence EXCEPT ![n][s] = IF @ = "written" THEN "durable" ELSE @]
  /\ acks' = IF MayAcknowledge(n, s) THEN [acks EXCEPT ![s][n] = Max({@, Len(log[n][s])})] ELSE acks
  /\ UNCHANGED <<metadataVars, log, forgot, processVars, streamed, historyVars>>

AcksNeeded == IF Rule("MajorityBeforeAck") THEN W ELSE W - 1

\* The writer hears enough acknowledgements for its next position, and answers the client.
CanCommit(n) ==
  LET s == writer[n].seg IN
  /\ up[n] /\ s # 0 /\ Listens(n, s)
  /\ committed[s] < Len(log[n][s])
  /\ Cardinality({r \in Replicas(s) : acks[s][r] > committed[s]}) >= AcksNeeded
Commit(n) ==
  LET s == writer[n].seg
      p == committed[s] + 1
  IN
  /\ CanCommit(n)
  /\ committed' = [committed EXCEPT ![s] = p]
  /\ LET record == log[n][s][p] IN
     IF IsEntry(record)
     THEN acked' = acked \union {<<s, p, record>>} /\ UNCHANGED <<delivered, taking>>
     ELSE /\ UNCHANGED acked
          /\ IF taking[s].position = p
             THEN /\ delivered' = delivered \o [i \in 1..(-record - taking[s].from) |-> taking[s].from + i - 1]
                  /\ taking' = [taking EXCEPT ![s] = NotTaking]
             ELSE UNCHANGED <<delivered, taking>>
  /\ UNCHANGED <<metadataVars, diskVars, processVars, networkVars, unknown, appended, opened, crashes,
                 wipes, giveUps>>

-----------------------------------------------------------------------------
(* Rollover, planned. The segment was closed by the append that filled it. *)

\* The writer has waited for what it accepted, or refused it (its deadline passed): now it takes the
\* count, proposes the seal, and acknowledges nothing more.
TakeCount(n) ==
  LET s == writer[n].seg IN
  /\ up[n] /\ writer[n].phase = "closed" /\ s < MaxSegments
  /\ writer' = [writer EXCEPT ![n].phase = "counted"]
  /\ Propose(SealCommand(s, "leader", First(log[n][s], committed[s]),
                         [isSame |-> FALSE, mayHaveLost |-> FALSE]))
  /\ acks' = IF Rule("CountIsFinal") THEN [acks EXCEPT ![s] = [m \in Nodes |-> 0]] ELSE acks
  /\ UNCHANGED <<meta, known, diskVars, up, barrier, lease, recovery, streamed, historyVars>>

-----------------------------------------------------------------------------
(* Failover, unplanned. Any node may try, several at the same time.        *)

\* The leader is gone: its process is down, or it is another one, which may not resume.
LeaderIsGone(s) == ~up[Leader(s)] \/ ~MayLead(Leader(s), s) \/ ~IsCertain(Leader(s), s)

\* Step 1: somebody believes so, and proposes BeginSeal.
StartRecovery(n) ==
  LET s == OpenAt(known[n]) IN
  /\ up[n] /\ recovery[n].seg = 0 /\ s < MaxSegments
  /\ Cardinality({m \in Nodes : recovery[m].seg # 0}) < MaxRecoverers
  /\ FalseSuspicion \/ LeaderIsGone(s)
  /\ recovery' = [recovery EXCEPT ![n].seg = s, ![n].phase = "asking"]
  /\ Propose(BeginSealCommand(s))
  /\ UNCHANGED <<meta, known, diskVars, up, barrier, lease, writer, networkVars, historyVars>>

\* BeginSeal of s is committed, so somebody may have asked for fences.
WasBegun(s) == \E i \in 1..Now : meta[i].op = "begin" /\ meta[i].seg = s

\* Step 2, at the replica: it refuses appends from here on, and makes that durable before it answers. One
\* step: a crash before the fence is durable is a request that never came. (Broken: the fence is written,
\* answered, and not durable before a Sync.) What it holds is synced, for where --fsync none is, it may
\* have been acknowledged.
AfterFence(r, s) ==
  /\ fence' = IF fence[r][s] # "none" \/ KnowsSealed(r, s) THEN fence
              ELSE [fence EXCEPT ![r][s] = IF Rule("FenceIsDurable") THEN "durable" ELSE "written"]
  /\ durable' = IF Rule("FenceSyncsTheLog") THEN [durable EXCEPT ![r][s] = Len(log[r][s])]
                ELSE durable

\* A request comes, and its answer is lost; or the answer is late, and nobody waits for it any more.
Fence(r, s) ==
  /\ up[r] /\ Exists(s) /\ r \in Replicas(s) /\ WasBegun(s)
  /\ fence[r][s] = "none" /\ ~KnowsSealed(r, s)
  /\ AfterFence(r, s)
  /\ UNCHANGED <<metadataVars, log, forgot, processVars, networkVars, historyVars>>

Answered(n) == {r \in Nodes : recovery[n].answers[r].heard}
CertainlyAnswered(n) == {r \in Answered(n) : recovery[n].answers[r].certain}

\* Step 2, answered: r's durable log, and whether r is certain of it. The answer may reach the recovering
\* node much later: nothing happens there before it decides. Who knows the seal answers too.
AnswerFence(n, r) ==
  LET s == recovery[n].seg IN
  /\ recovery[n].phase = "asking" /\ up[n] /\ up[r]
  /\ s < OpenAt(known[n]) \/ IsSealingAt(s, known[n])
  /\ r \in Replicas(s) /\ ~recovery[n].answers[r].heard
  /\ AfterFence(r, s)
  /\ recovery' = [recovery EXCEPT ![n].answers[r] =
       [heard |-> TRUE, records |-> First(log[r][s], durable'[r][s]),
        certain |-> Rule("OnlyCertainVote") => IsCertain(r, s)]]
  /\ UNCHANGED <<metadataVars, log, forgot, up, barrier, lease, writer, networkVars, historyVars>>

Enough == IF Rule("EnoughAnswers") THEN AnswersNeeded ELSE AnswersNeeded - 1

HasQuorum(n) == Cardinality(CertainlyAnswered(n)) >= Enough

\* The last resort: so many replicas are uncertain that R - W + 1 certain answers can never come. Then
\* all must answer, and the seal says that something may be lost.
IsLastResort(n) ==
  LET uncertain == Answered(n) \ CertainlyAnswered(n) IN
  /\ Answered(n) = Replicas(recovery[n].seg)
  /\ IF Rule("LastResortWhenNoQuorumCanCome") THEN R - Cardinality(uncertain) < Enough
     ELSE uncertain = Answered(n)  \* as DESIGN.md has it: stuck for ever when one is certain

\* The longest of two logs, in positions: a control record behind the last entry counts.
IsLonger(a, b) ==
  IF Rule("LengthCountsControlRecords") THEN Len(a) > Len(b) ELSE EntryCount(a) > EntryCount(b)

\* The log to seal: the longest answer's, whoever gave it (an uncertain replica gives data, not a vote).
Longest(n) ==
  LET answers == {recovery[n].answers[r].records : r \in Answered(n)} IN
  IF Rule("LongestWins") THEN {a \in answers : \A b \in answers : ~IsLonger(b, a)}
  ELSE {a \in answers : \A b \in answers : ~IsLonger(a, b)}

\* A count that doesn't come from the fenced logs: a committed length that somebody once heard.
CountedBy(n, s) ==
  IF Rule("CountComesFromTheLogs") THEN Longest(n)
  ELSE {First(log[n][s], p) : p \in 0..Min({committed[s], Len(log[n][s])})}

\* Step 3: enough answers, and perhaps a few more that came in time. The count is settled.
Decide(n) ==
  LET s == recovery[n].seg IN
  /\ recovery[n].phase = "asking" /\ up[n] /\ Answered(n) # {}
  /\ HasQuorum(n) \/ IsLastResort(n)
  /\ \E target \in CountedBy(n, s) :
       recovery' = [recovery EXCEPT ![n] =
         [seg |-> s, phase |-> "copying", answers |-> NoAnswers, target |-> target,
          asked |-> Answered(n),
          holders |-> {r \in Answered(n) : Len(recovery[n].answers[r].records) >= Len(target)},
          mayHaveLost |-> Rule("LossIsNeverSilent") /\ ~HasQuorum(n)]]
  /\ UNCHANGED <<metadataVars, diskVars, up, barrier, lease, writer, networkVars, historyVars>>

\* Step 4: a replica that answered fetches some of the tail that it lacks, durably, and when it has it all,
\* it says so. Not where the seal is known already: another failover was first, perhaps with a smaller
\* count, and the tail was cut.
CopyTail(n, r) ==
  LET s == recovery[n].seg
      target == recovery[n].target
  IN
  /\ recovery[n].phase \in {"copying", "proposed"} /\ r \in recovery[n].asked /\ up[n] /\ up[r]
  /\ Rule("TailIsCopied")
  /\ Rule("SealedTakesNoCopies") => ~KnowsSealed(r, s)
  /\ \E end \in (Len(log[r][s]) + 1)..Len(target) :
       /\ log' = [log EXCEPT ![r][s] = @ \o SubSeq(target, Len(@) + 1, end)]
       /\ durable' = [durable EXCEPT ![r][s] = end]
       /\ recovery' = [recovery EXCEPT ![n].holders = IF end = Len(target) THEN @ \union {r} ELSE @]
  /\ UNCHANGED <<metadataVars, fence, forgot, up, barrier, lease, writer, networkVars, historyVars>>

\* Until so many replicas have it all, durably, that no failure which appends survive can take it away.
\* DESIGN.md asks for a majority of those alive; DECISIONS.md tells why that is not enough.
IsCopied(n) ==
  LET s == recovery[n].seg
      alive == {r \in Replicas(s) : up[r]}
      aliveHolders == {r \in alive : durable[r][s] >= Len(recovery[n].target)}
  IN
  IF ~Rule("TailIsCopied") THEN TRUE
  ELSE IF Rule("CopiesSurviveAFailure") THEN Cardinality(recovery[n].holders) >= Enough
  ELSE 2 * Cardinality(aliveHolders) > Cardinality(alive)

\* Step 5: propose the seal. (A copy may still arrive.)
ProposeSeal(n) ==
  LET s == recovery[n].seg IN
  /\ recovery[n].phase = "copying" /\ up[n] /\ IsCopied(n)
  /\ Propose(SealCommand(s, "failover", recovery[n].target,
                         [isSame |-> n = Leader(s), mayHaveLost |-> recovery[n].mayHaveLost]))
  /\ recovery' = [recovery EXCEPT ![n].phase = "proposed"]
  /\ UNCHANGED <<meta, known, diskVars, up, barrier, lease, writer, networkVars, historyVars>>

\* A copy failed, or answers did not come in time: the node gives up, and it or another one starts over.
GiveUp(n) ==
  /\ up[n] /\ recovery[n].seg # 0 /\ giveUps < MaxGiveUps
  /\ giveUps' = giveUps + 1
  /\ recovery' = [recovery EXCEPT ![n] = NotRecovering]
  /\ UNCHANGED <<metadataVars, diskVars, up, barrier, lease, writer, networkVars,
                 committed, acked, delivered, taking, unknown, appended, opened, crashes, wipes>>

-----------------------------------------------------------------------------
(* Repair of a sealed segment: a replica that has less fetches the rest.   *)

CatchUp(n, s) ==
  /\ up[n] /\ Exists(s) /\ n \in Replicas(s) /\ KnowsSealed(n, s)
  /\ Len(log[n][s]) < Seal(s).length
  /\ \E source \in Replicas(s) \ {n} :
       /\ up[source] /\ durable[source][s] > Len(log[n][s])
       /\ log' = [log EXCEPT ![n][s] = Append(@, log[source][s][Len(@) + 1])]
       /\ durable' = [durable EXCEPT ![n][s] = Len(log'[n][s])]
  /\ UNCHANGED <<metadataVars, fence, forgot, processVars, networkVars, historyVars>>

-----------------------------------------------------------------------------
(* Crashes, wiped disks, restarts.                                         *)

Everything == MaxSegments + 1  \* a disk that was wiped and has not been back yet

StopProcess(n) ==
  /\ up' = [up EXCEPT ![n] = FALSE]
  /\ writer' = [writer EXCEPT ![n] = Idle]
  /\ recovery' = [recovery EXCEPT ![n] = NotRecovering]
  /\ lease' = [lease EXCEPT ![n] = {}]
  /\ acks' = IF writer[n] = Idle THEN acks ELSE AcksWithoutWriter(n)
  /\ UNCHANGED barrier

\* The process ends at any point. Of what was not durable, any prefix survives; a fence that is
\* only written (broken) does not. What survives is made durable by the recovery at the next start.
Crash(n) ==
  /\ up[n] /\ crashes < MaxCrashes
  /\ crashes' = crashes + 1
  /\ StopProcess(n)
  /\ \E kept \in [Segments -> 0..Max({Len(log[n][s]) : s \in Segments})] :
       /\ \A s \in Segments : kept[s] \in durable[n][s]..Len(log[n][s])
       /\ log' = [log EXCEPT ![n] = [s \in Segments |-> First(@[s], kept[s])]]
       /\ durable' = [durable EXCEPT ![n] = kept]
  /\ fence' = [fence EXCEPT ![n] = [s \in Segments |-> IF @[s] = "written" THEN "none" ELSE @[s]]]
  /\ forgot' = IF AckBeforeSync /\ Rule("UncleanStopIsUncertain")
               THEN [forgot EXCEPT ![n] = Everything] ELSE forgot
  /\ UNCHANGED <<metadataVars, streamed, committed, acked, delivered, taking, unknown, appended, opened,
                 wipes, giveUps>>

\* Everything on the disk is gone, fences too. (A rotten tail is a small case of it.)
LoseDisk(n) ==
  /\ wipes < MaxWipes
  /\ wipes' = wipes + 1
  /\ StopProcess(n)
  /\ log' = [log EXCEPT ![n] = [s \in Segments |-> <<>>]]
  /\ durable' = [durable EXCEPT ![n] = [s \in Segments |-> 0]]
  /\ fence' = [fence EXCEPT ![n] = [s \in Segments |-> "none"]]
  /\ forgot' = [forgot EXCEPT ![n] = Everything]
  /\ known' = [known EXCEPT ![n] = 1]
  /\ UNCHANGED <<meta, proposals, streamed, committed, acked, delivered, taking, unknown, appended,
                 opened, crashes, giveUps>>

\* A process starts. It follows by the metadata on its own disk, which may be less than the process
\* before it knew: how far Raft has committed is not written down for its own sake. It asks the cluster
\* for what is there now before it leads (its run is registered then), and before its vote counts as
\* certain where its disk is not the one it was. (Broken: all by what its own disk remembers.)
Restart(n) ==
  /\ ~up[n]
  /\ up' = [up EXCEPT ![n] = TRUE]
  /\ \E k \in 1..(IF Rule("StartReadsMetadata") THEN Now ELSE known[n]) :
       LET present == IF Rule("StartReadsMetadata") THEN OpenAt(Now) ELSE OpenAt(k) IN
       /\ known' = [known EXCEPT ![n] = k]
       /\ barrier' = [barrier EXCEPT ![n] = present]
       /\ forgot' = [forgot EXCEPT ![n] =
            IF @ = Everything THEN present
            ELSE IF Rule("UncertaintyIsDurable") THEN @ ELSE 0]
       /\ LET cut == [s \in Segments |-> IF IsSealedAt(s, k) THEN CutSealed(n, s, Seal(s).length)
                                         ELSE log[n][s]] IN
          /\ log' = [log EXCEPT ![n] = cut]
          /\ durable' = [durable EXCEPT ![n] = [s \in Segments |-> Min({@[s], Len(cut[s])})]]
       /\ fence' = [fence EXCEPT ![n] = FencesAt(n, k)]
  /\ UNCHANGED <<meta, proposals, lease, writer, recovery, networkVars, historyVars>>

-----------------------------------------------------------------------------
Steps(n) ==
  \/ Learn(n) \/ RefreshLease(n)
  \/ OpenWriter(n) \/ AppendEntry(n) \/ Take(n) \/ DoNotWait(n) \/ Commit(n) \/ TakeCount(n)
  \/ \E s \in Segments : Sync(n, s) \/ ReplicaAppend(n, s) \/ CatchUp(n, s)
  \/ StartRecovery(n) \/ Decide(n) \/ ProposeSeal(n) \/ GiveUp(n)
  \/ \E r \in Nodes : AnswerFence(n, r) \/ CopyTail(n, r)

Next ==
  \/ CommitCommand
  \/ \E n \in Nodes :
       \/ Steps(n)
       \/ \E s \in Segments : Fence(n, s)
       \/ Crash(n) \/ LoseDisk(n) \/ Restart(n)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* The same with fewer orders. Next allows every order of all steps, and   *)
(* most of them differ in nothing: it does not matter when a step comes    *)
(* that nobody can see, or that only adds to what is possible anyway.      *)
(* LeanNext takes such a step as soon as it can be taken, and leaves out   *)
(* those that change nothing that matters. README.md argues each case.     *)

\* 1. BeginSeal arrives at once. (StartRecovery may come as late as it likes.)
PromptBegin ==
  /\ R > 1
  /\ \E command \in proposals : command.op = "begin" /\ command.seg = OpenAt(Now)
       /\ ~IsSealingAt(command.seg, Now)
\* 2. Only the leader cares when it learns of it.
PromptLearn(n) ==
  /\ R > 1 /\ up[n] /\ known[n] < Now
  /\ LET command == meta[known[n] + 1] IN command.op = "begin" /\ Leader(command.seg) # n
\* 3. A writer is made at once. (Its first append may come as late as it likes.)
PromptOpen(n) ==
  /\ R > 1 /\ up[n] /\ writer[n] = Idle
  /\ LET s == OpenAt(known[n]) IN
     /\ Leader(s) = n /\ ~IsSealingAt(s, known[n]) /\ MayLead(n, s)
     /\ opened[s] = 0 \/ (s = OpenAt(Now) /\ ~IsSealingAt(s, Now))
\* 4. A follower's record is durable, and acknowledged, at once: one that a crash may still take away is one
\* that comes later. The leader's own only when no crash can come any more, for it was streamed before.
PromptSync(n, s) ==
  /\ CanSync(n, s)
  /\ Rule("FenceSyncsTheLog") /\ Rule("FenceIsDurable")
  /\ crashes = MaxCrashes \/ (~AckBeforeSync /\ Leader(s) # n)
\* With --fsync none nothing waits for a sync, and it only takes away from what a crash may do.
NeedsSync == ~AckBeforeSync \/ ~Rule("FenceSyncsTheLog") \/ ~Rule("FenceIsDurable")
\* 5. A failover's seal is proposed at once. (It may be committed as late as it likes.)
PromptSeal(n) == recovery[n].phase = "copying" /\ IsCopied(n)

\* 6. A seal is learnt at once when nobody acts on its segment any more: no writer streams or commits, no
\* failover asks or copies. (What the node does with its knowledge may come as late as it likes.)
HasActor(s) == \E m \in Nodes : Listens(m, s) \/ recovery[m].seg = s
PromptLearnSeal(n) ==
  /\ up[n] /\ known[n] < Now
  /\ LET command == meta[known[n] + 1] IN ~HasActor(command.seg) /\ IsSealedAt(command.seg, Now)
\* 7. A sealed replica is completed as soon as it can be. (SealedIsOnEnoughDisks does not need it: where it
\* is wrong, it is wrong when the seal is committed, before anybody can catch up.)
CanCatchUp(n, s) ==
  /\ up[n] /\ Exists(s) /\ n \in Replicas(s) /\ KnowsSealed(n, s)
  /\ Len(log[n][s]) < Seal(s).length
  /\ \E source \in Replicas(s) \ {n} : up[source] /\ durable[source][s] > Len(log[n][s])

\* 8. A crash of a node that loses nothing by it, and of which nothing is expected, is a node that is slow.
\* (What it may know less of, when it comes back, matters only as long as somebody acts there.)
CrashMatters(n) ==
  \/ AckBeforeSync \/ writer[n] # Idle \/ recovery[n].seg # 0 \/ Leader(OpenAt(Now)) = n
  \/ forgot[n] > 0 \/ ~Rule("StartReadsMetadata") \/ ~Rule("CopiesSurviveAFailure")
  \/ \E s \in Segments :
       \/ durable[n][s] < Len(log[n][s]) \/ fence[n][s] = "written"
       \/ KnowsSealed(n, s) /\ HasActor(s)

\* 9. What is committed is acknowledged to the client at once: a late answer is a record, or its
\* acknowledgement, that comes late. (CanCommit)

\* What may come as late as it likes. Not here: 10. Fence, for a replica that is fenced and not heard is a
\* replica that is slow, and AnswerFence fences; 11. a failover that starts when the segment is sealed,
\* which is one that started before, and is slow (as a second one, if there was another).
LateStep(n) ==
  \/ Learn(n) \/ RefreshLease(n)
  \/ OpenWriter(n) \/ AppendEntry(n) \/ Take(n) \/ DoNotWait(n) \/ TakeCount(n)
  \/ \E s \in Segments : ReplicaAppend(n, s) \/ (NeedsSync /\ Sync(n, s))
  \/ OpenAt(known[n]) = OpenAt(Now) /\ StartRecovery(n)
  \/ Decide(n) \/ GiveUp(n)
  \/ \E r \in Nodes : AnswerFence(n, r) \/ CopyTail(n, r)
  \/ LoseDisk(n) \/ Restart(n)

\* Of several steps that are to be taken at once it does not matter which comes first: one is chosen.
AnyOf(set) == CHOOSE x \in set : TRUE
LeanSteps(crash) ==
  LET learns == {n \in Nodes : PromptLearn(n) \/ PromptLearnSeal(n)}
      opens == {n \in Nodes : PromptOpen(n)}
      syncs == {<<n, s>> \in Nodes \X Segments : PromptSync(n, s)}
      commits == {n \in Nodes : CanCommit(n)}
      seals == {n \in Nodes : PromptSeal(n)}
      catchUps == {<<n, s>> \in Nodes \X Segments : CanCatchUp(n, s)}
  IN
  IF PromptBegin THEN CommitCommand
  ELSE IF learns # {} THEN Learn(AnyOf(learns))
  ELSE IF opens # {} THEN OpenWriter(AnyOf(opens))
  ELSE IF syncs # {} THEN Sync(AnyOf(syncs)[1], AnyOf(syncs)[2])
  ELSE IF commits # {} THEN Commit(AnyOf(commits))
  ELSE IF seals # {} THEN ProposeSeal(AnyOf(seals))
  ELSE IF catchUps # {} THEN CatchUp(AnyOf(catchUps)[1], AnyOf(catchUps)[2])
  ELSE CommitCommand \/ \E n \in Nodes : LateStep(n) \/ (crash[n] /\ Crash(n))

LeanNext == LeanSteps([n \in Nodes |-> CrashMatters(n)])
LeanSpec == Init /\ [][LeanNext]_vars

-----------------------------------------------------------------------------
(* Fairness: what will be done some day if it stays possible. All that a   *)
(* running node does by itself, a message that is sent again until it      *)
(* arrives, a client that goes on. Never a fault, or a failover given up;  *)
(* and no restart: who is down may stay down (FairSpecWithRestarts: comes  *)
(* back some day). Every behaviour of these models comes to an end (but    *)
(* for leases, which they do without): so it is the same whether one node  *)
(* is meant or all of them.                                                *)

Fairness ==
  /\ WF_vars(CommitCommand)
  /\ WF_vars(\E n \in Nodes : Learn(n))
  /\ WF_vars(\E n \in Nodes : OpenWriter(n))
  /\ WF_vars(\E n \in Nodes : AppendEntry(n))
  /\ WF_vars(\E n \in Nodes : Take(n))
  /\ WF_vars(\E n \in Nodes : \E s \in Segments : ReplicaAppend(n, s))
  /\ WF_vars(\E n \in Nodes : \E s \in Segments : Sync(n, s))
  /\ WF_vars(\E n \in Nodes : Commit(n))
  /\ WF_vars(\E n \in Nodes : TakeCount(n))
  /\ WF_vars(\E n \in Nodes : StartRecovery(n))
  /\ WF_vars(\E n, r \in Nodes : AnswerFence(n, r))
  /\ WF_vars(\E n \in Nodes : Decide(n))
  /\ WF_vars(\E n, r \in Nodes : CopyTail(n, r))
  /\ WF_vars(\E n \in Nodes : ProposeSeal(n))
  /\ WF_vars(\E n \in Nodes : \E s \in Segments : CatchUp(n, s))

\* Here a crash of any node matters: a slow node is quick some day, a dead one is not.
LiveNext == LeanSteps([n \in Nodes |-> TRUE])
FairSpec == Init /\ [][LiveNext]_vars /\ Fairness
FairSpecWithRestarts == FairSpec /\ WF_vars(\E n \in Nodes : Restart(n))

\* Nodes are interchangeable, but for the one that leads segment 1. (Not used where liveness is checked:
\* there it isn't sound.)
Symmetry == Permutations(Nodes \ FirstLeaders)

=============================================================================
