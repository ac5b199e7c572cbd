/**
 * The disk through io_uring: each batch of reads is one call into the shim, and so is each commit, but for one
 * that is given to the ring's own thread and not over in the time that it is waited for: that takes a second call.
 *
 * @module
 */

import * as fs from "node:fs";
import { errnoName, type Job, type JobFailure, type Ring, type Shim } from "../../ffi/mod.ts";
import {
  assert,
  DIRECT_BLOCK_BYTES,
  type Disk,
  type DiskFile,
  type DiskRead,
  type DiskWrite,
} from "../../world/mod.ts";
import { DirectoryDisk, type DirectoryDiskOptions, openDescriptor } from "./directory.ts";
import { diskError } from "./disk_errors.ts";
import { acquire, type OpenFile, release } from "./open_file.ts";
import { Patience } from "./patience.ts";

/** Requests that the commit ring takes at once; a larger commit goes in several rounds of one call. */
export const COMMIT_RING_ENTRIES = 256;
/** The same for reads. */
export const READ_RING_ENTRIES = 64;
/** Batches of reads in flight at once; each holds one of the runtime's threads while it waits. */
export const READ_RINGS_MAX = 4;

/** Reads up to this size are first tried on the main thread, if they need no device: about 10 µs at most. */
export const CACHED_READ_BYTES_MAX = 64 * 1024;
/** And up to this number. */
export const CACHED_READS_MAX = 16;
/** A commit without a sync of up to this size goes through the page cache. */
const CACHED_WRITE_BYTES_MAX = 256 * 1024;
/** One sync and so much to write: over in about the time that it takes to wake a thread. */
const SHORT_COMMIT_BYTES_MAX = 8 * 1024;
/** For such a one the main thread waits in its place, microseconds. */
const WAIT_US_MAX = 200;
const EINVAL = 22;

interface Reader {
  ring: Ring;
  job: Job;
}

/** Reads of one `read` call that wait for a ring. */
interface WaitingReads {
  reads: readonly DiskRead[];
  resolve: () => void;
  reject: (error: unknown) => void;
  /** It shared a job that failed: it goes by itself now. */
  alone: boolean;
}

