/**
 * Open files of the real disks, and who is using them.
 *
 * @module
 */

import { assert, type DiskFile, type DiskRead, type DiskWrite } from "../../world/mod.ts";

/** An open file of a real disk: `handle` is its descriptor. */
export class OpenFile implements DiskFile {
  readonly name: string;
  readonly handle: number;
  /** A second descriptor, for writes around the page cache; `null` where the file system has no such thing. */
  readonly directFd: number | null;
  sizeBytes: number;
  /** Operations under way. A descriptor is not closed under them: its number would be given away again. */
  users = 0;
  closed = false;
  onIdle: (() => void) | null = null;
  /** Whether the directory entry was synced since this process opened the file. */
  entrySynced = false;

  constructor(name: string, fds: { buffered: number; direct: number | null; sizeBytes: number }) {
    this.name = name;
    this.handle = fds.buffered;
    this.directFd = fds.direct;
    this.sizeBytes = fds.sizeBytes;
  }
}

/** Counts an operation on each file. Checks all of them before it counts any. */
export function acquire(
  transfers: readonly (DiskWrite | DiskRead)[],
  files: readonly DiskFile[],
): void {
  for (const { file, fileOffset, buffer, bufferOffset, length } of transfers) {
    checkOpen(file);
    assert(
      fileOffset >= 0 && bufferOffset >= 0 && length >= 0 && bufferOffset + length <= buffer.length,
      "a transfer lies inside of its buffer",
    );
  }
  for (const file of files) checkOpen(file);
  for (const { file } of transfers) (file as OpenFile).users++;
  for (const file of files) (file as OpenFile).users++;
}

/** Takes back what `acquire` counted; a file that is waited for may be closed then. */
export function release(
  transfers: readonly (DiskWrite | DiskRead)[],
  files: readonly DiskFile[],
): void {
  for (const { file } of transfers) releaseOne(file as OpenFile);
  for (const file of files) releaseOne(file as OpenFile);
}

function checkOpen(file: DiskFile): void {
  assert(!(file as OpenFile).closed, `file ${file.name} is open while it is used`);
}

function releaseOne(file: OpenFile): void {
  if (--file.users === 0 && file.onIdle !== null) file.onIdle();
}
