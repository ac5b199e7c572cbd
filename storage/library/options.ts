/**
 * How a Walrus is opened.
 *
 * @module
 */

import { textMisfit } from "../../world/mod.ts";
import type { Durability } from "../types.ts";

/**
 * What a restart remembers of read positions: every one of them before its entry is handed out
 * (`strictlyAtOnce`), or every `persistEvery`th (after a crash, up to `persistEvery` entries come again).
 */
export type ReadConsistency = "strictlyAtOnce" | { atLeastOnce: { persistEvery: number } };

/** Options of `Walrus.open`. */
export interface WalrusOptions {
  /** Where the files are. Default: `WALRUS_DATA_DIR`, or `./walrus-data`. */
  dataDir?: string;
  /** A namespace: a folder of its own below `dataDir`. Default: `WALRUS_INSTANCE_KEY`, or none. */
  key?: string;
  /** Default: `strictlyAtOnce`. */
  consistency?: ReadConsistency;
  /**
   * When an append resolves: after the sync that covers it (`each`, the default: what resolved survives a
   * power failure), or after the write, with a sync every so many milliseconds or none.
   */
  fsync?: Durability;
  /** Default: io_uring where it can be had (`WALRUS_DISABLE_IO_URING` unset), else positional file calls. */
  backend?: "auto" | "file";
}

/** The longest time between two syncs that a timer can wait for. */
const FSYNC_MS_MAX = 2 ** 31 - 1;

/** What is misspelt must not mean "no sync". @throws {RangeError} */
export function checkOptions(options: WalrusOptions): void {
  const { consistency, fsync, backend } = options;
  for (const name of ["dataDir", "key"] as const) {
    // In a file's name it would be another one, and another key's folder.
    const misfit = textMisfit(options[name] ?? "", name);
    if (misfit !== null) throw new RangeError(misfit);
  }
  if (consistency !== undefined && consistency !== "strictlyAtOnce") {
    const persistEvery = consistency?.atLeastOnce?.persistEvery;
    if (!isWhole(persistEvery, Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(
        `consistency is "strictlyAtOnce" or { atLeastOnce: { persistEvery } } with a whole number from 1 on, ` +
          `not ${JSON.stringify(consistency)}.`,
      );
    }
  }
  const isFsync = fsync === undefined || fsync === "each" || fsync === "none" ||
    isWhole(fsync?.ms, FSYNC_MS_MAX);
  if (!isFsync) {
    throw new RangeError(
      `fsync is "each", "none" or { ms } with a whole number from 1 to ${FSYNC_MS_MAX}, ` +
        `not ${JSON.stringify(fsync)}.`,
    );
  }
  if (backend !== undefined && backend !== "auto" && backend !== "file") {
    throw new RangeError(`backend is "auto" or "file", not ${JSON.stringify(backend)}.`);
  }
}

function isWhole(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max;
}

/** Bounds of the library's own, for tests. */
export interface LibraryLimits {
  /** Bytes consumed of a topic between two attempts to give its space back. */
  reclaimEveryBytes: number;
  /** The first read of a topic asks for this much; it doubles while a reader goes on. */
  readBytesMin: number;
  readBytesMax: number;
  /** What all topics' read-ahead may hold together. */
  readCacheBytesMax: number;
  /** The read positions' log is written anew when it holds this many bytes. */
  cursorLogBytesMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a Walrus uses. */
export const DEFAULT_LIBRARY_LIMITS: LibraryLimits = {
  reclaimEveryBytes: 4 * MIB,
  readBytesMin: 16 * KIB,
  readBytesMax: 512 * KIB,
  readCacheBytesMax: 64 * MIB,
  cursorLogBytesMax: 8 * MIB,
};
