/**
 * Answers those who wait for a cycle, in order, and says when the next cycle may take off.
 *
 * @module
 */

import type { Clock } from "../world/mod.ts";
import type { Cycle } from "./cycle.ts";
import type { StorageLimits } from "./limits.ts";

/** An immediate costs some 4 µs: a writer that is alone should not pay it for each append. */
const FEW_WAITERS = 4;
/** So many are answered, and append again, before the next cycle may take off without the others. */
const ANSWERS_AT_ONCE = 256;
/** As many promises deep may an append stand behind the one that it waited for. */
const MICROTASK_TURNS = 8;

/** The answers of one store's cycles. */
export class Answers {
  readonly #clock: Clock;
  readonly #limits: StorageLimits;
  readonly #filling: () => Cycle;
  readonly #onOver: (cycle: Cycle) => void;
  /** Those of the cycle before, given while the next one is in flight. */
  #rest: Promise<void> | null = null;

  constructor(options: {
    clock: Clock;
    limits: StorageLimits;
    /** The cycle that takes what the answered append. */
    filling: () => Cycle;
    /** Called when the last answer of a cycle was given behind its back. */
    onOver: (cycle: Cycle) => void;
  }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#filling = options.filling;
    this.#onOver = options.onOver;
  }

  /**
   * Answers those who waited, and lets them append again: when it resolves the next cycle may take off. A few
   * of them append within the promises that are due now; of many, some hear of it by way of I/O. Where what is
   * there keeps the disk busy for as long as it takes to gather more, the next cycle takes off before all are
   * answered: the disk works on it while the others append to the one behind.
   */
  async give(cycle: Cycle): Promise<void> {
    // In order: those of the cycle before come first.
    if (this.#rest !== null) await this.#rest;
    if (cycle.isOver) return;
    let isFull = this.#isFull();
    while (!isFull && cycle.resolveSome(ANSWERS_AT_ONCE)) {
      for (let turn = 0; turn < MICROTASK_TURNS; turn++) await undefined;
      isFull = this.#isFull();
    }
    if (!cycle.isOver) {
      this.#rest = this.#giveRest(cycle);
    } else if (cycle.waiters > FEW_WAITERS && !isFull) {
      await new Promise<void>((resolve) => this.#clock.soon(resolve));
    } else {
      for (let turn = 0; turn < MICROTASK_TURNS; turn++) await undefined;
    }
  }

  async #giveRest(cycle: Cycle): Promise<void> {
    do {
      // Other promises have their turn first: the next cycle takes off.
      for (let turn = 0; turn < MICROTASK_TURNS; turn++) await undefined;
    } while (cycle.resolveSome(ANSWERS_AT_ONCE));
    this.#rest = null;
    this.#onOver(cycle);
  }

  #isFull(): boolean {
    const { pendingBytes, isAnySynced } = this.#filling();
    const { takeOffBytes, takeOffSyncedBytes } = this.#limits;
    return pendingBytes >= (isAnySynced ? takeOffSyncedBytes : takeOffBytes);
  }
}
