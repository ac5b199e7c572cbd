/**
 * Randomness as a thing that is handed in.
 *
 * @module
 */

/** The only source of randomness in Walrus. Twins: `RealRandom`, and `SeededRandom` for replays. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  nextU32(): number;
  /** A uniform integer in [0, bound); `bound` is 1 to 2^32. */
  below(bound: number): number;
  /** 16 random bytes in the textual form of a version 4 UUID. */
  uuid(): string;
}
