/**
 * The disk by positional file calls: for where io_uring is missing, forbidden or switched off.
 *
 * @module
 */

import * as fs from "node:fs";
import {
  assert,
  type Disk,
  type DiskFile,
  type DiskRead,
  type DiskWrite,
} from "../../world/mod.ts";
import { DirectoryDisk, settle, writeWhole } from "./directory.ts";
import { diskErrorFrom } from "./disk_errors.ts";
import { acquire, release } from "./open_file.ts";

/** Reads of one call that the thread pool works on at once. */
const READS_AT_ONCE = 8;

/** {@link Disk} on `node:fs`. Made by `openDisk`. */
export class FileDisk extends DirectoryDisk implements Disk {
  override readonly backend = "file";
  #committing = false;

  newBuffer(lengthBytes: number): Uint8Array {
    return new Uint8Array(lengthBytes);
  }

  async commit(writes: readonly DiskWrite[], syncs: readonly DiskFile[]): Promise<void> {
    assert(!this.#committing, "one commit is in flight at a time");
    acquire(writes, syncs);
    this.#committing = true;
    try {
      for (const write of writes) this.#write(write);
      // All are waited for, even when one fails: none may be under way when the commit is answered.
      const synced = await Promise.allSettled(
        syncs.map((file) => settle((done) => fs.fdatasync(file.handle, done))),
      );
      for (const [index, result] of synced.entries()) {
        if (result.status === "rejected") {
          throw diskErrorFrom(result.reason, "sync", syncs[index]!.name);
        }
      }
    } finally {
      release(writes, syncs);
      this.#committing = false;
    }
  }

  async read(reads: readonly DiskRead[]): Promise<void> {
    acquire(reads, []);
    try {
      let next = 0;
      let failed: unknown = null;
      const work = async () => {
        while (next < reads.length && failed === null) {
          const read = reads[next++]!;
          try {
            read.got = await readWhole(read);
          } catch (error) {
            failed ??= diskErrorFrom(error, "read", read.file.name);
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, reads.length) }, work));
      if (failed !== null) throw failed;
    } finally {
      release(reads, []);
    }
  }

  /** Synchronous: Deno does a positional write on this thread in any case, and this way costs least. */
  #write(write: DiskWrite): void {
    try {
      writeWhole(write.file.handle, {
        bytes: write.buffer,
        start: write.bufferOffset,
        end: write.bufferOffset + write.length,
        fileOffset: write.fileOffset,
      });
    } catch (error) {
      throw diskErrorFrom(error, "write", write.file.name);
    }
  }
}

async function readWhole(read: DiskRead): Promise<number> {
  let got = 0;
  while (got < read.length) {
    const count = await new Promise<number>((resolve, reject) =>
      fs.read(
        read.file.handle,
        read.buffer,
        read.bufferOffset + got,
        read.length - got,
        read.fileOffset + got,
        (error, count) => error ? reject(error) : resolve(count),
      )
    );
    if (count === 0) break;
    got += count;
  }
  return got;
}
