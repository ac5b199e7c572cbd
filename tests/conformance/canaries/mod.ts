/**
 * For each rule an order of events that breaks it: the checker must refuse the one that does, by the rule's
 * name, and accept the same order without it.
 *
 * @module
 */

import { APPENDS } from "./appends.ts";
import type { BrokenOrder } from "./broken_order.ts";
import { CURSORS_AND_DISKS } from "./cursors_and_disks.ts";
import { FAILOVERS } from "./failovers.ts";
import { SEALS } from "./seals.ts";

/** All of them. */
export const BROKEN_ORDERS: readonly BrokenOrder[] = [
  ...APPENDS,
  ...SEALS,
  ...FAILOVERS,
  ...CURSORS_AND_DISKS,
];
