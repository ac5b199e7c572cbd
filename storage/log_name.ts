/**
 * What a log may be called.
 *
 * @module
 */

import { ForeignDirectoryError, TooLargeError } from "./errors.ts";
import type { LogImage } from "./store_image.ts";
import { utf8Of } from "./utf8.ts";

/** Longest name of a log, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 600;

/** @throws {TooLargeError} @throws {IllFormedTextError} It would be another name after a restart. */
export function mustBeLogName(name: string): void {
  const { length } = utf8Of(name, "A log's name");
  if (length > 0 && length <= NAME_BYTES_MAX) return;
  throw new TooLargeError(`A log's name has 1 to ${NAME_BYTES_MAX} bytes, not ${length}.`);
}

/**
 * ⛔ Of two logs with one name only one could be found, and the space of the other would count as free.
 *
 * @throws {ForeignDirectoryError}
 */
export function mustDifferInName(logs: readonly LogImage[]): void {
  const names = new Set<string>();
  for (const { name } of logs) {
    if (!names.has(name)) {
      names.add(name);
      continue;
    }
    throw new ForeignDirectoryError(
      `The data directory holds two logs that are named ${
        JSON.stringify(name)
      }, which no Walrus of this version ` +
        `makes. No log was changed. Restore it from a replica or a backup; walrus verify lists both.`,
    );
  }
}
