import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildShim } from "../../ffi/build.ts";
import { buildExecutable } from "../../packaging/mod.ts";
import { blocksOf, type DocBlock } from "./doc_blocks.ts";
import { runBlocks, whyNoDocs } from "./doc_run.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "spec/OPERATIONS.md",
  "spec/PROTOCOL.md",
  "spec/ARCHITECTURE.md",
];

const missing = await whyNoDocs() ?? await whyNoExecutable() ?? await whyNoPython();
const executable = missing === null ? await Deno.makeTempFile({ prefix: "walrus-docs-exe-" }) : "";
const built = missing === null ? buildExecutable({ output: executable }) : null;
// The tests' own failure shows it; it is not to end the test run before.
built?.catch(() => {});

/** The README builds it. */
async function whyNoExecutable(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "the executable is for Linux";
  const shim = await buildShim();
  return shim.ok ? null : shim.reason;
}

async function whyNoPython(): Promise<string | null> {
  try {
    const { success } = await new Deno.Command("python3", { args: ["--version"] }).output();
    if (success) return null;
  } catch {
    // none
  }
  return "python3 is not installed";
}

async function blocksIn(path: string): Promise<DocBlock[]> {
  try {
    return blocksOf(await Deno.readTextFile(`${ROOT}${path}`));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

for (const path of DOCUMENTS) {
  Deno.test({
    name: missing === null ? `${path} does what it says` : `${path} (skipped: ${missing})`,
    ignore: missing !== null,
    fn: async () => {
      await built;
      await runBlocks(await blocksIn(path), { executable });
    },
  });
}

Deno.test("Documents name only files that run what they are said to run", async () => {
  for (const path of DOCUMENTS) {
    for (const { kind, detail, text, line } of await blocksIn(path)) {
      if (kind !== "run-by") continue;
      const runner = await Deno.readTextFile(`${ROOT}${detail}`);
      for (const command of text.trim().split("\n")) {
        const words = /\bdeno(?:@\S+)? (.+)$/.exec(command)?.[1];
        assert.ok(runner.includes(`"\${DENO[@]}" ${words}\n`), `${path}:${line}: ${command}`);
      }
    }
  }
});

Deno.test("Documents name only files and folders that are there", async () => {
  const gone: string[] = [];
  for (const path of DOCUMENTS) {
    const text = await Deno.readTextFile(`${ROOT}${path}`);
    for (const [, name] of text.matchAll(/`([a-z_.]+\/[\w./-]*?(?:\/|\.[a-z]{2,4}))`/g)) {
      if (/^(data|dist)\//.test(name!)) continue; // made by who follows the document
      const isThere = await Deno.stat(`${ROOT}${name}`).then(() => true, () => false);
      if (!isThere) gone.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(gone, []);
});

Deno.test("runBlocks() fails where a command fails, or prints something else", async (t) => {
  if (missing !== null) return;
  const failing: [string, RegExp][] = [
    ["```sh\ntrue\n```\n```sh\nfalse\n```\n", /line 5 failed/],
    ["```sh\necho hello\n```\n```text output\nhallo\n```\n", /line 5 failed[^]*hallo/],
    ["```sh terminal: Ready\necho Steady\n```\n", /does not show: Ready/],
    ["```sh prompt\ncat\nwalrus> one\ntwo\n```\n", /line 2 failed/],
    ["```sh\nfalse | true\n```\n", /line 2 failed/],
  ];
  for (const [text, message] of failing) {
    await t.step(JSON.stringify(text), async () => {
      await assert.rejects(runBlocks(blocksOf(text), { executable }), message);
    });
  }
  await t.step("and not otherwise", async () => {
    const good = "```sh\nx=1\n```\n```sh not-run: never\nfalse\n```\n```sh\necho $x\n```\n" +
      "```text output\n1\n```\n```sh terminal: Ready\necho Ready; sleep 1000\n```\n" +
      "```sh prompt\ncat\nwalrus> one\none\n```\n```sh ctrl-c\ntrue\n```\n";
    await runBlocks(blocksOf(good), { executable });
  });
});

Deno.test("blocksOf() takes no info string that it does not know", () => {
  for (const info of ["sh not-run", "sh runby: x", "text file", "sh terminal", "ts output"]) {
    assert.throws(() => blocksOf(`\`\`\`${info}\nx\n\`\`\`\n`), /info string/, info);
  }
  assert.deepEqual(blocksOf("```sh\na\n```\n\n```ts ignore\nb\n```\n").map(({ kind }) => kind), [
    "run",
    "other",
  ]);
});

Deno.test.afterAll(async () => {
  if (missing === null) await Deno.remove(executable);
});
