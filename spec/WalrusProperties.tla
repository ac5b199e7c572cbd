-------------------------- MODULE WalrusProperties --------------------------
(***************************************************************************)
(* What must hold in every state of Walrus.tla (safety), in every step     *)
(* (names that end in "in every step" below), and in the long run          *)
(* (liveness). Each stands under the name that the .cfg files use.         *)
(***************************************************************************)
EXTENDS Walrus

SealedSegments == {s \in Segments : s < OpenAt(Now)}

\* What the writer of s wrote at a position that is committed. (A lone replica that resumes may write a
\* position anew that wasn't durable: there its own log tells.)
StreamedAt(s, p) ==
  IF R = 1 THEN log[Leader(s)][s][p]
  ELSE (CHOOSE sent \in streamed[s] : sent[1] = p)[2]
CommittedLog(s) == [p \in 1..committed[s] |-> StreamedAt(s, p)]

DomainConsistency ==
  /\ Len(meta) \in 1..(2 * MaxSegments)
  /\ known \in [Nodes -> 1..Now]
  /\ \A n \in Nodes : \A s \in Segments :
       /\ durable[n][s] \in 0..Len(log[n][s])
       /\ fence[n][s] \in {"none", "written", "durable"}
       /\ acks[s][n] \in 0..MaxLength
       /\ log[n][s] # <<>> => Exists(s) /\ n \in Replicas(s)
  /\ forgot \in [Nodes -> 0..Everything]
  /\ barrier \in [Nodes -> 0..MaxSegments]
  /\ lease \in [Nodes -> SUBSET Segments]
  /\ \A n \in Nodes :
       /\ writer[n].seg \in 0..MaxSegments
       /\ writer[n].phase \in {"idle", "open", "closed", "counted"}
       /\ writer[n] # Idle => up[n] /\ Leader(writer[n].seg) = n
       /\ recovery[n].phase \in {"none", "asking", "copying", "proposed"}
       /\ (recovery[n].seg # 0) <=> (recovery[n].phase # "none")
       /\ recovery[n].seg # 0 => up[n]
  /\ \A s \in Segments : committed[s] \in 0..MaxLength
  /\ \A s \in Segments : Exists(s) => Leader(s) \in Replicas(s)

-----------------------------------------------------------------------------
(* Acknowledged entries.                                                   *)

\* Every committed entry is acknowledged, so it is as many entries as the committed log of s holds.
AckedOf(s) == Cardinality({a \in acked : a[1] = s})

\* Not lost by a seal: every count that anybody has proposed, and that may still be committed, holds
\* every entry that was acknowledged, unless it says loudly that it may not. (Later acknowledgements
\* too: nothing is acknowledged after its count was taken, so this stays true of old proposals.)
EveryCountHoldsWhatWasAcked ==
  \A c \in {c \in proposals : c.op = "seal" /\ IsForThisState(c)} :
    c.mayHaveLost \/ AckedOf(c.seg) <= c.count

\* Not lost by the metadata: the same of the seals that were committed.
NoAckedEntryLost ==
  \A s \in SealedSegments : Seal(s).mayHaveLost \/ AckedOf(s) <= Seal(s).count

\* In every step: whoever took a count acknowledges nothing more; and what is acknowledged elsewhere,
\* late, is in the count that was sealed.
NothingAckedAfterItsCount ==
  [][\A <<s, p, entry>> \in acked' \ acked :
       /\ \A n \in Nodes : ~(writer[n].seg = s /\ writer[n].phase = "counted")
       /\ s \in SealedSegments => Seal(s).mayHaveLost \/ AckedOf(s)' <= Seal(s).count]_vars

\* Not lost by the disks: W of them had it, each disk that was wiped took one copy at most.
AckedIsOnAMajority ==
  AckBeforeSync \/
  \A <<s, p, entry>> \in acked :
    Cardinality({n \in Replicas(s) : durable[n][s] >= p /\ log[n][s][p] = entry}) >= W - wipes

\* What is sealed is as safe: on so many disks that no failure which appends survive takes it away.
SealedIsOnEnoughDisks ==
  AckBeforeSync \/
  \A s \in SealedSegments : Seal(s).mayHaveLost \/
    Cardinality({n \in Replicas(s) : durable[n][s] >= Seal(s).length}) >= AnswersNeeded - wipes

\* Not reordered: what was acknowledged stands in the order in which it was accepted.
NoAckedEntryReordered ==
  \A <<s, p, entry>> \in acked, <<t, q, later>> \in acked :
    entry < later => s < t \/ (s = t /\ p < q)

\* Not at two places.
NoEntryAtTwoPlaces ==
  /\ \A <<s, p, entry>> \in acked, <<t, q, other>> \in acked : entry = other => s = t /\ p = q
  /\ \A n \in Nodes :
       LET places == {<<s, i>> \in Segments \X (1..MaxLength) :
                        i <= Len(log[n][s]) /\ IsEntry(log[n][s][i])}
       IN Cardinality({log[n][place[1]][place[2]] : place \in places}) = Cardinality(places)

\* Written in sequence: appends took their numbers in the order they were accepted,
\* and so they stand in every replica and from segment to segment.
EntriesAscend(records) ==
  LET e == EntriesOf(records) IN \A i \in 1..(Len(e) - 1) : e[i] < e[i + 1]
SequentialWriteOrder ==
  \A s \in Segments : streamed[s] # {} =>
    /\ \A n \in Nodes : EntriesAscend(log[n][s])
    /\ \A t \in 1..(s - 1) : \A n \in Nodes :
         \A i \in 1..Min({Len(log[n][t]), Seal(t).length}) : \A sent \in streamed[s] :
           IsEntry(sent[2]) => log[n][t][i] < sent[2]

-----------------------------------------------------------------------------
(* Segments and replicas.                                                  *)

\* One writer a segment: one was ever made (a replica set of one may resume in place).
SingleWriterPerSegment ==
  \A s \in Segments : opened[s] > 1 => Cardinality(Replicas(s)) = 1

\* So no two replicas ever disagree about a position.
ReplicasAgree ==
  \A s \in Segments : \A n \in Nodes : \A m \in Nodes \ {n} : \A p \in 1..Min({Len(log[n][s]), Len(log[m][s])}) :
    log[n][s][p] = log[m][s][p]

NoWritesPastOpenSegment ==
  \A s \in Segments : s > OpenAt(Now) =>
    streamed[s] = {} /\ \A n \in Nodes : log[n][s] = <<>> /\ writer[n].seg # s

\* Whoever knows a seal holds the sealed log, or a prefix of it that it is still completing.
SealedReplicasAreEqual ==
  \A s \in SealedSegments : \A n \in Nodes : KnowsSealed(n, s) =>
    /\ Len(log[n][s]) <= Seal(s).length
    /\ Len(log[n][s]) = Seal(s).length => EntryCount(log[n][s]) = Seal(s).count
    /\ \A m \in Nodes :
         KnowsSealed(m, s) /\ Len(log[m][s]) = Len(log[n][s]) => log[m][s] = log[n][s]

\* In every step: a replica of a sealed segment only ever grows towards it, crashes and wipes aside.
SealedReplicasAreImmutable ==
  [][log' # log => \A s \in SealedSegments : \A n \in Nodes :
       KnowsSealed(n, s) /\ up[n] /\ up'[n] =>
         /\ Len(log'[n][s]) >= Len(log[n][s])
         /\ First(log'[n][s], Len(log[n][s])) = log[n][s]]_vars

\* In every step: the metadata log only grows, so a sealed count never changes.
SealedCountsStable ==
  [][Len(meta') >= Len(meta) /\ First(meta', Len(meta)) = meta]_vars

-----------------------------------------------------------------------------
(* Reads.                                                                  *)

\* What a read of segment s at node n may return: sealed, up to the count; open, up to a committed
\* length that it was told, which is some length that the writer once knew.
Readable(n, s) ==
  IF ~Rule("ReadsAreOfCommitted") THEN EntriesOf(log[n][s])
  ELSE IF KnowsSealed(n, s) THEN EntriesOf(First(log[n][s], Min({Seal(s).length, Len(log[n][s])})))
  ELSE EntriesOf(First(log[n][s], Min({committed[s], Len(log[n][s])})))

\* Only committed entries: durable on a majority by the writer's word, or sealed. (After a loud loss a
\* node that hasn't learned it may still show more.)
ReadsOnlyCommitted ==
  \A s \in Segments : Exists(s) => \A n \in Replicas(s) :
    (s \in SealedSegments /\ Seal(s).mayHaveLost) \/ Len(Readable(n, s)) <= IF s \in SealedSegments THEN Seal(s).count
                           ELSE EntryCount(CommittedLog(s))

\* And the same ones everywhere; so what was read once is read again.
ReadsAgree ==
  \A s \in Segments : Exists(s) =>
    LET readable == [n \in Replicas(s) |-> Readable(n, s)] IN
    \A n, m \in Replicas(s) : \A i \in 1..Min({Len(readable[n]), Len(readable[m])}) :
      readable[n][i] = readable[m][i]

-----------------------------------------------------------------------------
(* The shared cursor.                                                      *)

\* Where the cursor stands for certain: after the last committed move of the open segment.
Cursor == CursorAfter(OpenAt(Now), CommittedLog(OpenAt(Now)))

ReadCursorBounds ==
  /\ Cursor \in 0..(Opening(OpenAt(Now)).base + EntryCount(CommittedLog(OpenAt(Now))))
  /\ \A s \in SealedSegments : Seal(s).cursor \in 0..Seal(s).base

AnyLoss == \E s \in SealedSegments : Seal(s).mayHaveLost

\* In every step, a loud loss aside.
CursorNeverMovesBack ==
  [][<<meta, committed>>' # <<meta, committed>> => Cursor' >= Cursor \/ AnyLoss']_vars

\* The same, where moves of unknown outcome may be followed by smaller ones (DECISIONS.md 20): it never
\* stands before what somebody was answered with.
CursorIsBehindTheDelivered ==
  AnyLoss \/ \A i \in 1..Len(delivered) : delivered[i] < Cursor

\* No offset is answered twice.
\* (Not in order: a GET whose move is in the count of a failover may be answered by its own writer after the
\* next segment's writer has answered another one.)
EachDeliveredOnce ==
  AnyLoss \/ \A i, j \in 1..Len(delivered) : i < j => delivered[i] # delivered[j]

\* None is passed over: each was taken by somebody's GET (who was answered, or was told that the outcome
\* is unknown).
NoneSkipped ==
  \A k \in 1..Cursor : \E s \in Segments : \E sent \in streamed[s] :
    IsMove(sent[2]) /\ -sent[2] \in k..(k + TakeAtOnce - 1)

-----------------------------------------------------------------------------
(* Liveness, of FairSpec. The last segment of a model is never sealed, so  *)
(* what a failover of it would bring is left out.                          *)

LastLeaderIsGone == Exists(MaxSegments) /\ LeaderIsGone(MaxSegments)

\* A full segment rolls over, even if its leader dies on the way.
RolloverProgress ==
  \A s \in 1..(MaxSegments - 1) :
    (\E n \in Nodes : writer[n].seg = s /\ writer[n].phase # "open") ~> (s \in SealedSegments)

\* A dead leader's segment is sealed.
FailoverProgress ==
  \A s \in 1..(MaxSegments - 1) : (Exists(s) /\ LeaderIsGone(s)) ~> (s \in SealedSegments)

\* And then appends succeed again, if there is anything left to append.
AppendsSucceedAgain ==
  \A s \in 1..(MaxSegments - 1) :
    (s = OpenAt(Now) /\ LeaderIsGone(s) /\ appended < MaxEntries)
      ~> (LastLeaderIsGone \/ \E <<t, p, entry>> \in acked : t > s)

\* A committed entry under the cursor is read.
ReadProgress ==
  \A k \in 0..(MaxTakes - 1) :
    (Cursor = k /\ k < Opening(OpenAt(Now)).base + EntryCount(CommittedLog(OpenAt(Now))))
      ~> (Cursor > k \/ LastLeaderIsGone)

=============================================================================
