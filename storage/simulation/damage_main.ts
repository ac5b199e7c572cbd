/**
 * Damages small stores by hand: `deno task sim:damage [--all | --all-bits] [--end closed|killed|killedHome]
 * [--kind flip|cut] [--file F --at N [--bit B]]`. With `--all` every bit of every byte is flipped, and every file
 * cut at every length; with `--all-bits` every bit of those bytes that are not zeroes among zeroes. What goes
 * wrong is printed with the command that does it again.
 *
 * @module
 */

import { type Damage, tryDamage } from "./damage_trial.ts";
import { damageCommandOf, runDamages } from "./damage_runs.ts";
import { makeSmallStore, type SmallStoreEnd } from "./small_store.ts";

const ENDS: readonly SmallStoreEnd[] = ["closed", "killed", "killedHome"];
const KINDS: readonly Damage["kind"][] = ["flip", "cut"];
const PRINTED_MAX = 20;

Deno.exit(await main() === 0 ? 0 : 1);

/** How many went wrong. */
async function main(): Promise<number> {
  let wrong = 0;
  for (const end of ENDS.filter((end) => (option("end") ?? end) === end)) {
    for (const kind of KINDS.filter((kind) => (option("kind") ?? kind) === kind)) {
      const file = option("file");
      if (file !== undefined) await tryOne(end, { kind, file });
      else wrong += await tryMany(end, kind);
    }
  }
  print(`${wrong} wrong`);
  return wrong;
}

async function tryOne(
  end: SmallStoreEnd,
  { kind, file }: { kind: Damage["kind"]; file: string },
): Promise<void> {
  const [at, bit] = [Number(option("at")), Number(option("bit") ?? 0)];
  const damage: Damage = kind === "flip" ? { kind, file, at, bit } : { kind, file, at };
  print(`${end}: ${await tryDamage(await makeSmallStore(end), damage)}`);
}

async function tryMany(end: SmallStoreEnd, kind: Damage["kind"]): Promise<number> {
  let wrong = 0;
  const isComplete = Deno.args.includes("--all");
  const withAllBits = isComplete || Deno.args.includes("--all-bits");
  const counts = await runDamages({ end, kind, isComplete, withAllBits }, (damage, error) => {
    if (++wrong > PRINTED_MAX) return;
    print(`${(error.cause as Error).message.split("\n")[0]}\n  ${damageCommandOf(end, damage)}`);
  });
  const sum = Object.values(counts).reduce((total, count) => total + count, 0);
  print(`${end}, ${kind}: ${sum} right, ${JSON.stringify(counts)}`);
  return wrong;
}

function option(name: string): string | undefined {
  const index = Deno.args.indexOf(`--${name}`);
  return index < 0 ? undefined : Deno.args[index + 1];
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
