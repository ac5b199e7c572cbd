/**
 * Whether the main thread has nothing better to do than to wait for a short commit where it is.
 *
 * A lone writer is served a quarter faster so. It is wrong where the disk is slow, and where others have work
 * for the event loop: both are seen from how it went before.
 *
 * @module
 */

import type { Clock } from "../../world/mod.ts";

/** Waits in a row before the event loop has its turn: others wait no longer than these take. */
const WAITS_PER_TURN_MAX = 8;
/** A turn of the event loop that takes longer had work to do. Milliseconds. */
const IDLE_TURN_MS_MAX = 0.2;
/** After that, or after a wait that saw no end, so many short commits go the usual way before the next try. */
const COMMITS_PASSED = 16;

/** Of one disk. */
export class Patience {
  #toPass = 0;
  #waits = 0;
  /** The event loop's next turn is asked for. */
  #turn: Promise<void> | null = null;
  #waitedMs = 0;
  readonly #clock: Pick<Clock, "nowMs" | "soon">;

  constructor(clock: Pick<Clock, "nowMs" | "soon">) {
    this.#clock = clock;
  }

  /** Asked once for each short commit: whether this one may be waited for. Counts those that may not. */
  maySpend(): boolean {
    if (this.#toPass === 0) return true;
    this.#toPass--;
    return false;
  }

  /**
   * One was waited for, and its end was seen or not. Returns what the commit has to wait for besides, so that
   * nobody is kept from the event loop; most often `null`.
   */
  note(wasSeen: boolean): Promise<void> | null {
    this.#waitedMs = this.#clock.nowMs();
    if (!wasSeen) {
      this.#toPass = COMMITS_PASSED;
      return null;
    }
    this.#turn ??= this.#nextTurn();
    return ++this.#waits < WAITS_PER_TURN_MAX ? null : this.#turn;
  }

  async #nextTurn(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.soon(resolve));
    this.#turn = null;
    this.#waits = 0;
    if (this.#clock.nowMs() - this.#waitedMs > IDLE_TURN_MS_MAX) this.#toPass = COMMITS_PASSED;
  }
}
