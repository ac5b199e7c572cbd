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
  /** The first step that was refused as not the specification's; where nothing else is looked for, whatever was found. */
  inside: Sighting | null;
  /** What was found without the specification. */
  outside: Sighting | null;
  /** Everybody who must find it did, in time. */
  isFound: boolean;
  /** What the simulation said. */
  report: string;
}

/** A seed, and the first line of what was wrong. */
export interface Sighting {
  seed: number;
  why: string;
}

/** How long a canary is looked for. */
export interface SearchOptions {
  /** Up to there, whatever the canary says, and from outside too. */
  seedsMax?: number;
  /** From outside too, even where it takes long. */
  isThorough?: boolean;
}

/**
 * Looks for one canary, by all who must find it.
 *
 * @throws {Error} when it can't be planted, because the product's text has changed.
 */
export async function findCanary(
  name: string,
  root: string,
  options: SearchOptions = {},
): Promise<CanaryFinding> {
  const canary = CANARIES[name];
  if (!canary) throw new Error(`There is no canary ${name}: ${Object.keys(CANARIES).join(", ")}`);
  const copy = await Deno.makeTempDir({ prefix: "walrus-canary-" });
  try {
    for (const folder of COPIED) await copyFolder(`${root}/${folder}`, `${copy}/${folder}`);
    for (const file of ROOT_FILES) {
      await Deno.copyFile(`${root}/${file}`, `${copy}/${file}`).catch(ignoreMissing);
    }
    for (const edit of canary.edits) await plant(edit, copy);
    const { outside: given = null, seedsMax } = canary;
    const wanted = given?.isRare && !options.isThorough ? null : given;
    const isOutside = wanted !== null || options.seedsMax !== undefined;
    const bound = Math.max(wanted?.seedsMax ?? 0, seedsMax);
    const args = ["run", "-A", V8_FLAGS, "tests/sim/main.ts", "--until-failure"];
    args.push("--seeds", `1..${options.seedsMax ?? bound}`);
    if (isOutside) args.push("--outside");
    if (canary.story) args.push("--story", canary.story);
    const command = new Deno.Command(Deno.execPath(), { args, cwd: copy });
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    const report = decoder.decode(stdout) + decoder.decode(stderr);
    const failed = sightingIn(report, "failed");
    if (!success && !failed) throw new Error(`The canary ${name} can't be run:\n${report}`);
    const inside = isOutside ? sightingIn(report, "refused") : failed;
    const outside = isOutside ? failed : null;
    const isFound = isInTime(inside ?? outside, seedsMax) &&
      (wanted === null || isInTime(outside, wanted.seedsMax));
    return { name, inside, outside, isFound, report };
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

function sightingIn(report: string, what: "refused" | "failed"): Sighting | null {
  const found = new RegExp(`^seed (\\d+) ${what}:\\n {2}(.*)$`, "m").exec(report);
  return found && { seed: Number(found[1]), why: found[2]! };
}

function isInTime(sighting: Sighting | null, seedsMax: number): boolean {
  return sighting !== null && sighting.seed <= seedsMax;
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
