/**
 * Leases: may this node append to a segment it leads, here and now? (DESIGN.md §6)
 *
 * A lease stands on two legs: metadata names this node as the leader (the open segment's owner is made
 * and unmade with that), and a Raft majority was heard lately (this file). It makes a cut-off leader
 * stop early. ⛔ Safety never rests on it.
 *
 * @module
 */

import type { Clock, Timer } from "../../world/mod.ts";
import { LEASE_CHECK_MS, LEASE_MS } from "../config.ts";

/** Timers are so coarse that one may fire a little early, milliseconds. */
const LEASE_GRAIN_MS = 2;

/**
 * Looks whether leases hold: when they would end, every {@link LEASE_CHECK_MS} while they don't hold, and at
 * once when `check` is called.
 */
export class Leases {
  readonly #clock: Clock;
  readonly #quorumContactMs: () => number;
  #isValid = false;
  #timer: Timer | null = null;

  /** `quorumContactMs` tells how long ago a Raft majority was heard, milliseconds. */
  constructor(clock: Clock, quorumContactMs: () => number) {
    this.#clock = clock;
    this.#quorumContactMs = quorumContactMs;
  }

  /** As of the last look: one comparison on the append path, no clock. */
  get isValid(): boolean {
    return this.#isValid;
  }

  start(): void {
    this.check();
    const leftMs = LEASE_MS - this.#quorumContactMs();
    const nextMs = this.#isValid ? Math.max(leftMs, 0) + LEASE_GRAIN_MS : LEASE_CHECK_MS;
    this.#timer = this.#clock.after(nextMs, () => this.start());
  }

  /** Metadata or Raft changed. */
  check(): void {
    this.#isValid = this.#quorumContactMs() <= LEASE_MS;
  }

  /** No lease from here on. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#isValid = false;
  }
}
