/**
 * `deno task bench:peers`: the storage engine beside other engines, then a whole node beside other servers.
 * Each part gets the flags that it knows; `bench:peers:storage` and `bench:peers:wire` are one of them alone.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Each with the flags that it takes. */
const PARTS: { script: string; flags: string[] }[] = [
  { script: "bench.ts", flags: ["seconds", "rounds", "gigabytes", "dir", "json"] },
  { script: "wire/bench.ts", flags: ["seconds", "rounds", "dir", "json"] },
];

/** The arguments without those that `flags` doesn't have; `--name value` and `--name=value` both. */
export function argumentsFor(flags: readonly string[], args: readonly string[]): string[] {
  const taken: string[] = [];
  let isTaken = true;
  for (const arg of args) {
    if (arg.startsWith("--")) isTaken = flags.includes(arg.slice(2).split("=")[0]!);
    if (isTaken) taken.push(arg);
  }
  return taken;
}

async function runParts(args: string[]): Promise<number> {
  for (const { script, flags } of PARTS) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", path, ...argumentsFor(flags, args)],
    });
    const { code } = await command.spawn().status;
    if (code !== 0) return code;
  }
  return 0;
}

if (import.meta.main) Deno.exit(await runParts(Deno.args));
