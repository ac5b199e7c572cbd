/**
 * The shim's bindings. Opening it costs a `dlopen`; each opening is a value of its own.
 *
 * @module
 */

import { getSystemErrorName } from "node:util";
import { assert } from "../world/mod.ts";
import { buildShim } from "./build.ts";
import { Job } from "./job.ts";

const SHIM_ABI = 5;

const SYMBOLS = {
  walrus_abi: { parameters: [], result: "u32" },
  walrus_ring_open: { parameters: ["u32", "buffer"], result: "pointer" },
  walrus_ring_close: { parameters: ["pointer"], result: "void" },
  walrus_commit: {
    parameters: ["pointer", "buffer", "u32", "u32"],
    result: "void",
    nonblocking: true,
  },
  walrus_commit_thread_open: { parameters: ["pointer"], result: "pointer" },
  walrus_commit_thread_close: { parameters: ["pointer"], result: "void" },
  walrus_commit_thread_give: {
    parameters: ["pointer", "buffer", "u32", "u32", "u32"],
    result: "u32",
  },
  walrus_commit_thread_wait: { parameters: ["pointer"], result: "void", nonblocking: true },
  walrus_read: { parameters: ["pointer", "buffer", "u32"], result: "void", nonblocking: true },
  walrus_read_cached: { parameters: ["buffer", "u32"], result: "u32" },
  walrus_fallocate: { parameters: ["i32", "f64", "f64"], result: "i32", nonblocking: true },
  walrus_survive_size_limit: { parameters: [], result: "void" },
  walrus_crc32c: { parameters: ["buffer", "u32", "u32", "u32"], result: "u32" },
  walrus_crc32c_software: { parameters: ["buffer", "u32", "u32", "u32"], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** An io_uring. Runs one job at a time: asserted. */
export class Ring {
  readonly #library: Library;
  #pointer: Deno.PointerValue;
  /** The job under way: this reference keeps its memory while the kernel uses it. */
  #running: Job | null = null;
  #thread: Deno.PointerValue = null;

  constructor(library: Library, pointer: Deno.PointerValue) {
    this.#library = library;
    this.#pointer = pointer;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Does the job's writes, then its syncs. Look at `job.failure()` afterwards. */
  async commit(job: Job): Promise<void> {
    this.#start(job);
    await this.#library.symbols.walrus_commit(this.#pointer, job.doubles, job.transfers, job.syncs);
    this.#running = null;
  }

  /** Makes the thread for {@link Ring.commitSoon}. False: there is none to be had. */
  openThread(): boolean {
    assert(this.#pointer !== null, "a ring is open while it is used");
    this.#thread ??= this.#library.symbols.walrus_commit_thread_open(this.#pointer);
    return this.#thread !== null;
  }

  /**
   * The same as `commit`, on a thread of the ring's own, for which this one waits where it is, `waitUs`
   * microseconds at most. True: it is done; false: it is done when `committed` resolves.
   */
  commitSoon(job: Job, { waitUs }: { waitUs: number }): boolean {
    assert(this.#thread !== null, "the ring has a thread");
    this.#start(job);
    const { doubles, transfers, syncs } = job;
    const { walrus_commit_thread_give: give } = this.#library.symbols;
    if (give(this.#thread, doubles, transfers, syncs, waitUs) === 0) return false;
    this.#running = null;
    return true;
  }

  /** Resolves when the job that `commitSoon` did not see the end of is done. */
  async committed(): Promise<void> {
    await this.#library.symbols.walrus_commit_thread_wait(this.#thread);
    this.#running = null;
  }

  /** Does the job's reads. Look at `job.failure()` and `job.remaining(i)` afterwards. */
  async read(job: Job): Promise<void> {
    this.#start(job);
    await this.#library.symbols.walrus_read(this.#pointer, job.doubles, job.transfers);
    this.#running = null;
  }

  close(): void {
    assert(this.#running === null, "a ring is idle when it is closed");
    if (this.#thread !== null) this.#library.symbols.walrus_commit_thread_close(this.#thread);
    this.#thread = null;
    if (this.#pointer !== null) this.#library.symbols.walrus_ring_close(this.#pointer);
    this.#pointer = null;
  }

  #start(job: Job): void {
    assert(this.#pointer !== null, "a ring is open while it is used");
    assert(this.#running === null, "a ring runs one job at a time");
    this.#running = job;
  }
}

/** The loaded shim. */
export class Shim {
  /** The shared object that was loaded. */
  readonly path: string;
  readonly #library: Library;
  /** Calling into a library that is unloaded would not fail but crash. */
  #isOpen = true;
  readonly #addresses = new WeakMap<ArrayBufferLike, number>();

  constructor(path: string, library: Library) {
    this.path = path;
    this.#library = library;
  }

  /**
   * CRC-32C of `bytes[start, end)`, going on from `seed` (0 to begin), by the processor's own instruction
   * where it has one. A bound function: pass it on as it is.
   */
  readonly crc32c = (bytes: Uint8Array, start: number, end: number, seed: number): number => {
    this.#check(bytes, start, end);
    return this.#library.symbols.walrus_crc32c(bytes as Uint8Array<ArrayBuffer>, start, end, seed);
  };

  /** The same by the shim's tables: for processors without the instruction, and for tests. */
  readonly crc32cSoftware = (
    bytes: Uint8Array,
    start: number,
    end: number,
    seed: number,
  ): number => {
    this.#check(bytes, start, end);
    return this.#library.symbols.walrus_crc32c_software(
      bytes as Uint8Array<ArrayBuffer>,
      start,
      end,
      seed,
    );
  };

  /** A ring that takes `entries` requests at once, or why the kernel refuses one. */
  openRing(entries: number): { ok: true; ring: Ring } | { ok: false; reason: string } {
    const errno = new Int32Array(1);
    const pointer = this.#library.symbols.walrus_ring_open(entries, errno);
    if (pointer !== null) return { ok: true, ring: new Ring(this.#library, pointer) };
    return { ok: false, reason: explainRefusal(errnoName(errno[0]!)) };
  }

  /** An empty job for this shim's rings. */
  newJob(capacity?: number): Job {
    return new Job((buffer) => this.#addressOf(buffer), capacity);
  }

  /**
   * Does the job's reads on this thread as far as the page cache has all their bytes: true if all are done.
   * Where it is false, give the same job to a ring after filling it again.
   */
  readCached(job: Job): boolean {
    return this.#library.symbols.walrus_read_cached(job.doubles, job.transfers) === job.transfers;
  }

  /** Zeroed memory that starts at a multiple of `alignmentBytes`, collected like any other. */
  newAlignedBuffer(lengthBytes: number, alignmentBytes: number): Uint8Array<ArrayBuffer> {
    const whole = new ArrayBuffer(lengthBytes + alignmentBytes);
    const skip = (alignmentBytes - this.#addressOf(whole) % alignmentBytes) % alignmentBytes;
    return new Uint8Array(whole, skip, lengthBytes);
  }

  /** Reserves blocks for `[offset, offset + length)` of a file and makes it at least that long. */
  async reserve(
    fd: number,
    offset: number,
    length: number,
  ): Promise<{ ok: true } | { ok: false; error: string }> {
    const errno = await this.#library.symbols.walrus_fallocate(fd, offset, length);
    return errno === 0 ? { ok: true } : { ok: false, error: errnoName(errno) };
  }

  /** From now on a write that reaches `ulimit -f` fails with EFBIG instead of ending the process. */
  surviveSizeLimit(): void {
    this.#library.symbols.walrus_survive_size_limit();
  }

  /** Unloads the library. Its rings are closed before; nothing of it may be used afterwards: asserted. */
  close(): void {
    assert(this.#isOpen, "the shim is closed once");
    this.#isOpen = false;
    this.#library.close();
  }

  #check(bytes: Uint8Array, start: number, end: number): void {
    assert(this.#isOpen, "the shim is open while it is used");
    assert(
      start >= 0 && start <= end && end <= bytes.length,
      "a CRC's range is inside of its bytes",
    );
  }

  /** A backing store never moves, and asking for its address is slow: remembered while it lives. */
  #addressOf(buffer: ArrayBufferLike): number {
    let address = this.#addresses.get(buffer);
    if (address === undefined) {
      const pointer = Deno.UnsafePointer.of(buffer as ArrayBuffer);
      address = Number(Deno.UnsafePointer.value(pointer));
      this.#addresses.set(buffer, address);
    }
    return address;
  }
}

/** Names an errno as the C library does: `EIO`. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno) ?? `errno ${errno}`;
  } catch {
    return `errno ${errno}`;
  }
}

/** The shim, or why it can't be had. */
export type OpenShimResult = { ok: true; shim: Shim } | { ok: false; reason: string };

/**
 * Loads the shim: the prebuilt one at `path` or in the environment's `WALRUS_SHIM`, else the one built from
 * the source beside this file, which is built now (well under a second) where a compiler is at hand.
 */
export async function openShim(options: { path?: string } = {}): Promise<OpenShimResult> {
  let path = options.path ?? prebuiltPath();
  if (path === undefined) {
    const build = await buildShim();
    if (!build.ok) return build;
    path = build.path;
  }
  let library: Library;
  try {
    library = Deno.dlopen(path, SYMBOLS);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const reason = detail.replace(/^(Could not open library: )+/, "");
    return { ok: false, reason: `the shim can't be loaded: ${reason}` };
  }
  const abi = library.symbols.walrus_abi();
  if (abi !== SHIM_ABI) {
    library.close();
    return {
      ok: false,
      reason: `the shim ${path} is for another version (${abi}, need ${SHIM_ABI})`,
    };
  }
  return { ok: true, shim: new Shim(path, library) };
}

function prebuiltPath(): string | undefined {
  try {
    return Deno.env.get("WALRUS_SHIM") || undefined;
  } catch {
    return undefined;
  }
}

function explainRefusal(error: string): string {
  switch (error) {
    case "EPERM":
      return "io_uring is forbidden here (EPERM: a container's seccomp profile or kernel.io_uring_disabled)";
    case "ENOSYS":
      return "this kernel has no io_uring (ENOSYS)";
    default:
      return `io_uring can't be set up (${error})`;
  }
}
