/**
 * Rollovers, seals, and replica sets.
 *
 * @module
 */

import { begin, cluster, learn, on, put, rollover, sealing, write } from "../scenes.ts";
import type { BrokenOrder } from "./broken_order.ts";

/** Orders that break a rule of these. */
export const SEALS: readonly BrokenOrder[] = [
  {
    name: "An entry is acknowledged after the count was taken",
    rule: "CountIsFinal",
    before: [
      ...cluster(),
      ...put(0, [11]),
      ...write(1, [12]),
      on(1, "close"),
      on(1, "takeCount", { count: 1, length: 1, cursor: 0 }),
    ],
    offender: on(1, "commit", { length: 2 }),
    after: learn(5, sealing({ run: "run 1", count: 1 })),
  },
  {
    name: "An entry is appended to a closed segment",
    rule: "AppendEntry",
    before: [...cluster(), ...put(0, [11]), on(1, "close")],
    offender: on(1, "append", { position: 1, records: [12] }),
    after: [on(1, "takeCount", { count: 1, length: 1, cursor: 0 })],
  },
  {
    name: "A count is taken that is not what is committed",
    rule: "TakeCount",
    before: [...cluster(), ...put(0, [11]), on(1, "close")],
    offender: on(1, "takeCount", { count: 0, length: 0, cursor: 0 }),
    after: [on(1, "takeCount", { count: 1, length: 1, cursor: 0 })],
  },
  {
    name: "A count is taken with a cursor that was somewhere else",
    rule: "CursorIsCarriedOver",
    before: [...cluster(), ...put(0, [11]), on(1, "close")],
    offender: on(1, "takeCount", { count: 1, length: 1, cursor: 1 }),
    after: [on(1, "takeCount", { count: 1, length: 1, cursor: 0 })],
  },
  {
    name: "A segment is sealed at a count that nobody proposed",
    rule: "CommitSealSegment",
    before: [...cluster(), ...put(0, [11]), ...rollover(1).slice(0, 2)],
    offender: learn(5, sealing({ run: "run 1", count: 2 }))[0]!,
    after: learn(5, sealing({ run: "run 1", count: 1 })),
  },
  {
    name: "Nodes learn different seals",
    rule: "SealedCountsStable",
    before: [
      ...cluster(),
      ...put(0, [11]),
      ...rollover(1).slice(0, 2),
      ...learn(5, sealing({ run: "run 1", count: 1 }), { nodes: [2] }),
    ],
    offender: learn(5, sealing({ run: "run 1", count: 1, leader: 3 }), { nodes: [3] })[0]!,
    after: learn(5, sealing({ run: "run 1", count: 1 }), { nodes: [3] }),
  },
  {
    name: "A leader's seal is taken while a recovery seals",
    rule: "SealNamesItsSegment",
    before: [...cluster(), ...put(0, [11]), ...rollover(1).slice(0, 2), ...begin()],
    offender: learn(6, sealing({ run: "run 1", count: 1 }), { nodes: [2] })[0]!,
    after: learn(6, sealing({ run: "run 1", count: 1 }), { nodes: [2], isDone: false }),
  },
  {
    name: "A seal is begun that nobody proposed",
    rule: "CommitBeginSeal",
    before: cluster(),
    offender: begin()[1]!,
    after: begin(),
  },
  {
    name: "An open segment's replica set changes",
    rule: "ReplicaSetIsFixed",
    before: cluster(),
    offender: learn(5, {
      kind: "dropReplica",
      topic: "t",
      segment: 1,
      node: 3,
      expectedChanges: null,
    })[0]!,
    after: put(0, [11]),
  },
  {
    name: "A node that lacks records is counted as a replica",
    rule: "RepairCopiesAll",
    before: [...cluster({ replicas: [1, 2] }), ...put(0, [11], [2]), ...rollover(1)],
    offender: learn(6, {
      kind: "addReplica",
      topic: "t",
      segment: 1,
      node: 3,
      expectedChanges: null,
    })[0]!,
    after: [
      on(3, "copy", { position: 0, records: [11], from: 1 }),
      ...learn(6, { kind: "addReplica", topic: "t", segment: 1, node: 3, expectedChanges: null }),
    ],
  },
  {
    name: "A replica is cut where its seal isn't",
    rule: "CutSealed",
    before: [...cluster(), ...put(0, [11]), ...write(1, [12]), ...rollover(1)],
    offender: on(2, "cut", { length: 0 }),
    after: [on(2, "cut", { length: 1 })],
  },
  {
    name: "A replica is cut before its seal is known",
    rule: "CutSealed",
    before: [...cluster(), ...put(0, [11]), ...write(1, [12])],
    offender: on(2, "cut", { length: 1 }),
    after: [],
  },
];
