/**
 * The storage engine: many logs in shared, preallocated files, with one sync for everything that
 * everybody appended (DESIGN.md §3). `types.ts` says what it promises; `frame.ts`, `catalog_record.ts` and
 * `checkpoint.ts` show what stands on disk. Uses `world/` only: the disk and the checksum are handed in
 * (`disk/` has the real ones).
 *
 * @module
 */

export * from "./errors.ts";
export { type Crc32c, crc32cByTables } from "./crc32c.ts";
export { LatencyWindow } from "./latency_window.ts";
export { DEFAULT_LIMITS, type StorageLimits, TINY_LIMITS } from "./limits.ts";
export { type LogStoreOptions, type LogStoreWorld, openLogStore } from "./open_log_store.ts";
export * from "./record_batch.ts";
export * from "./types.ts";
export {
  type BadFrame,
  type VerifiedLog,
  type VerifyReport,
  verifyStore,
  type VerifyWorld,
} from "./verify_store.ts";
