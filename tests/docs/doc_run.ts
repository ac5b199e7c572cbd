/**
 * Runs a document's script in a copy of the repository, with a loopback of its own: the default ports are free
 * there, and nothing that it starts outlives it.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { readSourceTree } from "../house_rules/mod.ts";
import type { DocBlock } from "./doc_blocks.ts";
import { NOTES, scriptOf } from "./doc_script.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUN_TIMEOUT_MS = 300_000;
const PROBE_TIMEOUT_MS = 10_000;
const OUTPUT_CHARACTERS_MAX = 6_000;
/** Everything in it is gone when `unshare` is. */
const ALONE = ["-rn", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Why documents can't be run here; `null` where they can. */
export async function whyNoDocs(): Promise<string | null> {
  try {
    const { success } = await new Deno.Command("unshare", {
      args: [...ALONE, "bash", "-c", "ip link set lo up"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    }).output();
    if (success) return null;
  } catch {
    // no unshare
  }
  return "network namespaces can't be made here";
}

/** Where `walrus` comes from: an executable, or from source. */
export interface DocRunOptions {
  executable: string | null;
}

/** Runs the blocks in order. @throws {Error} with the line of the one that failed and what it printed. */
export async function runBlocks(
  blocks: readonly DocBlock[],
  { executable }: DocRunOptions,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "walrus-docs-" });
  try {
    const repository = `${folder}/walrus`;
    for (const { path, text } of await readSourceTree(ROOT)) {
      await Deno.mkdir(dirname(`${repository}/${path}`), { recursive: true });
      await Deno.writeTextFile(`${repository}/${path}`, text);
    }
    for (const name of ["bin", "home", "tmp"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.mkdir(`${repository}/${NOTES}`);
    await writePrograms(`${folder}/bin`, { repository, executable });
    await Deno.writeTextFile(`${folder}/script`, scriptOf(blocks));
    await runScript(folder, repository);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** `deno` and `npx` are this very runtime: nothing is downloaded. */
async function writePrograms(
  bin: string,
  { repository, executable }: { repository: string; executable: string | null },
): Promise<void> {
  const deno = Deno.execPath();
  const source = `${deno} run -q -A --config ${repository}/deno.json ${repository}/main.ts`;
  const programs: Record<string, string> = {
    deno: `exec ${deno} "$@"`,
    npx: `[ "$1 $2" = "-y deno@${Deno.version.deno}" ] || exit 97\nshift 2\nexec ${deno} "$@"`,
    walrus: `exec ${executable ?? source} "$@"`,
  };
  for (const [name, text] of Object.entries(programs)) {
    await Deno.writeTextFile(`${bin}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
}

async function runScript(folder: string, repository: string): Promise<void> {
  const child = new Deno.Command("unshare", {
    args: [...ALONE, "bash", "-c", `ip link set lo up && exec bash "$0"`, `${folder}/script`],
    cwd: repository,
    env: {
      PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
      HOME: `${folder}/home`,
      XDG_CACHE_HOME: `${folder}/home/.cache`,
      TMPDIR: `${folder}/tmp`,
      DENO_DIR: await denoDir(),
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  // It does not listen to any other signal.
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_TIMEOUT_MS);
  const output = await child.output();
  clearTimeout(timer);
  if (output.success) return;
  const line = await readNote(repository, "current");
  const printed = await readNote(repository, "out");
  const said = `${new TextDecoder().decode(output.stderr)}${printed}`.slice(-OUTPUT_CHARACTERS_MAX);
  throw new Error(
    `The block at line ${line.trim()} failed, with exit code ${output.code}:\n${said}`,
  );
}

async function readNote(repository: string, name: string): Promise<string> {
  return await Deno.readTextFile(`${repository}/${NOTES}/${name}`).catch(() => "?");
}

/** Where this runtime keeps its packages, wherever the home is. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}
