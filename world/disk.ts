/**
 * One directory of files, as a thing that is handed in. It speaks in whole commits: a list of writes
 * and the files to sync after them, answered once; and in lists of reads. The real twins are in
 * `storage/disk/` (io_uring through the shim, positional file calls), the simulated one in
 * `world/sim/`.
 *
 * @module
 */

/**
 * A write whose file offset, buffer offset and length are multiples of this, from a buffer made by
 * {@link Disk.newBuffer}, may go to the device without a copy in the page cache: several times faster
 * when much is written. Other writes are as correct. Both kinds may meet in one file.
 */
export const DIRECT_BLOCK_BYTES = 4096;

/** An open file. Only the disk that opened it knows what the numbers mean. */
export interface DiskFile {
  readonly name: string;
  /** Small, unique among the disk's open files. */
  readonly handle: number;
  /** Its length now: what `open` found, or what `allocate` made of it. */
  sizeBytes: number;
}

/** Put `length` bytes of `buffer`, from `bufferOffset`, at `fileOffset`. Held by the disk until done. */
export interface DiskWrite {
  file: DiskFile;
  fileOffset: number;
  buffer: Uint8Array;
  bufferOffset: number;
  length: number;
  /** It will soon be read or written in part again: better not around the page cache. */
  throughCache?: boolean;
}

/** Fetch `length` bytes at `fileOffset` to `buffer` at `bufferOffset`. */
export interface DiskRead {
  file: DiskFile;
  fileOffset: number;
  buffer: Uint8Array;
  bufferOffset: number;
  length: number;
  /** Set by the disk: bytes got; less than `length` only where the file ends. */
  got: number;
}

/** The only way to durable storage. */
export interface Disk {
  /** For the line at start, `METRICS` and the benchmarks. */
  readonly backend: "io_uring" | "file" | "simulated";
  /** Why this backend and not the other, in one clause. */
  readonly reason: string;
  /** Zeroed memory that suits direct writes (see {@link DIRECT_BLOCK_BYTES}). Collected like any other. */
  newBuffer(lengthBytes: number): Uint8Array;
  /** Names and sizes of all files of the directory. */
  list(): Promise<{ name: string; sizeBytes: number }[]>;
  /** Opens for reading and writing. @throws {DiskError} `NotFound` unless `create`. */
  open(name: string, options: { create: boolean }): Promise<DiskFile>;
  /**
   * Makes the file `sizeBytes` long with its blocks reserved (zeroes as read), length and directory
   * entry durable when it resolves. Shorter than now: cuts it. @throws {DiskError} `NoSpace`.
   */
  allocate(file: DiskFile, sizeBytes: number): Promise<void>;
  closeFile(file: DiskFile): Promise<void>;
  /** Deletes a closed file, durably. Harmless when it is not there. */
  remove(name: string): Promise<void>;
  /**
   * Does all `writes`, each whole, then one fdatasync for each of `syncs`, then resolves. Callers keep
   * one commit in flight at a time. On a rejection any part of it may have reached the disk.
   *
   * @throws {DiskError} `op: "write"` (nothing was synced that depends on it; the store may go on) or
   * `op: "sync"` (final: what was written before may be gone from the page cache).
   */
  commit(writes: readonly DiskWrite[], syncs: readonly DiskFile[]): Promise<void>;
  /** Does all `reads` and sets each one's `got`. Any number of calls may be in flight. */
  read(reads: readonly DiskRead[]): Promise<void>;
  /** The whole of a small file, or `null`. */
  readSmall(name: string): Promise<Uint8Array | null>;
  /** Replaces a small file atomically and durably (temporary file, sync, rename, sync of the directory). */
  writeSmall(name: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What a disk operation failed with; `code` decides what the store does (storage/mod.ts lists it). */
export class DiskError extends Error {
  /** The class's name, also where classes were bundled. */
  override readonly name = "DiskError";
  /** Names what was tried and what it failed with. */
  constructor(
    readonly op: "open" | "allocate" | "write" | "sync" | "read" | "remove" | "list",
    readonly code: "NotFound" | "NoSpace" | "Denied" | "Io" | "Locked" | "Other",
    /** The file's name, or "" for the directory itself. */
    readonly file: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
