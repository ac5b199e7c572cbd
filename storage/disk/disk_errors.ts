/**
 * From what the system says to what the store decides on.
 *
 * @module
 */

import { errnoName } from "../../ffi/mod.ts";
import { DiskError } from "../../world/mod.ts";

/** What each system error means to a store; what is not listed is `Other`. */
const CODES: Record<string, DiskError["code"]> = {
  ENOENT: "NotFound",
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EFBIG: "NoSpace",
  EACCES: "Denied",
  EPERM: "Denied",
  EROFS: "Denied",
  EIO: "Io",
};

const SENTENCES: Record<DiskError["code"], string> = {
  NotFound: "it is not there",
  NoSpace: "no room: the disk is full, or a quota or limit is reached",
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
  return diskError(systemErrorOf(error), op, file, { cause: error });
}

function systemErrorOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  const message = error instanceof Error ? error.message : String(error);
  // Deno gives a code to the commoner errors only.
  const errno = /\(os error (\d+)\)/.exec(message)?.[1];
  return errno === undefined ? message : errnoName(Number(errno));
}
