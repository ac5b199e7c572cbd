/**
 * The machine's world for programs that only want a Walrus: its disk, its clock, its environment.
 *
 * @module
 */

import { ConsoleLogger, RealClock, RealRandom, stderrSink } from "../../world/real/mod.ts";
import { type Clock, type Disk, type Logger, type Random, silentLogger } from "../../world/mod.ts";
import type { Crc32c } from "../crc32c.ts";
import { openDisk } from "../disk/mod.ts";
import { namespaceFolder } from "./namespace.ts";
import type { WalrusOptions } from "./options.ts";

/** Where files go when nobody says where. */
const DEFAULT_DATA_DIR = "./walrus-data";

/** What a Walrus lives in. It owns the disk. */
export interface LibraryWorld {
  disk: Disk;
  clock: Clock;
  random: Random;
  logger: Logger;
  crc: Crc32c;
  bootId: string;
}

/** Opens the directory that the options and the environment name. @throws {DiskError} */
export async function openRealWorld(options: WalrusOptions): Promise<LibraryWorld> {
  if (!("Deno" in globalThis)) {
    throw new Error(
      "Walrus.open() needs Deno: its disk is made of Deno's calls. What runs on Node is @walrus/walrus/client.",
    );
  }
  const dataDir = options.dataDir ?? readEnv("WALRUS_DATA_DIR") ?? DEFAULT_DATA_DIR;
  const key = options.key ?? readEnv("WALRUS_INSTANCE_KEY");
  const disk = await openDisk({
    directory: key === undefined ? dataDir : `${dataDir}/${namespaceFolder(key)}`,
    disableUring: options.backend === "file" || readEnv("WALRUS_DISABLE_IO_URING") !== undefined,
  });
  const clock = new RealClock();
  const logger = readEnv("WALRUS_QUIET") === undefined
    ? new ConsoleLogger({ threshold: "warn", sink: stderrSink(), clock })
    : silentLogger;
  return { disk, clock, random: new RealRandom(), logger, crc: disk.crc32c, bootId: readBootId() };
}

/**
 * A variable that is set to something; `undefined` also where the environment may not be read.
 *
 * @throws {RangeError} It is no UTF-8: entries would go where nobody wanted them.
 */
function readEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw new RangeError(`${name} in the environment is no UTF-8 text: set another one.`, {
      cause: error,
    });
  }
}

/** Linux says when the machine was started; elsewhere each unclean stop counts as the machine's. */
function readBootId(): string {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  } catch {
    return "";
  }
}
