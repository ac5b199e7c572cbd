/**
 * The machine's random source.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Random } from "../random.ts";

/** Numbers fetched from the system at once. */
const POOL_WORDS = 1024;
const TWO_POW_32 = 2 ** 32;

/** {@link Random} over the system's cryptographic generator. */
export class RealRandom implements Random {
  #pool = new Uint32Array(POOL_WORDS);
  #used = POOL_WORDS;

  nextU32(): number {
    if (this.#used === POOL_WORDS) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++]!;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= TWO_POW_32, `bound ${bound} is valid`);
    // The last, incomplete run of `bound` values would favour the small ones: draw again there.
    const limit = TWO_POW_32 - TWO_POW_32 % bound;
    let value = this.nextU32();
    while (value >= limit) value = this.nextU32();
    return value % bound;
  }

  uuid(): string {
    return crypto.randomUUID();
  }
}
