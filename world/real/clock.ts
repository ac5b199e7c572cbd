/**
 * The machine's clock.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../clock.ts";

/** {@link Clock} over the runtime's monotonic clock and timers. Timers have a grain of 1 to 2 ms. */
export class RealClock implements Clock {
  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, task: () => void): Timer {
    const id = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(id) };
  }

  /** An immediate: 0.8 µs, against 2.1 ms for a timer of 0 ms. */
  soon(task: () => void): void {
    setImmediate(task);
  }
}
