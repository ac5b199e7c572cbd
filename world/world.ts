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
}
