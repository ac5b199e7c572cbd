/**
 * Walrus as a library: a write-ahead log with many topics in one directory.
 *
 * {@linkcode Walrus.open} is where to begin. Everything that is appended is durable when its promise
 * resolves, and everybody who waits shares one sync: keep many appends in flight.
 *
 * @example
 * ```ts
 * import { Walrus } from "@walrus/walrus";
 *
 * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
 * await walrus.appendForTopic("greetings", "hello");
 * console.log(new TextDecoder().decode((await walrus.readNext("greetings"))!));
 * ```
 *
 * @module
 */

export {
  type ReadConsistency,
  TOPIC_BYTES_MAX,
  type TopicEntry,
  Walrus,
  type WalrusOptions,
} from "./storage/library/mod.ts";
export type { Durability } from "./storage/types.ts";
export {
  CorruptionError,
  DiskFullError,
  ForeignDirectoryError,
  IllFormedTextError,
  LogClosedError,
  OutOfRangeError,
  StoreFailedError,
  TooLargeError,
  UnsteadyDiskError,
} from "./storage/errors.ts";
export { DiskError } from "./world/disk.ts";
