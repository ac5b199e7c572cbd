/**
 * `walrus verify`: reads all of a data directory and says what is damaged, and where.
 *
 * @module
 */

import { type VerifyReport, verifyStore } from "../storage/mod.ts";
import { LOCK_FILE } from "../storage/disk/directory.ts";
import { openDisk } from "../storage/disk/mod.ts";
import { RealClock } from "../world/real/mod.ts";
import { EXIT, FailureError } from "./exit.ts";
import type { Output } from "./terminal.ts";

/** What `walrus verify` is asked. */
export interface VerifyArgs {
  /** The directory of a node or a library; nobody may be using it. */
  dataDir: string;
  /** One JSON object instead of a table. */
  json: boolean;
}

/**
 * Verifies a data directory and prints what it found.
 *
 * @returns The exit code: 0 when everything could be read, 1 when something could not.
 * @throws {FailureError | DiskError | ForeignDirectoryError | CorruptionError}
 */
export async function runVerify(args: VerifyArgs, out: Pick<Output, "out">): Promise<number> {
  await mustBeStore(args.dataDir);
  const disk = await openDisk({ directory: args.dataDir });
  try {
    const report = await verifyStore({ disk, clock: new RealClock(), crc: disk.crc32c });
    if (report === null) throw new FailureError(`${args.dataDir} holds no Walrus data.`);
    out.out(args.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    return report.bad.length === 0 ? EXIT.ok : EXIT.failure;
  } finally {
    await disk.close();
  }
}

/** The name under which the store's own log is reported. */
const JOURNAL = "catalog";

/** Opening a directory makes it; looking at one must not. */
async function mustBeStore(dataDir: string): Promise<void> {
  try {
    await Deno.stat(`${dataDir}/${LOCK_FILE}`);
  } catch (error) {
    throw new FailureError(`${dataDir} is no Walrus data directory. Give one with --data-dir.`, {
      cause: error,
    });
  }
}

function describe(report: VerifyReport): string {
  const lines = [`${"log".padEnd(40)} ${"records".padStart(24)} ${"entries".padStart(12)}  state`];
  for (const log of report.logs) {
    const range = `${log.startPosition}–${log.endPosition}`;
    const bad = report.bad.filter((frame) => frame.log === log.name && frame.kind === "rotten");
    const state = bad.length > 0 ? "DAMAGED" : log.certain ? "good" : "good, end uncertain";
    const entries = log.endOffset - log.startOffset;
    lines.push(
      `${log.name.padEnd(40)} ${range.padStart(24)} ${String(entries).padStart(12)}  ${state}`,
    );
  }
  for (const { log, firstPosition, endPosition, file, fileOffset, kind } of report.bad) {
    const what = kind === "torn"
      ? `a torn tail at position ${firstPosition} (it will be cut)`
      : `positions ${firstPosition} to ${endPosition - 1} can't be read`;
    lines.push(`BAD  ${log}: ${what}, ${file} at byte ${fileOffset}`);
  }
  if (report.bad.some(({ log, kind }) => log === JOURNAL && kind === "rotten")) {
    lines.push(
      "The journal is rotten: no process opens this directory, and what is listed is what was known up to " +
        "the damage. A node of a cluster: remove it and add it again with an empty directory. Else: restore " +
        "a backup.",
    );
  }
  const total = `${report.logs.length} logs, ${report.bytesRead} bytes read in ` +
    `${
      report.durationMs.toFixed(0)
    } ms, ${report.files} data files of ${report.fileBytes} bytes, ` +
    `closed ${report.clean ? "cleanly" : "uncleanly"}`;
  lines.push(report.bad.length === 0 ? `All good: ${total}.` : `${total}.`);
  return `${lines.join("\n")}\n`;
}
