/**
 * Damages of a small store, one after the other: those of a test, or all that there are.
 *
 * @module
 */

import { type Damage, describeDamage, type Outcome, tryDamage } from "./damage_trial.ts";
import { makeSmallStore, type SmallStore, type SmallStoreEnd } from "./small_store.ts";

/** Which damages. */
export interface DamageRunOptions {
  end: SmallStoreEnd;
  kind: Damage["kind"];
  /**
   * Of all bytes all bits, and all lengths. Otherwise one bit a byte, drawn by its place, and of zeroes that are
   * far from anything else one in {@link SPARSE_STEP}; lengths alike.
   */
  isComplete?: boolean;
  /** Of those bytes all bits. */
  withAllBits?: boolean;
  /** Of what is left every so-manieth, so that a test is short. */
  step?: number;
}

/** What came of them. */
export type DamageCounts = Record<Outcome, number>;

/** Zeroes this near to something else matter: they are part of a frame, or say where it ends. */
const NEAR_BYTES = 16;
const SPARSE_STEP = 64;
const BITS = 8;

/**
 * Tries them all, and throws at the first that goes wrong.
 *
 * @param onWrong Called instead of throwing.
 */
export async function runDamages(
  options: DamageRunOptions,
  onWrong?: (damage: Damage, error: Error) => void,
): Promise<DamageCounts> {
  const store = await makeSmallStore(options.end);
  const counts: DamageCounts = { whole: 0, cut: 0, unreadable: 0, refused: 0 };
  for (const damage of damagesOf(store, options)) {
    try {
      counts[await tryDamage(store, damage)]++;
    } catch (error) {
      if (onWrong === undefined) throw error;
      onWrong(damage, error as Error);
    }
  }
  return counts;
}

/** What runs one damage alone, by hand. */
export function damageCommandOf(end: SmallStoreEnd, damage: Damage): string {
  const bit = damage.kind === "flip" ? ` --bit ${damage.bit}` : "";
  return `deno task sim:damage --end ${end} --kind ${damage.kind} ` +
    `--file ${damage.file} --at ${damage.at}${bit} # ${describeDamage(damage)}`;
}

function* damagesOf(store: SmallStore, options: DamageRunOptions): Generator<Damage> {
  const { kind, isComplete = false, withAllBits = isComplete, step = 1 } = options;
  let count = 0;
  for (const [file, bytes] of store.files) {
    const places = isComplete ? bytes.keys() : placesThatMatter(bytes);
    for (const at of places) {
      if (count++ % step !== 0) continue;
      if (kind === "cut") {
        yield { kind, file, at };
      } else if (withAllBits) {
        for (let bit = 0; bit < BITS; bit++) yield { kind, file, at, bit };
      } else {
        yield { kind, file, at, bit: (at * 5 + (at >> 3)) % BITS };
      }
    }
  }
}

function* placesThatMatter(bytes: Uint8Array): Generator<number> {
  let last = -Infinity;
  for (const at of bytes.keys()) {
    if (bytes[at] !== 0) last = at;
    const next = bytes.subarray(at, at + NEAR_BYTES).some((byte) => byte !== 0);
    if (next || at - last <= NEAR_BYTES || at % SPARSE_STEP === 0) yield at;
  }
}
