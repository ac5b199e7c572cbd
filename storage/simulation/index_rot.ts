/**
 * Rot in one of the two index checkpoints: the other one is there for that.
 *
 * @module
 */

import type { Random } from "../../world/mod.ts";
import type { SimDrive } from "../../world/sim/mod.ts";
import { CHECKPOINT_NAMES, decodeCheckpoint } from "../checkpoint.ts";
import { crc32cByTables } from "../crc32c.ts";

/** Flips a bit of one where both are whole, of the newest as a rule. Returns its name, or `null`. */
export function maybeRotIndex(drive: SimDrive, random: Random): string | null {
  const there = new Set(drive.names());
  const sequences = CHECKPOINT_NAMES.map((name) =>
    there.has(name)
      ? decodeCheckpoint(drive.copyFile(name), { name, crc: crc32cByTables })?.sequence ?? -1
      : -1
  );
  if (sequences.includes(-1) || random.below(2) === 0) return null;
  const newest = Math.max(...sequences);
  const isOlder = random.below(8) === 0;
  const name = CHECKPOINT_NAMES.find((_, index) => (sequences[index] === newest) !== isOlder)!;
  drive.flipBit(name, random.below(drive.copyFile(name).length), random.below(8));
  return name;
}
