/**
 * From a key to the folder that keeps its topics.
 *
 * @module
 */

import { crc32cByTables } from "../crc32c.ts";

/** Longest part of a key that is kept readable in its folder's name. */
const READABLE_MAX = 100;

/**
 * The folder's name for a key. Keys that differ have folders that differ: one that can't be a name as it
 * is gets a checksum behind what can be kept of it.
 */
export function namespaceFolder(key: string): string {
  const kept = key.slice(0, READABLE_MAX).replace(/[^A-Za-z0-9._-]/g, "_").replace(/^\.+/, "_");
  if (kept === key && key !== "") return key;
  const bytes = new TextEncoder().encode(key);
  const sum = crc32cByTables(bytes, 0, bytes.length, 0).toString(16).padStart(8, "0");
  return `${kept}-${sum}`;
}
