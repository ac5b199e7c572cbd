/**
 * What is appended: batches of records of which no two are the same.
 *
 * @module
 */

import type { Random } from "../../world/mod.ts";
import type { ModelRecord } from "./log_model.ts";

/** Sizes of payloads are drawn from below one of these, in bytes. */
const SMALL_BYTES_MAX = [20, 200, 1500] as const;
const LARGE_BYTES_MAX = 24_000;

/** One batch after the other. */
export class RandomBatches {
  readonly #random: Random;
  #serial = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): ModelRecord[] {
    const random = this.#random;
    const isLarge = random.below(40) === 0;
    const count = isLarge ? 1 + random.below(3) : 1 + random.below(6);
    const sizeMax = isLarge
      ? LARGE_BYTES_MAX
      : SMALL_BYTES_MAX[random.below(SMALL_BYTES_MAX.length)]!;
    return Array.from({ length: count }, () => {
      const payload = new Uint8Array(random.below(sizeMax));
      const text = new TextEncoder().encode(`${this.#serial++} `);
      for (let at = 0; at < payload.length; at++) payload[at] = text[at % text.length]!;
      return { kind: random.below(5) === 0 ? "control" : "entry", payload };
    });
  }
}
