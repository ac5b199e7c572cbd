/**
 * Ticks, for as long as there is something to tick for.
 *
 * @module
 */

import type { Clock, Timer } from "../world/mod.ts";

/** What a {@link Ticker} is made from. */
export interface TickerOptions {
  clock: Clock;
  tickMs: number;
  /** One tick; false: the next one is not needed before somebody calls `arm`. */
  onTick: () => boolean;
}

/** Ticks that were missed while the process stood still are not made up for. */
export class Ticker {
  readonly #options: TickerOptions;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  /** The next tick comes one period from now, unless one is on its way. */
  arm(): void {
    if (this.#timer !== null || this.#isStopped) return;
    this.#timer = this.#options.clock.after(this.#options.tickMs, () => {
      this.#timer = null;
      if (this.#options.onTick()) this.arm();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
