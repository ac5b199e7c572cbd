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
import type { SegmentEvents } from "./segment_events.ts";

/** Timers are so coarse that one may fire a little early, milliseconds. */
const LEASE_GRAIN_MS = 2;

/** What leases rest on. */
export interface LeasesParts {
  clock: Clock;
  /** How long ago a Raft majority was heard, milliseconds. */
  quorumContactMs: () => number;
  events?: SegmentEvents | undefined;
}

/**
 * Looks whether leases hold: when they would end, every {@link LEASE_CHECK_MS} while they don't hold, and at
 * once when `check` is called.
 */
export class Leases {
  readonly #parts: LeasesParts;
  #isValid = false;
  #timer: Timer | null = null;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  /** As of the last look: one comparison on the append path, no clock. */
  get isValid(): boolean {
    return this.#isValid;
  }

  start(): void {
    this.check();
    const { clock, quorumContactMs } = this.#parts;
    const leftMs = LEASE_MS - quorumContactMs();
    const nextMs = this.#isValid ? Math.max(leftMs, 0) + LEASE_GRAIN_MS : LEASE_CHECK_MS;
    this.#timer = clock.after(nextMs, () => this.start());
  }

  /** Raft changed. */
  check(): void {
    const isValid = this.#parts.quorumContactMs() <= LEASE_MS;
    if (isValid !== this.#isValid) this.#become(isValid);
  }

  /** Metadata changed, and with it what a lease is for. */
  metadataChanged(): void {
    const isValid = this.#parts.quorumContactMs() <= LEASE_MS;
    if (isValid || this.#isValid) this.#become(isValid);
  }

  /** No lease from here on. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isValid) this.#become(false);
  }

  #become(isValid: boolean): void {
    this.#isValid = isValid;
    this.#parts.events?.emit({ kind: "refreshLease", isHeld: isValid });
  }
}
