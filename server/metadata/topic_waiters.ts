/**
 * Who waits for a topic's metadata to change.
 *
 * @module
 */

import type { Clock } from "../../world/mod.ts";

type Wake = () => void;

/** Waiters by topic. Each is woken by the topic's next change or by its own time limit. */
export class TopicWaiters {
  readonly #clock: Clock;
  readonly #byTopic: Map<string, Set<Wake>> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wait(topic: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#byTopic.get(topic) ?? new Set();
      this.#byTopic.set(topic, waiting);
      const wake = () => {
        timer.cancel();
        waiting.delete(wake);
        if (waiting.size === 0 && this.#byTopic.get(topic) === waiting) this.#byTopic.delete(topic);
        resolve();
      };
      const timer = this.#clock.after(timeoutMs, wake);
      waiting.add(wake);
    });
  }

  wake(topic: string): void {
    for (const wake of [...this.#byTopic.get(topic) ?? []]) wake();
  }

  wakeAll(): void {
    for (const topic of [...this.#byTopic.keys()]) this.wake(topic);
  }
}
