/**
 * Run by `disk_faults_test.ts` under strace: commits to the files f0, f1 … of a directory, one after another,
 * and prints what came of each. Arguments: directory, backend, how many writes each commit has, and at which offset they begin.
 *
 * @module
 */

import { DIRECT_BLOCK_BYTES, DiskError } from "../../world/mod.ts";
import { openDisk } from "./mod.ts";

const [directory, backend, writesPerCommit, start = "0"] = Deno.args;
const disk = await openDisk({ directory: directory!, disableUring: backend === "file" });
async function commitAll(): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < 4; i++) {
    const file = await disk.open(`f${i}`, { create: true });
    const buffer = disk.newBuffer(DIRECT_BLOCK_BYTES).fill(i + 1);
    const writes = Array.from({ length: Number(writesPerCommit) }, (_, at) => ({
      file,
      fileOffset: Number(start) + at * DIRECT_BLOCK_BYTES,
      buffer,
      bufferOffset: 0,
      length: DIRECT_BLOCK_BYTES,
    }));
    try {
      await disk.commit(writes, [file]);
      outcomes.push("done");
    } catch (error) {
      outcomes.push(
        error instanceof DiskError ? `${error.op} ${error.code} ${error.file}` : `${error}`,
      );
    }
  }
  return outcomes;
}

const outcomes = await commitAll();
await disk.close();
await Deno.stdout.write(
  new TextEncoder().encode(
    JSON.stringify({ backend: disk.backend, reason: disk.reason, outcomes }),
  ),
);
