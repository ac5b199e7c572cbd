import { deepStrictEqual, ok } from "node:assert/strict";
import { painterFor } from "../terminal.ts";
import { complete, pathsFrom } from "./completion.ts";
import { promptCommands } from "./prompt_commands.ts";

const nothing = () => {};
const COMMANDS = promptCommands({
  output: {
    isTerminal: false,
    out: nothing,
    outBytes: nothing,
    error: nothing,
    paint: painterFor(false),
    paintError: painterFor(false),
  },
  prefix: "",
  standardInput: null,
  withClient: () => Promise.resolve(),
  interruptible: () => Promise.reject(new Error("not here")),
  warn: nothing,
}, nothing);

const KNOWN = {
  topics: ["web", "logs", "lost"],
  nodes: [12, 3, 1],
  paths: (begun: string) => [`${begun}og `, "other "],
};

function candidates(line: string): string[] {
  return complete(line, COMMANDS, KNOWN)[0];
}

Deno.test("complete() offers commands, then topics or node names, and nothing behind them", () => {
  ok(candidates("").includes("remove-node "));
  deepStrictEqual(complete("re", COMMANDS, KNOWN), [["register ", "remove-node "], "re"]);
  deepStrictEqual(complete("GE", COMMANDS, KNOWN), [["get "], "GE"]);
  deepStrictEqual(candidates("get lo"), ["logs ", "lost "]);
  deepStrictEqual(candidates("get "), ["logs ", "lost ", "web "]);
  deepStrictEqual(candidates("get --all lo"), ["logs ", "lost "]);
  deepStrictEqual(candidates("remove-node "), ["1 ", "3 ", "12 "]);
  deepStrictEqual(candidates("put logs l"), []);
  deepStrictEqual(candidates("metrics l"), []);
  deepStrictEqual(candidates("nothing l"), []);
  deepStrictEqual(candidates("help st"), ["state "]);
});

Deno.test("complete() offers flags once, and what may stand behind them", () => {
  deepStrictEqual(candidates("get logs --r"), ["--raw "]);
  deepStrictEqual(candidates("get logs --raw --r"), []);
  deepStrictEqual(candidates("put logs --file l"), ["log "]);
  deepStrictEqual(candidates("put logs -f l"), ["log "]);
  deepStrictEqual(candidates("put logs --retry "), []);
});

Deno.test("pathsFrom() names what is in the folder of a path", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.log`, "");
    await Deno.mkdir(`${folder}/b`);
    deepStrictEqual(pathsFrom(`${folder}/a`), [`${folder}/a.log `, `${folder}/b/`]);
    deepStrictEqual(pathsFrom(`${folder}/missing/`), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
