/**
 * Chooses the backend and takes the directory into possession.
 *
 * @module
 */

import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import { openShim } from "../../ffi/mod.ts";
import type { Ring, Shim } from "../../ffi/mod.ts";
import { type Disk, DiskError } from "../../world/mod.ts";
import type { Crc32c } from "../crc32c.ts";
import { LOCK_FILE, releaseLock, removeLeftovers, syncDirectory } from "./directory.ts";
import { diskErrorFrom } from "./disk_errors.ts";
import { FileDisk } from "./file_disk.ts";
import { COMMIT_RING_ENTRIES, READ_RING_ENTRIES, UringDisk } from "./uring_disk.ts";

/** What {@link openDisk} needs to know. */
export interface OpenDiskOptions {
  /** Made with its parents when it is not there. One process at a time owns it. */
  directory: string;
  /** Use positional file calls although io_uring may be there (`WALRUS_DISABLE_IO_URING`). */
  disableUring?: boolean;
  /** A prebuilt shim; otherwise see `openShim`. */
  shimPath?: string;
}

/** A disk of this machine. */
export interface RealDisk extends Disk {
  /** The fastest checksum that there is here. To be used while the disk is open. */
  readonly crc32c: Crc32c;
}

/**
 * The disk of a directory: io_uring where it can be had, positional file calls elsewhere; `reason` says why.
 *
 * @throws {DiskError} `Locked`: another process owns the directory; `Denied`: it can't be written.
 */
export async function openDisk(options: OpenDiskOptions): Promise<RealDisk> {
  const { directory, disableUring = false, shimPath } = options;
  const lock = await takeDirectory(directory);
  try {
    await removeLeftovers(directory);
    const opened = await openShim(shimPath === undefined ? {} : { path: shimPath });
    const shim = opened.ok ? opened.shim : null;
    if (disableUring) {
      return new FileDisk({ directory, lock, shim, reason: "io_uring is switched off" });
    }
    if (!opened.ok) return new FileDisk({ directory, lock, shim, reason: opened.reason });
    const rings = openRings(opened.shim);
    if (!rings.ok) return new FileDisk({ directory, lock, shim, reason: rings.reason });
    const reason = "the shim is loaded and the kernel allows it";
    return new UringDisk({ directory, lock, reason, shim: opened.shim, ...rings });
  } catch (error) {
    releaseLock(lock);
    throw diskErrorFrom(error, "open", "");
  }
}

/** Creates the directory, sees that it can be written, and locks it until the lock's file is closed. */
async function takeDirectory(directory: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    await makeDirectory(directory);
    lock = await Deno.open(`${directory}/${LOCK_FILE}`, { create: true, write: true });
  } catch (error) {
    const { code } = diskErrorFrom(error, "open", "");
    throw new DiskError(
      "open",
      code,
      "",
      `Can't use ${directory} as data directory: ${detail(error)}. ` +
        `Choose a directory that this user can write.`,
      { cause: error },
    );
  }
  if (await lock.tryLock(true)) return lock;
  lock.close();
  throw new DiskError(
    "open",
    "Locked",
    "",
    `The data directory ${directory} is in use by another process. ` +
      `Stop that process or choose another directory.`,
  );
}

/** With its parents, and durably: what is synced inside of it must not vanish with its name. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await fs.promises.mkdir(directory, { recursive: true });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let path = resolve(directory); path !== top; path = dirname(path)) {
    await syncDirectory(dirname(path));
  }
}

function openRings(
  shim: Shim,
): { ok: true; commitRing: Ring; readRing: Ring } | { ok: false; reason: string } {
  const commit = shim.openRing(COMMIT_RING_ENTRIES);
  if (!commit.ok) return commit;
  const read = shim.openRing(READ_RING_ENTRIES);
  if (read.ok) return { ok: true, commitRing: commit.ring, readRing: read.ring };
  commit.ring.close();
  return read;
}

/** Deno's messages go on about how they came about; the first clause says what is wrong. */
function detail(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split(/ ?\(os error|: (?:open|mkdir) '/)[0]!;
}
