/**
 * Which Walrus this is, and how it was made.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { openShim } from "../ffi/mod.ts";

/** The version of the package. */
export const VERSION: string = config.version;

/** How the running program was made. Handed in by the entry of an executable; a source tree has none. */
export interface BuildInfo {
  form: "source" | "deno compile" | "launcher";
  /** Of the source, shortened; `+changes` behind it where files differed from it. */
  commit: string;
}

const FORMS: Readonly<Record<BuildInfo["form"], string>> = {
  source: "run from source",
  "deno compile": "one file, by deno compile",
  launcher: "one file, by a launcher that unpacks itself once",
};
/** Enough to see whether the kernel gives a ring. */
const PROBE_RING_ENTRIES = 4;

/** What `walrus version` prints. */
export async function describeVersion(build: BuildInfo | null): Promise<string> {
  const { form, commit } = build ?? { form: "source", commit: await commitOfSource() };
  return [
    `walrus ${VERSION}`,
    `commit   ${commit}`,
    `backend  ${await describeBackend()}`,
    `built    ${FORMS[form]}`,
    `runtime  deno ${Deno.version.deno}, ${Deno.build.target}`,
  ].map((line) => `${line}\n`).join("");
}

/** What `serve` would write with, by the same rules as the disk's. */
async function describeBackend(): Promise<string> {
  if (Deno.build.os !== "linux") return "file (io_uring is Linux's)";
  const opened = await openShim();
  if (!opened.ok) return `file (${opened.reason})`;
  const ring = opened.shim.openRing(PROBE_RING_ENTRIES);
  if (ring.ok) ring.ring.close();
  opened.shim.close();
  return ring.ok ? "io_uring" : `file (${ring.reason})`;
}

/** The commit of the source tree that this file lies in. */
export async function commitOfSource(): Promise<string> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const commit = await git(root, "rev-parse", "--short=12", "HEAD");
  if (commit === null) return "unknown";
  const changes = await git(root, "status", "--porcelain", "--untracked-files=no");
  return changes === "" ? commit : `${commit}+changes`;
}

async function git(root: string, ...args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["-C", root, ...args],
      stdin: "null",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null; // no git here
  }
}
