/**
 * Time as a thing that is handed in, so that a simulation can own it.
 *
 * @module
 */

/** A scheduled call that can be taken back. */
export interface Timer {
  /** The task will not run any more. Harmless when it already ran. */
  cancel(): void;
}

/** The only source of time in Walrus. The real twin is `RealClock`, the simulated one `SimClock`. */
export interface Clock {
  /** Milliseconds, with fractions, of a clock that never goes back. Only differences mean anything. */
  nowMs(): number;
  /** Milliseconds since 1970, for logs and display only: it may jump, nothing may depend on it. */
  wallMs(): number;
  /** Runs `task` once, `delayMs` from now. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` once, behind the I/O events that are already waiting (cheaper than a timer). */
  soon(task: () => void): void;
}

/** Resolves `delayMs` from now on `clock`, or rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
