/**
 * What both real disks do alike, by ordinary file calls: names, sizes, the lock, small files. None of it
 * is on a hot path.
 *
 * @module
 */

import * as fs from "node:fs";
import { assert, type Disk, type DiskError, type DiskFile } from "../../world/mod.ts";
import type { Shim } from "../../ffi/mod.ts";
import { type Crc32c, crc32cByTables } from "../crc32c.ts";
import { diskError, diskErrorFrom } from "./disk_errors.ts";
import { acquire, OpenFile, release } from "./open_file.ts";

/** Held with an exclusive lock by the process that owns the directory; the kernel lets go of it at exit. */
export const LOCK_FILE = "LOCK";
const TEMPORARY_SUFFIX = ".tmp";
const NAME_PATTERN = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$/;
/** Written at once where zeroes must be written. */
const ZEROES_BYTES = 1 << 20;

/** What both real disks are made from. */
export interface DirectoryDiskOptions {
  directory: string;
  /** The open file that holds the directory's lock. Closed with the disk, as is the shim. */
  lock: Deno.FsFile;
  reason: string;
  shim: Shim | null;
}

/** The part of a {@link Disk} that does not depend on how bytes are moved. */
export abstract class DirectoryDisk
  implements Pick<Disk, "list" | "open" | "allocate" | "closeFile" | "remove" | "close"> {
  abstract readonly backend: Disk["backend"];
  readonly reason: string;
  readonly directory: string;
  /** The shim's checksum, to be used while the disk is open, or its twin where there is no shim. */
  readonly crc32c: Crc32c;
  readonly #shim: Shim | null;
  readonly #lock: Deno.FsFile;
  readonly #files = new Set<OpenFile>();
  #closed = false;
  /**
   * The write that reaches `ulimit -f` is to fail, not to end the process. A listener does it too, but Deno
   * takes a moment to set it up.
   */
  readonly #onSizeLimit = () => {};

  constructor(options: DirectoryDiskOptions) {
    this.directory = options.directory;
    this.reason = options.reason;
    this.#shim = options.shim;
    this.crc32c = options.shim?.crc32c ?? crc32cByTables;
    this.#lock = options.lock;
    if (this.#shim !== null) this.#shim.surviveSizeLimit();
    else Deno.addSignalListener("SIGXFSZ", this.#onSizeLimit);
  }

  async list(): Promise<{ name: string; sizeBytes: number }[]> {
    try {
      const found: { name: string; sizeBytes: number }[] = [];
      for (const entry of await fs.promises.readdir(this.directory, { withFileTypes: true })) {
        if (!entry.isFile() || !isOurs(entry.name)) continue;
        // One that is renamed or deleted meanwhile is not there any more.
        const stat = await fs.promises.stat(this.#path(entry.name)).catch(unlessGone);
        if (stat !== null) found.push({ name: entry.name, sizeBytes: stat.size });
      }
      return found.sort((a, b) => a.name < b.name ? -1 : 1);
    } catch (error) {
      throw diskErrorFrom(error, "list", "");
    }
  }

  async open(name: string, options: { create: boolean }): Promise<DiskFile> {
    checkName(name);
    const { O_RDWR, O_CREAT } = fs.constants;
    const path = this.#path(name);
    try {
      const buffered = await openDescriptor(path, options.create ? O_RDWR | O_CREAT : O_RDWR);
      const direct = await this.openDirect(path);
      const sizeBytes = fs.fstatSync(buffered).size;
      // Direct writes that a killed process had under way may still land, on what is free space by then. To
      // reserve what is there changes nothing, but waits for them (ext4, XFS). Where it fails there are none.
      if (sizeBytes > 0) await this.#shim?.reserve(buffered, 0, 1);
      const file = new OpenFile(name, { buffered, direct, sizeBytes });
      this.#files.add(file);
      return file;
    } catch (error) {
      throw diskErrorFrom(error, "open", name);
    }
  }

  async allocate(diskFile: DiskFile, sizeBytes: number): Promise<void> {
    const file = diskFile as OpenFile;
    acquire([], [file]);
    try {
      const fd = file.handle;
      if (sizeBytes < file.sizeBytes) {
        await settle((done) => fs.ftruncate(fd, sizeBytes, done));
      } else if (sizeBytes > file.sizeBytes) {
        try {
          await this.#reserve(file, sizeBytes);
        } catch (error) {
          // What was reserved before room ran out goes back: the file is as long as it says it is.
          fs.ftruncateSync(fd, file.sizeBytes);
          throw error;
        }
      }
      await settle((done) => fs.fdatasync(fd, done));
      if (!file.entrySynced) await syncDirectory(this.directory);
      file.entrySynced = true;
      file.sizeBytes = sizeBytes;
    } catch (error) {
      throw diskErrorFrom(error, "allocate", file.name);
    } finally {
      release([], [file]);
    }
  }

  async closeFile(diskFile: DiskFile): Promise<void> {
    const file = diskFile as OpenFile;
    if (file.closed) return;
    file.closed = true;
    this.#files.delete(file);
    if (file.users > 0) await new Promise<void>((resolve) => file.onIdle = resolve);
    if (file.directFd !== null) fs.closeSync(file.directFd);
    await settle((done) => fs.close(file.handle, done));
  }

  async remove(name: string): Promise<void> {
    checkName(name);
    try {
      await fs.promises.rm(this.#path(name), { force: true });
      await syncDirectory(this.directory);
    } catch (error) {
      throw diskErrorFrom(error, "remove", name);
    }
  }

  async readSmall(name: string): Promise<Uint8Array | null> {
    checkName(name);
    try {
      return await Deno.readFile(this.#path(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw diskErrorFrom(error, "read", name);
    }
  }

  async writeSmall(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    const temporary = this.#path(name) + TEMPORARY_SUFFIX;
    let op: DiskError["op"] = "write";
    let fd: number | undefined;
    try {
      const { O_WRONLY, O_CREAT, O_TRUNC } = fs.constants;
      fd = await openDescriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC);
      writeWhole(fd, { bytes, start: 0, end: bytes.length, fileOffset: 0 });
      op = "sync";
      const descriptor = fd;
      await settle((done) => fs.fsync(descriptor, done));
      op = "write";
      await fs.promises.rename(temporary, this.#path(name));
      op = "sync";
      await syncDirectory(this.directory);
    } catch (error) {
      if (op === "write") await fs.promises.rm(temporary, { force: true }).catch(() => {});
      throw diskErrorFrom(error, op, name);
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const file of [...this.#files]) await this.closeFile(file);
    this.letGo();
    if (this.#shim !== null) this.#shim.close();
    else Deno.removeSignalListener("SIGXFSZ", this.#onSizeLimit);
    releaseLock(this.#lock);
  }

  /** A descriptor for direct writes, where the backend makes any. */
  protected openDirect(_path: string): Promise<number | null> {
    return Promise.resolve(null);
  }

  /** Called once, when no operation on a file is under way any more. */
  protected letGo(): void {}

  /** Makes `[file.sizeBytes, sizeBytes)` exist with its blocks. Undone by the caller when it throws. */
  async #reserve(file: OpenFile, sizeBytes: number): Promise<void> {
    const from = file.sizeBytes;
    const result = await this.#shim?.reserve(file.handle, from, sizeBytes - from);
    if (result?.ok) return;
    if (result && result.error !== "EOPNOTSUPP") {
      throw diskError(result.error, "allocate", file.name);
    }
    await writeZeroes(file.handle, from, sizeBytes);
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }
}

/**
 * Lets go of a directory. Closing the file alone does it late where this process is just starting another
 * one: until that one runs its program it has all files of this one, and with the file its lock.
 */
export function releaseLock(lock: Deno.FsFile): void {
  lock.unlockSync();
  lock.close();
}

/** The dear way to reserve blocks. Lets others have their turn in between. */
async function writeZeroes(fd: number, from: number, to: number): Promise<void> {
  const zeroes = new Uint8Array(Math.min(ZEROES_BYTES, to - from));
  for (let at = from; at < to; at += zeroes.length) {
    const end = Math.min(zeroes.length, to - at);
    writeWhole(fd, { bytes: zeroes, start: 0, end, fileOffset: at });
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Writes `bytes[start, end)` at `fileOffset`, going on after a short write, and throws what the system says. */
export function writeWhole(
  fd: number,
  run: { bytes: Uint8Array; start: number; end: number; fileOffset: number },
): void {
  let { start, fileOffset } = run;
  while (start < run.end) {
    let wrote: number;
    try {
      wrote = fs.writeSync(fd, run.bytes, start, run.end - start, fileOffset);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EINTR" || code === "EAGAIN") continue;
      throw error;
    }
    if (wrote === 0) throw Object.assign(new Error("a write moved nothing"), { code: "EIO" });
    start += wrote;
    fileOffset += wrote;
  }
}

/** A Node callback as a promise. */
export function settle(
  call: (done: (error: Error | null | undefined) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => call((error) => error ? reject(error) : resolve()));
}

export function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.open(path, flags, 0o644, (error, fd) => error ? reject(error) : resolve(fd))
  );
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = await openDescriptor(path, fs.constants.O_RDONLY);
  try {
    await settle((done) => fs.fsync(fd, done));
  } finally {
    fs.closeSync(fd);
  }
}

/** Removes what a `writeSmall` that was cut short left behind. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await fs.promises.readdir(directory)) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await fs.promises.rm(`${directory}/${name}`);
  }
}

function isOurs(name: string): boolean {
  return name !== LOCK_FILE && !name.endsWith(TEMPORARY_SUFFIX);
}

function checkName(name: string): void {
  assert(NAME_PATTERN.test(name) && isOurs(name), `"${name}" can be a file's name`);
}

function unlessGone(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
