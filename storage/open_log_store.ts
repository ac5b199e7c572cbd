/**
 * Opens a directory's store: recovers what is there, or makes a new one.
 *
 * @module
 */

import { type Clock, type Disk, type Logger, type Random, silentLogger } from "../world/mod.ts";
import { type Crc32c, crc32cByTables } from "./crc32c.ts";
import { DataFiles } from "./data_files.ts";
import { UnsteadyDiskError } from "./errors.ts";
import { resolveLimits, type StorageLimits } from "./limits.ts";
import { WalStore } from "./log_store.ts";
import {
  type FoundCheckpoint,
  readCheckpoint,
  recover,
  type Recovered,
  type RecoveryWorld,
} from "./recovery.ts";
import type { ReserveOptions } from "./reserve.ts";
import { FIRST_USER_LOG_ID, type StoreImage } from "./store_image.ts";
import type { Durability, LogStore } from "./types.ts";
import { writeBack } from "./write_back.ts";

/** Times that a directory is read anew because it gives other bytes the second time. */
const RECOVERIES_MAX = 3;

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
  /** Room that is held back for a full disk; none unless given. */
  reserve?: ReserveOptions;
  /** Bounds, for tests and tuning. */
  limits?: Partial<StorageLimits>;
}

/**
 * Opens the store in a directory, or makes one where there is none.
 *
 * @throws {ForeignDirectoryError} the directory holds something else, or a newer format.
 * @throws {CorruptionError} the catalog is damaged where it can't be done without.
 * @throws {UnsteadyDiskError} the directory reads differently from one moment to the next.
 * @throws {DiskError}
 */
export async function openLogStore(
  world: LogStoreWorld,
  options: LogStoreOptions = {},
): Promise<LogStore> {
  const { disk, clock, random, logger = silentLogger, crc = crc32cByTables } = world;
  const { durability = "each", bootId = "" } = options;
  const limits = resolveLimits(options.limits);
  const files = await DataFiles.open(disk, limits);
  try {
    const { checkpoint, recovered } = await recoverAndProve(files, {
      disk,
      clock,
      logger,
      crc,
      limits,
      bootId,
      newImage: () => newStoreImage(random, durability),
    });
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
      reserve: options.reserve ?? null,
      recovered,
      checkpoint: checkpoint.file,
    });
    await store.begin();
    return store;
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** What is there, all of it on disk, with syncs that cover it. */
async function recoverAndProve(
  files: DataFiles,
  world: RecoveryWorld & { newImage: () => StoreImage },
): Promise<{ checkpoint: FoundCheckpoint; recovered: Recovered }> {
  const { disk, clock, crc, newImage } = world;
  let { bootId } = world;
  for (let round = 1;; round++) {
    const checkpoint = await readCheckpoint(disk, crc) ??
      { image: newImage(), isFallback: false, file: null };
    const recovered = await recover(checkpoint, files, { ...world, bootId });
    const { report, unproven, image } = recovered;
    if (report.clean) return { checkpoint, recovered };
    const startMs = clock.nowMs();
    const bytes = await writeBack(unproven, { disk, files, key: { crc, salt: image.salt } });
    if (bytes !== null) {
      report.bytesWrittenBack = bytes;
      report.durationMs += clock.nowMs() - startMs;
      return { checkpoint, recovered };
    }
    if (round === RECOVERIES_MAX) throw new UnsteadyDiskError(round);
    // The cache has dropped what a failed sync left in it: as after a loss of power, whatever the boot id says.
    bootId = "";
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
