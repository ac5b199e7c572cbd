import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { makeServeCommand } from "../../cli/serve_options.ts";
import { readSourceTree } from "../house_rules/mod.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const README = await Deno.readTextFile(`${ROOT}README.md`);
const OPERATIONS = await Deno.readTextFile(`${ROOT}spec/OPERATIONS.md`);

/** What stands first in the rows of a table, of those that `pattern` fits. */
function firstCells(markdown: string, pattern: RegExp): string[] {
  return [...markdown.matchAll(new RegExp(`^\\| \`(${pattern.source})[^\`]*\``, "gm"))]
    .map((match) => match[1]!).sort();
}

function helpOfServe(): string {
  let text = "";
  const command = makeServeCommand().configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  return text;
}

Deno.test("README.md has every flag of serve, and no other", () => {
  const flags = makeServeCommand().options.map(({ long }) => long!).sort();
  assert.deepEqual(firstCells(README, /--[a-z-]+/), flags);
});

Deno.test("README.md has every environment variable of serve, and no other of ours", () => {
  const named = [...helpOfServe().matchAll(/^ {2}(WALRUS_[A-Z_]+)/gm)].map((match) => match[1]!);
  assert.ok(named.length > 4);
  assert.deepEqual(firstCells(README, /WALRUS_[A-Z_]+/), named.sort());
});

Deno.test("OPERATIONS.md quotes log lines that are in the program", async () => {
  const section = OPERATIONS.split("## Log lines worth an alarm")[1]!.split("\n## ")[0]!;
  const quoted = firstCells(section, /[A-Za-z][^`:]+/);
  assert.ok(quoted.length > 4, quoted.join());
  const sources = (await readSourceTree(ROOT))
    .filter(({ path }) => /^(server|storage|raft)\/.*\.ts$/.test(path) && !/_test\.ts$/.test(path));
  const unknown = quoted.filter((line) => !sources.some(({ text }) => text.includes(`"${line}`)));
  assert.deepEqual(unknown, []);
});
