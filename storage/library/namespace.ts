/**
 * From a key to the folder that keeps its topics.
 *
 * @module
 */

import { crc32cByTables } from "../crc32c.ts";
import { utf8Of } from "../utf8.ts";

/** Longest part of a key that is kept readable in its folder's name. */
const READABLE_MAX = 100;

/** As what another key is made into may look: something was replaced, and a checksum stands behind. */
const LOOKS_MADE = /^(.*_.*)?(-[0-9a-f]{8})+$/;

/**
 * The folder's name for a key: the key, or where that can't be a name, what can be kept of it and a checksum. A
 * key that is a name never has the folder of another one; two that aren't, and of which the same is kept, have
 * the same one only if their checksums (32 bits) are the same as well.
 *
 * @throws {IllFormedTextError} Half of a surrogate pair: keys that differ in such have the same bytes.
 */
export function namespaceFolder(key: string): string {
  const bytes = utf8Of(key, "A key");
  const kept = key.slice(0, READABLE_MAX).replace(/[^A-Za-z0-9._-]/g, "_").replace(/^\.+/, "_");
  if (kept === key && key !== "" && !LOOKS_MADE.test(key)) return key;
  const sum = crc32cByTables(bytes, 0, bytes.length, 0).toString(16).padStart(8, "0");
  return `${kept}-${sum}`;
}
