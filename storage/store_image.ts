/**
 * What the index checkpoint says and the catalog changes: the logs, their extents and how far each is
 * known to reach, as plain values.
 *
 * @module
 */

import type { LogPoint } from "./extent.ts";
import type { Durability } from "./types.ts";

/** The log that holds the catalog. */
export const CATALOG_LOG_ID = 1;
/** Ids below are the engine's own. */
export const FIRST_USER_LOG_ID = 16;

/** An extent as it is written down. */
export interface ExtentImage {
  fileNumber: number;
  start: number;
  sizeBytes: number;
  run: number;
  generation: number;
  first: LogPoint;
  usedBytes: number;
  lastControl: number;
  /** While the catalog is replayed: what the last two were when the log went on to its next extent. */
  closed?: { usedBytes: number; lastControl: number };
}

/** A run that can't be read, as it is written down. */
export interface DamageImage {
  fileNumber: number;
  /** Of the bad frame, in its file. */
  fileOffset: number;
  first: LogPoint;
  /** Where the log goes on: the frame behind. */
  next: LogPoint;
}

/** A log as it is written down. */
export interface LogImage {
  id: number;
  name: string;
  /** `null`: the store's. */
  durability: Durability | null;
  isUncertain: boolean;
  /** First record that is still there. */
  start: LogPoint;
  /** How far the log is known to be durable; it stands in the last extent that begins at or before it. */
  known: LogPoint;
  extents: ExtentImage[];
  damage: DamageImage[];
}

/** All of a store but its frames. */
export interface StoreImage {
  /** Grows by one with every checkpoint. */
  sequence: number;
  /** Random, once: who reads this directory knows it for the same. */
  storeId: string;
  salt: number;
  /** Of the process that wrote it; marks the frames that it wrote since. */
  run: number;
  nextGeneration: number;
  nextLogId: number;
  isClean: boolean;
  /** Of the machine's start in which `run` ran; "" where it can't be known. */
  bootId: string;
  /** The durability of logs that have none of their own. */
  durability: Durability;
  logs: LogImage[];
}

/** A log that has nothing yet. */
export function newLogImage(
  id: number,
  name: string,
  durability: Durability | null,
): LogImage {
  const zero = () => ({ position: 0, offset: 0, payload: 0 });
  return {
    id,
    name,
    durability,
    isUncertain: false,
    start: zero(),
    known: zero(),
    extents: [],
    damage: [],
  };
}
