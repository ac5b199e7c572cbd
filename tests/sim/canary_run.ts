/**
 * Plants a canary in a copy of the tree, and looks for it with simulations in a process of their own.
 *
 * @module
 */

import { CANARIES, type Edit } from "./canaries.ts";
import { V8_FLAGS } from "./fleet.ts";

/** What a simulation needs of the tree. */
const COPIED = ["world", "ffi", "storage", "raft", "client", "server", "tests"] as const;
const ROOT_FILES = ["deno.json", "deno.lock"] as const;

/** A canary that was looked for. */
export interface CanaryFinding {
  name: string;
  /** The seed that found it; `null` where none did. */
  seed: number | null;
  /** What the simulation said. */
  report: string;
}

/** Looks for one canary. @throws {Error} when it can't be planted, because the product's text has changed. */
export async function findCanary(name: string, root: string): Promise<CanaryFinding> {
  const canary = CANARIES[name];
  if (!canary) throw new Error(`There is no canary ${name}: ${Object.keys(CANARIES).join(", ")}`);
  const copy = await Deno.makeTempDir({ prefix: "walrus-canary-" });
  try {
    for (const folder of COPIED) await copyFolder(`${root}/${folder}`, `${copy}/${folder}`);
    for (const file of ROOT_FILES) {
      await Deno.copyFile(`${root}/${file}`, `${copy}/${file}`).catch(ignoreMissing);
    }
    for (const edit of canary.edits) await plant(edit, copy);
    const args = ["run", "-A", V8_FLAGS, "tests/sim/main.ts", "--until-failure"];
    args.push("--seeds", `1..${canary.seedsMax}`);
    if (canary.story) args.push("--story", canary.story);
    const command = new Deno.Command(Deno.execPath(), { args, cwd: copy });
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    const report = decoder.decode(stdout) + decoder.decode(stderr);
    const found = /^seed (\d+) failed:/m.exec(report);
    if (!success && !found) throw new Error(`The canary ${name} can't be run:\n${report}`);
    return { name, seed: found ? Number(found[1]) : null, report };
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

async function plant(edit: Edit, root: string): Promise<void> {
  const path = `${root}/${edit.file}`;
  const parts = (await Deno.readTextFile(path)).split(edit.from);
  if (parts.length !== 2) {
    throw new Error(
      `${edit.file} holds ${parts.length - 1} times the line that a canary replaces: ${edit.from}`,
    );
  }
  await Deno.writeTextFile(path, parts.join(edit.to));
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    if (entry.isDirectory) await copyFolder(`${from}/${entry.name}`, `${to}/${entry.name}`);
    else if (entry.name.endsWith(".ts")) {
      await Deno.copyFile(`${from}/${entry.name}`, `${to}/${entry.name}`);
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
