/**
 * A durability in the words of the flag `--fsync`.
 *
 * @module
 */

import type { Durability } from "../../storage/mod.ts";

/** `each`, `none` or `200ms`. */
export function durabilityText(durability: Durability): string {
  return typeof durability === "string" ? durability : `${durability.ms}ms`;
}
