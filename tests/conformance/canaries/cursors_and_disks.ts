/**
 * Reads, the cursor, crashes and disks.
 *
 * @module
 */

import {
  begin,
  cluster,
  died,
  learn,
  on,
  put,
  registration,
  restarted,
  rollover,
  write,
} from "../scenes.ts";
import type { BrokenOrder } from "./broken_order.ts";

const CURSOR_AT_1 = -2;
const CURSOR_AT_2 = -3;
const take = (offset: number, records: number[]) => on(1, "take", { offset, records });
const read = (node: number, offset: number, records: number[], known = offset + records.length) =>
  on(node, "read", { offset, known, records });
const move = (position: number, record: number) => on(1, "append", { position, records: [record] });

/** Orders that break a rule of these. */
export const CURSORS_AND_DISKS: readonly BrokenOrder[] = [
  {
    name: "An entry is read before it is committed",
    rule: "ReadsOnlyCommitted",
    before: [...cluster(), ...write(0, [11])],
    offender: take(0, [11]),
    after: [on(1, "commit", { length: 1 }), take(0, [11])],
  },
  {
    name: "Another entry is read than was written",
    rule: "ReadsAgree",
    before: [...cluster(), ...put(0, [11])],
    offender: take(0, [12]),
    after: [take(0, [11])],
  },
  {
    name: "A follower is read before the entry is committed",
    rule: "ReadsOnlyCommitted",
    before: [...cluster(), ...write(0, [11])],
    offender: read(2, 0, [11]),
    after: [on(1, "commit", { length: 1 }), read(2, 0, [11])],
  },
  {
    name: "A follower takes more to be committed than is",
    rule: "ReadsOnlyCommitted",
    before: [...cluster(), ...put(0, [11]), ...write(1, [12])],
    offender: read(2, 0, [11], 2),
    after: [read(2, 0, [11], 1)],
  },
  {
    name: "A read brings more than is known to be committed",
    rule: "Readable",
    before: [...cluster(), ...put(0, [11, 12])],
    offender: read(3, 0, [11, 12], 1),
    after: [read(3, 0, [11], 1), read(3, 0, [11, 12], 2)],
  },
  {
    name: "A sealed replica is read beyond its count",
    rule: "ReadsOnlyCommitted",
    before: [...cluster(), ...put(0, [11]), ...write(1, [12]), ...rollover(1)],
    offender: read(2, 1, [12]),
    after: [read(2, 0, [11])],
  },
  {
    name: "Two replicas are read differently",
    rule: "ReadsAgree",
    before: [...cluster(), ...put(0, [11, 12]), ...rollover(2), read(2, 0, [11, 12])],
    offender: read(3, 1, [13]),
    after: [read(3, 1, [12])],
  },
  {
    name: "A read behind a move of the cursor counts it as an entry",
    rule: "ReadsAgree",
    before: [
      ...cluster(),
      ...put(0, [11]),
      take(0, [11]),
      ...put(1, [CURSOR_AT_1]),
      ...put(2, [12]),
    ],
    offender: read(2, 1, [CURSOR_AT_1]),
    after: [read(2, 1, [12])],
  },
  {
    name: "The cursor moves over an entry that nobody read",
    rule: "NoneSkipped",
    before: [...cluster(), ...put(0, [11, 12]), take(0, [11])],
    offender: move(2, CURSOR_AT_2),
    after: [move(2, CURSOR_AT_1)],
  },
  {
    name: "The cursor moves back",
    rule: "CursorNeverMovesBack",
    before: [...cluster(), ...put(0, [11, 12]), take(0, [11, 12]), ...put(2, [CURSOR_AT_2])],
    offender: move(3, CURSOR_AT_1),
    after: put(3, [13]),
  },
  {
    name: "The cursor moves beyond what is committed",
    rule: "Take",
    before: [...cluster(), ...put(0, [11]), ...write(1, [12]), take(0, [11])],
    offender: move(2, CURSOR_AT_2),
    after: [move(2, CURSOR_AT_1)],
  },
  {
    name: "The cursor moves while a move is in flight",
    rule: "Take",
    before: [
      ...cluster(),
      ...put(0, [11, 12]),
      take(0, [11, 12]),
      ...write(2, [CURSOR_AT_1], [2]),
    ],
    offender: move(3, CURSOR_AT_2),
    after: [on(1, "commit", { length: 3 }), move(3, CURSOR_AT_2)],
  },
  {
    name: "A crash takes what was acknowledged",
    rule: "Crash",
    before: [...cluster(), ...put(0, [11]), died(2)],
    offender: restarted(2, 0)[0]!,
    after: restarted(2, 1),
  },
  {
    name: "A full disk takes back what was acknowledged",
    rule: "AckedIsOnAMajority",
    before: [...cluster(), ...put(0, [11])],
    offender: on(2, "takeBack", { length: 0 }),
    after: [on(2, "takeBack", { length: 1 })],
  },
  {
    // The node doesn't know yet that the topic is gone, and goes on from where the disk has taken it back to.
    name: "A node goes on behind what a full disk has taken back of a segment that is gone",
    rule: "AppendsAtItsOwnEnd",
    before: [
      ...cluster(),
      on(1, "append", { position: 0, records: [11, 12] }),
      on(2, "replicaAppend", { position: 0, records: [11, 12] }),
      ...learn(5, { kind: "deleteTopic", topic: "t", bornSegment: 1 }, { nodes: [3] }),
      on(2, "takeBack", { length: 0 }),
    ],
    offender: on(2, "replicaAppend", { position: 2, records: [13] }),
    after: [on(2, "replicaAppend", { position: 0, records: [11, 12] })],
  },
  {
    name: "A node skips a command of metadata",
    rule: "Learn",
    before: [...cluster(), ...begin([2]), ...put(0, [11])],
    offender: learn(6, registration(3, "run 3 b"), { nodes: [3] })[0]!,
    after: learn(5, { kind: "beginSeal", topic: "t", segment: 1 }, { nodes: [3, 1] }),
  },
  {
    name: "A replica is deleted that counts",
    rule: "Delete",
    before: [...cluster(), ...put(0, [11]), ...rollover(1)],
    offender: on(2, "delete"),
    after: [
      ...learn(6, { kind: "dropReplica", topic: "t", segment: 1, node: 2, expectedChanges: null }),
      on(2, "delete"),
      on(2, "deleted"),
    ],
  },
];
