/**
 * From what the system says to what the store decides on.
 *
 * @module
 */

import { DiskError } from "../../world/mod.ts";

/** What each system error means to a store; what is not listed is `Other`. */
const CODES: Record<string, DiskError["code"]> = {
  ENOENT: "NotFound",
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EACCES: "Denied",
  EPERM: "Denied",
  EROFS: "Denied",
  EIO: "Io",
};

const SENTENCES: Record<DiskError["code"], string> = {
  NotFound: "it is not there",
  NoSpace: "the disk is full; make room",
  Denied: "permission denied; check who owns the directory and whether it is mounted read-only",
  Io: "the device failed; check the disk and the kernel's log",
  Locked: "another process uses it",
  Other: "unexpected; see the system's error",
};

/** A {@link DiskError} for a system error by name (`EIO`). */
export function diskError(
  systemError: string,
  op: DiskError["op"],
  file: string,
  options?: ErrorOptions,
): DiskError {
  const code = CODES[systemError] ?? "Other";
  const what = file === "" ? "the data directory" : file;
  return new DiskError(
    op,
    code,
    file,
    `Can't ${op} ${what}: ${SENTENCES[code]} (${systemError}).`,
    options,
  );
}

/** A {@link DiskError} for whatever was thrown; one that is one already goes through. */
export function diskErrorFrom(error: unknown, op: DiskError["op"], file: string): DiskError {
  if (error instanceof DiskError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const name = typeof code === "string"
    ? code
    : error instanceof Error
    ? error.message
    : `${error}`;
  return diskError(name, op, file, { cause: error });
}
