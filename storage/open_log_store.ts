/**
 * Opens a directory's store: recovers what is there, or makes a new one.
 *
 * @module
 */

import { type Clock, type Disk, type Logger, type Random, silentLogger } from "../world/mod.ts";
import { type Crc32c, crc32cByTables } from "./crc32c.ts";
import { DataFiles } from "./data_files.ts";
import { resolveLimits, type StorageLimits } from "./limits.ts";
import { WalStore } from "./log_store.ts";
import { readCheckpoint, recover } from "./recovery.ts";
import { FIRST_USER_LOG_ID, type StoreImage } from "./store_image.ts";
import type { Durability, LogStore } from "./types.ts";

/** The part of the world that a store lives in. */
export interface LogStoreWorld {
  /** The directory. Who opened it closes it, after the store. */
  disk: Disk;
  clock: Clock;
  random: Random;
  logger?: Logger;
  /** CRC-32C; the table-driven one unless given. The shim's is ten times as fast. */
  crc?: Crc32c;
}

/** How a store is opened. */
export interface LogStoreOptions {
  /** Of logs that have none of their own. `each` unless given. */
  durability?: Durability;
  /** Identifies this start of the machine; see `Log.certain`. Unknown unless given. */
  bootId?: string;
  /** Bounds, for tests and tuning. */
  limits?: Partial<StorageLimits>;
}

/**
 * Opens the store in a directory, or makes one where there is none.
 *
 * @throws {ForeignDirectoryError} the directory holds something else, or a newer format.
 * @throws {CorruptionError} the catalog is damaged where it can't be done without.
 * @throws {DiskError}
 */
export async function openLogStore(
  world: LogStoreWorld,
  options: LogStoreOptions = {},
): Promise<LogStore> {
  const { disk, clock, random, logger = silentLogger, crc = crc32cByTables } = world;
  const { durability = "each", bootId = "" } = options;
  const limits = resolveLimits(options.limits);
  const found = await readCheckpoint(disk, crc) ??
    { image: newStoreImage(random, durability), isFallback: false };
  const files = await DataFiles.open(disk, limits);
  try {
    const recovered = await recover(found, files, { disk, clock, logger, crc, limits, bootId });
    const store = new WalStore({
      disk,
      clock,
      random,
      logger,
      crc,
      limits,
      durability,
      bootId,
      files,
      recovered,
    });
    await store.begin();
    return store;
  } catch (error) {
    await files.close();
    throw error;
  }
}

function newStoreImage(random: Random, durability: Durability): StoreImage {
  return {
    sequence: 0,
    storeId: random.uuid(),
    salt: random.nextU32(),
    run: 0,
    nextGeneration: 1,
    nextLogId: FIRST_USER_LOG_ID,
    isClean: true,
    bootId: "",
    durability,
    logs: [],
  };
}
