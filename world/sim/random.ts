/**
 * Random numbers that a seed decides.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Random } from "../random.ts";

const TWO_POW_32 = 2 ** 32;
/** Draws that are thrown away at the start, until all of the seed has reached all of the state. */
const WARM_UP_DRAWS = 12;

/**
 * {@link Random} as sfc32 (Chris Doty-Humphrey's "small fast counting" generator of PractRand).
 *
 * `fork(name)` depends on the seed and the name only, not on what was drawn before: a part that draws
 * once more does not move the numbers of another.
 */
export class SeededRandom implements Random {
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string | number) {
    this.seed = String(seed);
    this.#a = hash(this.seed, 0x9e3779b9);
    this.#b = hash(this.seed, 0x85ebca6b);
    this.#c = hash(this.seed, 0xc2b2ae35);
    for (let i = 0; i < WARM_UP_DRAWS; i++) this.nextU32();
  }

  nextU32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= TWO_POW_32, `bound ${bound} is valid`);
    const limit = TWO_POW_32 - TWO_POW_32 % bound;
    let value = this.nextU32();
    while (value >= limit) value = this.nextU32();
    return value % bound;
  }

  uuid(): string {
    let digits = "";
    for (let i = 0; i < 4; i++) digits += this.nextU32().toString(16).padStart(8, "0");
    const variant = "89ab"[this.below(4)]!;
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-` +
      `${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
  }

  /** An independent generator for a part: same seed and name, same numbers. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${name}`);
  }

  /** True with the given probability (0 to 1). Draws even when the answer is certain. */
  chance(probability: number): boolean {
    return this.nextU32() < probability * TWO_POW_32;
  }

  /** Uniform in [min, max), with fractions. */
  between(min: number, max: number): number {
    return min + (max - min) * (this.nextU32() / TWO_POW_32);
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** MurmurHash3's mixing over UTF-16 units: good enough to spread seeds that differ in one character. */
function hash(text: string, salt: number): number {
  let h = salt ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0xcc9e2d51);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
