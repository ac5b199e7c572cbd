/**
 * Opens a node's store, and tells the log what was found in it.
 *
 * @module
 */

import { RAFT_LOG_NAME } from "../raft/mod.ts";
import { type LogStore, openLogStore } from "../storage/mod.ts";
import type { Logger, World } from "../world/mod.ts";
import type { NodeConfig } from "./config.ts";
import { durabilityText } from "./reports/mod.ts";
import { isFenceLogName } from "./segments/mod.ts";

/** For metadata and fences: so that a node whose disk is full starts, takes part, and can be told to trim. */
const RESERVE = {
  bytes: 4 * 1024 * 1024,
  isVital: (name: string) => name === RAFT_LOG_NAME || isFenceLogName(name),
};

/** Tiny stores have no room for the usual one. */
function reserveOf({ bounds }: NodeConfig) {
  if (bounds?.reserve !== undefined) return { reserve: { ...RESERVE, ...bounds.reserve } };
  return bounds?.storage === undefined && { reserve: RESERVE };
}

/** As `openLogStore` does, and with its errors. */
export async function openNodeStore(
  config: NodeConfig,
  world: World,
  logger: Logger,
): Promise<LogStore> {
  const { disk, clock, random, crc32c, bootId } = world;
  const store = await openLogStore(
    { disk, clock, random, logger, ...(crc32c && { crc: crc32c }) },
    {
      durability: config.durability,
      limits: config.bounds?.storage ?? {},
      ...reserveOf(config),
      ...(bootId !== undefined && { bootId }),
    },
  );
  const { recovery } = store;
  logger.log("info", "storage is open", {
    backend: disk.backend,
    why: disk.reason,
    durability: durabilityText(config.durability),
    logs: recovery.logs,
    bytes: recovery.bytes,
    ms: Math.round(recovery.durationMs),
    clean: recovery.clean,
  });
  for (const torn of recovery.torn) logger.log("warn", "a torn tail was cut", { ...torn });
  for (const damaged of recovery.damaged) {
    logger.log("error", "a frame is corrupt", { ...damaged });
  }
  store.failed.then((error) => {
    logger.log("error", "storage failed: this node takes no more writes until a restart", {
      reason: error.message,
    });
  });
  return store;
}
