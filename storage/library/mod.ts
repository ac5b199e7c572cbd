/**
 * The storage engine as a library: {@link Walrus}. Uses the rest of `storage/` and, for programs that bring
 * no world of their own, the machine's.
 *
 * @module
 */

export type { ReadConsistency, WalrusOptions } from "./options.ts";
export { TOPIC_BYTES_MAX } from "./topic_name.ts";
export { type TopicEntry, Walrus } from "./walrus.ts";