/** {@link Disk} on the shim. Made by `openDisk`. */
export class UringDisk extends DirectoryDisk implements Disk {
  override readonly backend = "io_uring";
  readonly #shim: Shim;
  readonly #commitRing: Ring;
  readonly #commitJob: Job;
  readonly #cachedJob: Job;
  readonly #idleReaders: Reader[] = [];
  #readers = 0;
  readonly #patience = new Patience({
    nowMs: () => performance.now(),
    soon: (task) => setImmediate(task),
  });
  /** Until a direct write is refused. */
  #direct = true;
  #waiting: WaitingReads[] = [];
  /** Keeps the buffers of the commit in flight referenced: the kernel reads from them. */
  #committing: readonly DiskWrite[] | null = null;

  constructor(options: DirectoryDiskOptions & { shim: Shim; commitRing: Ring; readRing: Ring }) {
    super(options);
    this.#shim = options.shim;
    this.#commitRing = options.commitRing;
    this.#commitJob = options.shim.newJob(COMMIT_RING_ENTRIES);
    this.#cachedJob = options.shim.newJob(CACHED_READS_MAX);
    this.#addReader(options.readRing);
  }

  newBuffer(lengthBytes: number): Uint8Array {
    return this.#shim.newAlignedBuffer(lengthBytes, DIRECT_BLOCK_BYTES);
  }

  async commit(writes: readonly DiskWrite[], syncs: readonly DiskFile[]): Promise<void> {
    assert(this.#committing === null, "one commit is in flight at a time");
    if (writes.length === 0 && syncs.length === 0) return;
    acquire(writes, syncs);
    this.#committing = writes;
    let failure: JobFailure | null;
    try {
      failure = await this.#runCommit(writes, syncs);
      if (failure?.op === "write" && failure.errno === EINVAL && this.#direct) {
        // A file system that opens files for direct writes and then wants another alignment.
        this.#direct = false;
        failure = await this.#runCommit(writes, syncs);
      }
    } finally {
      release(writes, syncs);
      this.#committing = null;
    }
    if (failure === null) return;
    const file = failure.op === "write" ? writes[failure.index]!.file : syncs[failure.index]!;
    throw diskError(errnoName(failure.errno), failure.op, file.name);
  }

  async read(reads: readonly DiskRead[]): Promise<void> {
    if (reads.length === 0) return;
    acquire(reads, []);
    if (this.#maybeReadCached(reads)) return release(reads, []);
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ reads, resolve, reject, alone: false });
      this.#maybeRead();
    });
  }

  protected override letGo(): void {
    this.#commitRing.close();
    for (const { ring } of this.#idleReaders) ring.close();
  }

  protected override openDirect(path: string): Promise<number | null> {
    return openDescriptor(path, fs.constants.O_RDWR | fs.constants.O_DIRECT).catch(() => null);
  }

  async #runCommit(
    writes: readonly DiskWrite[],
    syncs: readonly DiskFile[],
  ): Promise<JobFailure | null> {
    const job = this.#commitJob;
    job.clear();
    let mayBeDirect = this.#direct;
    // Nobody waits for the device then: a copy into the page cache is all that is to be done.
    if (syncs.length === 0 && lengthOf(writes) <= CACHED_WRITE_BYTES_MAX) mayBeDirect = false;
    for (const write of writes) {
      const { handle, directFd } = write.file as OpenFile;
      const isDirect = mayBeDirect && write.throughCache !== true;
      job.addTransfer({ fd: handle, directFd: isDirect ? directFd : null }, write);
    }
    for (const file of syncs) job.addSync(file.handle);
    const ring = this.#commitRing;
    const isShort = syncs.length === 1 && lengthOf(writes) <= SHORT_COMMIT_BYTES_MAX;
    if (!isShort || !this.#patience.maySpend() || !ring.openThread()) {
      await ring.commit(job);
    } else {
      const isDone = ring.commitSoon(job, { waitUs: WAIT_US_MAX });
      if (!isDone) await ring.committed();
      const rest = this.#patience.note(isDone);
      if (rest !== null) await rest;
    }
    return job.failure();
  }

  /** A small read of what the page cache holds costs less than telling another thread of it. */
  #maybeReadCached(reads: readonly DiskRead[]): boolean {
    let lengthBytes = 0;
    for (const read of reads) lengthBytes += read.length;
    if (reads.length > CACHED_READS_MAX || lengthBytes > CACHED_READ_BYTES_MAX) return false;
    const job = this.#cachedJob;
    job.clear();
    for (const read of reads) job.addTransfer({ fd: read.file.handle }, read);
    if (!this.#shim.readCached(job)) return false;
    for (const read of reads) read.got = read.length;
    return true;
  }

  #addReader(ring: Ring): void {
    this.#idleReaders.push({ ring, job: this.#shim.newJob(READ_RING_ENTRIES) });
    this.#readers++;
  }

  /** Gives waiting calls to an idle ring, as many in one job as it can work on at once. */
  #maybeRead(): void {
    if (this.#waiting.length === 0) return;
    if (this.#idleReaders.length === 0 && this.#readers < READ_RINGS_MAX) {
      // A ring that can't be had (memory, descriptors) is no failure: those that we have go on.
      const opened = this.#shim.openRing(READ_RING_ENTRIES);
      if (opened.ok) this.#addReader(opened.ring);
    }
    const reader = this.#idleReaders.pop();
    if (reader !== undefined) void this.#runReads(reader, this.#takeWaiting());
  }

  #takeWaiting(): WaitingReads[] {
    let calls = 1;
    let transfers = this.#waiting[0]!.reads.length;
    while (calls < this.#waiting.length && !this.#waiting[calls - 1]!.alone) {
      const { reads, alone } = this.#waiting[calls]!;
      transfers += reads.length;
      if (alone || transfers > READ_RING_ENTRIES) break;
      calls++;
    }
    return this.#waiting.splice(0, calls);
  }

  async #runReads(reader: Reader, batch: WaitingReads[]): Promise<void> {
    const { ring, job } = reader;
    job.clear();
    for (const { reads } of batch) {
      for (const read of reads) job.addTransfer({ fd: read.file.handle }, read);
    }
    await ring.read(job);
    const failure = job.failure();
    this.#idleReaders.push(reader);
    if (failure !== null && batch.length > 1) {
      // One bad block must not fail the calls that share its job: each is tried again by itself.
      this.#waiting.unshift(...batch.map((call) => ({ ...call, alone: true })));
    } else {
      let index = 0;
      for (const { reads, resolve, reject } of batch) {
        for (const read of reads) read.got = read.length - job.remaining(index++);
        release(reads, []);
        if (failure === null) resolve();
        else reject(diskError(errnoName(failure.errno), "read", reads[failure.index]!.file.name));
      }
    }
    this.#maybeRead();
  }
}

function lengthOf(writes: readonly DiskWrite[]): number {
  let bytes = 0;
  for (const { length } of writes) bytes += length;
  return bytes;
}
