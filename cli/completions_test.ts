import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Command } from "commander";
import { completionsFor } from "./completions.ts";

function program(): Command {
  const program = new Command("walrus").option("--verbose", "");
  program.addCommand(new Command("serve").option("--node-id <n>", ""));
  const shell = new Command("cli").option("--addr <a>", "");
  shell.command("put").option("--raw", "");
  return program.addCommand(shell);
}

/** What bash offers behind a command line; the last word is the one at the cursor. */
async function completeInBash(...words: string[]): Promise<string[]> {
  const script = `${completionsFor("bash", program())}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _walrus; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", script, "bash", ...words] })
    .output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

Deno.test({
  name: "completionsFor() gives bash the words that fit the place" +
    (Deno.build.os === "windows" ? " (skipped: there is no bash)" : ""),
  ignore: Deno.build.os === "windows",
  fn: async () => {
    deepStrictEqual(await completeInBash("walrus", ""), ["serve", "cli", "--verbose", "--help"]);
    deepStrictEqual(await completeInBash("walrus", "se"), ["serve"]);
    deepStrictEqual(await completeInBash("walrus", "serve", "--n"), ["--node-id"]);
    deepStrictEqual(await completeInBash("walrus", "cli", "--addr", "a:1", "p"), ["put"]);
    deepStrictEqual(await completeInBash("walrus", "cli", "put", "--"), ["--raw", "--help"]);
  },
});

Deno.test("completionsFor() makes a script for zsh that names each command", () => {
  const script = completionsFor("zsh", program());
  strictEqual(script.split("\n")[0], "#compdef walrus");
  for (const path of ["serve", "cli", "cli put"]) match(script, new RegExp(`"${path}"\\) offers=`));
});
