/**
 * What writers tried and what they were told.
 *
 * @module
 */

/**
 * `ok`: acknowledged. `failed`: told that it did not happen. `unknown`: the connection ended, or the error
 * leaves it open.
 */
export type Outcome = "ok" | "failed" | "unknown";

/** One attempt to append one value. Values are unique in a history. */
export interface Attempt {
  readonly topic: string;
  readonly value: string;
  /** The connection that it was made on: its attempts are answered and stored in order. */
  readonly writer: string;
  readonly startMs: number;
  /** When the outcome was known; infinite while it is not. */
  endMs: number;
  outcome: Outcome;
}

/** Attempts in the order in which they were begun. */
export class History {
  readonly attempts: Attempt[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Notes that a value is about to be sent. Until it is settled its outcome is unknown. */
  begin(attempt: Pick<Attempt, "topic" | "value" | "writer">): Attempt {
    const begun: Attempt = {
      ...attempt,
      startMs: this.#nowMs(),
      endMs: Infinity,
      outcome: "unknown",
    };
    this.attempts.push(begun);
    return begun;
  }

  /** Notes what the writer was told. An unknown outcome stays open: it may happen at any later time. */
  settle(attempt: Attempt, outcome: Outcome): void {
    attempt.outcome = outcome;
    if (outcome !== "unknown") attempt.endMs = this.#nowMs();
  }

  ofTopic(topic: string): Attempt[] {
    return this.attempts.filter((attempt) => attempt.topic === topic);
  }

  count(outcome: Outcome): number {
    return this.attempts.filter((attempt) => attempt.outcome === outcome).length;
  }
}
