/**
 * Losses that were told: which acknowledged entries a topic may lack, by the seals that say so.
 *
 * @module
 */

import type { Attempt } from "../cluster/history.ts";

/** Nodes show a new segment some time after its first entry can be in it. */
const SLACK_MS = 2000;

/** When a segment was seen to be sealed, and whether its seal tells of a loss. */
export interface SealSeen {
  number: number;
  atMs: number;
  mayHaveLost: boolean;
}

/** Of one topic. */
export class Losses {
  readonly #spans: readonly { fromMs: number; toMs: number }[];

  constructor(seals: readonly SealSeen[]) {
    const atMs = new Map(seals.map((seal) => [seal.number, seal.atMs]));
    this.#spans = seals.filter((seal) => seal.mayHaveLost).map((seal) => ({
      fromMs: (atMs.get(seal.number - 1) ?? 0) - SLACK_MS,
      toMs: seal.atMs,
    }));
  }

  /** Some seal tells of a loss. */
  get hasAny(): boolean {
    return this.#spans.length > 0;
  }

  /** The entry can have been in a segment whose seal tells of a loss. */
  explain(attempt: Attempt): boolean {
    return this.#spans.some(({ fromMs, toMs }) =>
      attempt.startMs <= toMs && attempt.endMs >= fromMs
    );
  }
}

/** Nothing may be lost. */
export function noLosses(): Losses {
  return new Losses([]);
}
