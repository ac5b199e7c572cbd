/**
 * One process's view of a simulated drive.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Disk, DiskFile, DiskRead, DiskWrite } from "../disk.ts";
import { type FaultyOp, simError } from "./sim_disk_faults.ts";
import { SimInode } from "./sim_disk_inode.ts";
import type { InFlightWrite, SimDrive } from "./sim_drive.ts";

class SimFile implements DiskFile {
  closed = false;
  constructor(readonly name: string, readonly handle: number, readonly inode: SimInode) {
    this.sizeBytes = inode.sizeBytes;
  }
  sizeBytes: number;
}

/** {@link Disk} on a {@link SimDrive}: made by its `mount`, of no use after its `crash`. */
export class SimDisk implements Disk {
  readonly backend = "simulated";
  readonly reason = "this is a simulation";
  readonly #drive: SimDrive;
  #dead = false;
  #closed = false;
  #handles = 0;
  #committing = false;

  constructor(drive: SimDrive) {
    this.#drive = drive;
  }

  die(): void {
    this.#dead = true;
  }

  newBuffer(lengthBytes: number): Uint8Array {
    return new Uint8Array(lengthBytes);
  }

  list(): Promise<{ name: string; sizeBytes: number }[]> {
    return this.#run(async () => {
      await this.#pass();
      return this.#drive.names().map((name) => ({
        name,
        sizeBytes: this.#drive.lookUp(name)!.sizeBytes,
      }));
    });
  }

  open(name: string, options: { create: boolean }): Promise<DiskFile> {
    return this.#run(async () => {
      await this.#pass();
      this.#maybeFail("open", name);
      let inode = this.#drive.lookUp(name);
      if (!inode) {
        if (!options.create) throw simError("open", "NotFound", name);
        inode = new SimInode();
        this.#drive.setName(name, inode);
      }
      return new SimFile(name, ++this.#handles, inode);
    });
  }

  allocate(diskFile: DiskFile, sizeBytes: number): Promise<void> {
    return this.#run(async () => {
      const { inode, name } = checkOpen(diskFile);
      await this.#pass();
      this.#maybeFail("allocate", name);
      this.#drive.mustHaveRoom("allocate", name, sizeBytes - inode.sizeBytes);
      inode.resize(sizeBytes);
      await this.#pass();
      inode.sync();
      this.#drive.syncNames();
      diskFile.sizeBytes = sizeBytes;
    });
  }

  closeFile(diskFile: DiskFile): Promise<void> {
    return this.#run(async () => {
      (diskFile as SimFile).closed = true;
      await this.#pass();
    });
  }

  remove(name: string): Promise<void> {
    return this.#run(async () => {
      await this.#pass();
      this.#maybeFail("remove", name);
      if (this.#drive.lookUp(name)) this.#drive.setName(name, null);
      await this.#pass();
      this.#drive.syncNames();
    });
  }

  commit(writes: readonly DiskWrite[], syncs: readonly DiskFile[]): Promise<void> {
    return this.#run(async () => {
      assert(!this.#committing, "one commit is in flight at a time");
      this.#committing = true;
      try {
        await this.#write(writes);
        for (const file of syncs) checkOpen(file);
        if (syncs.length > 0) await this.#pass();
        for (const file of syncs) this.#sync(file as SimFile);
      } finally {
        this.#committing = false;
      }
    });
  }

  read(reads: readonly DiskRead[]): Promise<void> {
    return this.#run(async () => {
      for (const read of reads) {
        checkOpen(read.file);
        checkRange(read);
      }
      await this.#pass();
      for (const read of reads) {
        this.#maybeFail("read", read.file.name);
        const into = read.buffer.subarray(read.bufferOffset, read.bufferOffset + read.length);
        read.got = (read.file as SimFile).inode.read(read.fileOffset, into);
      }
    });
  }

  readSmall(name: string): Promise<Uint8Array | null> {
    return this.#run(async () => {
      await this.#pass();
      const inode = this.#drive.lookUp(name);
      if (!inode) return null;
      this.#maybeFail("read", name);
      return inode.copy();
    });
  }

  writeSmall(name: string, bytes: Uint8Array): Promise<void> {
    return this.#run(async () => {
      const inode = new SimInode();
      await this.#pass();
      this.#maybeFail("write", name);
      this.#drive.mustHaveRoom("write", name, bytes.length);
      inode.replace(bytes.slice());
      this.#maybeFail("sync", name);
      await this.#pass();
      this.#drive.setName(name, inode);
      await this.#pass();
      this.#drive.syncNames();
    });
  }

  async close(): Promise<void> {
    if (this.#dead || this.#closed) return;
    this.#closed = true;
    await this.#pass();
    this.#drive.unmount(this);
  }

  async #write(writes: readonly DiskWrite[]): Promise<void> {
    const accepted: InFlightWrite[] = [];
    for (const write of writes) {
      const { inode } = checkOpen(write.file);
      checkRange(write);
      const { buffer, bufferOffset, length } = write;
      const bytes = buffer.slice(bufferOffset, bufferOffset + length);
      const landing = { inode, offset: write.fileOffset, bytes };
      this.#drive.accept(landing);
      accepted.push(landing);
    }
    await this.#pass();
    for (const [index, landing] of accepted.entries()) {
      const { buffer, bufferOffset, file } = writes[index]!;
      checkUnchanged(landing.bytes, buffer, bufferOffset);
      try {
        this.#maybeFail("write", file.name);
        const growth = landing.offset + landing.bytes.length - landing.inode.sizeBytes;
        if (growth > 0) this.#drive.mustHaveRoom("write", file.name, growth);
      } catch (error) {
        this.#drive.landSome(accepted);
        throw error;
      }
      this.#drive.land(landing);
    }
  }

  #sync(file: SimFile): void {
    const fault = this.#drive.maybeFault("sync", file.name);
    if (fault) {
      this.#drive.failSync(file.inode);
      throw fault;
    }
    file.inode.sync();
  }

  /** A dead process's calls go nowhere, and touch nothing any more. */
  async #pass(): Promise<void> {
    await this.#drive.pass();
    if (this.#dead) await new Promise<never>(() => {});
  }

  #maybeFail(op: FaultyOp, file: string): void {
    const fault = this.#drive.maybeFault(op, file);
    if (fault) throw fault;
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#dead) return await new Promise<never>(() => {});
    assert(!this.#closed, "a disk is open while it is used");
    return await work();
  }
}

function checkOpen(file: DiskFile): SimFile {
  const simFile = file as SimFile;
  assert(!simFile.closed, `file ${file.name} is open while it is used`);
  return simFile;
}

function checkRange(
  range: { fileOffset: number; buffer: Uint8Array; bufferOffset: number; length: number },
): void {
  const { fileOffset, buffer, bufferOffset, length } = range;
  assert(
    fileOffset >= 0 && bufferOffset >= 0 && length >= 0 && bufferOffset + length <= buffer.length,
    "a transfer lies inside of its buffer",
  );
}

function checkUnchanged(bytes: Uint8Array, buffer: Uint8Array, bufferOffset: number): void {
  assert(
    areEqual(bytes, buffer.subarray(bufferOffset, bufferOffset + bytes.length)),
    "a buffer does not change while the disk holds it",
  );
}

/** Whole blocks are compared by the word: it is what a simulation would spend most of its time on. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  const words = (a.byteOffset | b.byteOffset) % 4 === 0 ? a.length >> 2 : 0;
  const left = words === 0 ? a : new Uint32Array(a.buffer, a.byteOffset, words);
  const right = words === 0 ? b : new Uint32Array(b.buffer, b.byteOffset, words);
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  for (let at = 4 * words; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
