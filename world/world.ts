/**
 * Everything outside of the program, in one value. A node is made from its configuration and this.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Logger } from "./logger.ts";

/** What a node is given besides its configuration. */
export interface World {
  clock: Clock;
  random: Random;
  network: Network;
  disk: Disk;
  logger: Logger;
  /** CRC-32C where the machine has a fast one (storage/crc32c.ts has the other, and what it takes). */
  crc32c?: (bytes: Uint8Array, start: number, end: number, seed: number) => number;
  /** Identifies this start of the machine: the same one means that only the process died. */
  bootId?: string;
}
