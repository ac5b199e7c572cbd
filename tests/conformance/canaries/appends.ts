/**
 * Appends, and who may make them.
 *
 * @module
 */

import type { TraceEvent } from "../../../server/segments/segment_trace.ts";
import {
  begin,
  cluster,
  commandAt,
  died,
  learn,
  lease,
  on,
  put,
  registration,
  restarted,
  write,
} from "../scenes.ts";
import type { BrokenOrder } from "./broken_order.ts";

/** The lease comes with the registration of node 1, and never again. */
function earlierLease(event: TraceEvent): TraceEvent[] {
  if (event.kind === "refreshLease") return [];
  return event.kind === "learn" && event.index === 1 ? [event, lease(event.node)] : [event];
}

/** Orders that break a rule of these. */
export const APPENDS: readonly BrokenOrder[] = [
  {
    name: "An entry is committed before a majority acknowledged it",
    rule: "MajorityBeforeAck",
    before: [...cluster(), ...write(0, [11], [])],
    offender: on(1, "commit", { length: 1 }),
    after: [
      on(2, "replicaAppend", { position: 0, records: [11] }),
      on(2, "acknowledge", { length: 1 }),
      on(1, "commit", { length: 1 }),
    ],
  },
  {
    name: "A node acknowledges more than it holds",
    rule: "Sync",
    before: [...cluster(), ...write(0, [11], [])],
    offender: on(2, "acknowledge", { length: 1 }),
    after: [on(2, "acknowledge", { length: 0 })],
  },
  {
    name: "A replica appends beyond its end",
    rule: "AppendsAtItsOwnEnd",
    before: [...cluster(), ...write(0, [11, 12], [])],
    offender: on(2, "replicaAppend", { position: 1, records: [12] }),
    after: [on(2, "replicaAppend", { position: 0, records: [11, 12] })],
  },
  {
    name: "A replica appends a record again",
    rule: "AppendsAtItsOwnEnd",
    before: [...cluster(), ...put(0, [11])],
    offender: on(2, "replicaAppend", { position: 0, records: [11] }),
    after: put(1, [12]),
  },
  {
    name: "A replica appends what the writer did not",
    rule: "ReplicasAgree",
    before: [...cluster(), ...write(0, [11], [])],
    offender: on(2, "replicaAppend", { position: 0, records: [12] }),
    after: [on(2, "replicaAppend", { position: 0, records: [11] })],
  },
  {
    name: "Another node than the leader appends",
    rule: "AppendEntry",
    before: cluster(),
    offender: on(2, "append", { position: 0, records: [11] }),
    after: put(0, [11]),
  },
  {
    name: "A node appends without a lease",
    rule: "AppendsUnderLease",
    before: [...cluster(), ...put(0, [11]), lease(1, false)],
    offender: on(1, "append", { position: 1, records: [12] }),
    after: [lease(1), ...put(1, [12])],
  },
  {
    name: "A node appends under a lease from before it learnt of the segment",
    rule: "AppendsUnderLease",
    before: [...cluster().flatMap(earlierLease)],
    offender: on(1, "append", { position: 0, records: [11] }),
    after: [lease(1), ...put(0, [11])],
  },
  {
    name: "A process appends under the lease of the one before it",
    rule: "AppendsUnderLease",
    before: [
      ...cluster({ replicas: [1] }),
      ...put(0, [11], []),
      died(1),
      ...restarted(1, 1),
      ...[1, 2, 3, 4].flatMap((index) => learn(index, commandAt(index, [1]), { nodes: [1] })),
      ...learn(5, registration(1, "run 1 again")),
      on(1, "openWriter", { length: 1 }),
    ],
    offender: on(1, "append", { position: 1, records: [12] }),
    after: [lease(1), on(1, "append", { position: 1, records: [12] })],
  },
  {
    name: "A segment gets a second writer",
    rule: "SingleWriterPerSegment",
    before: cluster(),
    offender: on(1, "openWriter", { length: 0 }),
    after: put(0, [11]),
  },
  {
    name: "A new run of the leader takes its old segment up again",
    rule: "WriterNeverResumes",
    before: [
      ...cluster(),
      ...put(0, [11]),
      died(1),
      ...restarted(1, 1),
      ...[1, 2, 3, 4].flatMap((index) => learn(index, commandAt(index), { nodes: [1] })),
      ...learn(5, registration(1, "run 1 again")),
    ],
    offender: on(1, "openWriter", { length: 1 }),
    after: [],
  },
  {
    name: "An old run appends",
    rule: "AppendEntry",
    before: [...cluster(), ...put(0, [11]), died(1), ...restarted(1, 1)],
    offender: on(1, "append", { position: 1, records: [12] }),
    after: [],
  },
  {
    name: "A writer appends though it knows that its seal was begun",
    rule: "AppendEntry",
    before: [...cluster(), ...begin([2, 3, 1])],
    offender: on(1, "append", { position: 0, records: [11] }),
    after: [on(1, "abandon")],
  },
];
