import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startStandIn } from "../../client/testing/mod.ts";
import { readLines } from "../lines.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

Deno.test({
  name: "walrus cli tail ends with 0 when it is interrupted, and has printed all that came",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using standIn = await startStandIn();
    const messages = ["one", "two"].map((text) => new TextEncoder().encode(text));
    standIn.node.topics.set("t", { messages, cursor: 0 });
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-q", "-A", "--config", CONFIG, MAIN],
        ...["cli", "--addr", standIn.address, "tail", "t", "--from", "beginning"],
      ],
      env: { DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines: string[] = [];
    for await (const line of readLines(child.stdout)) {
      if (lines.push(new TextDecoder().decode(line)) === 2) child.kill("SIGINT");
    }
    deepStrictEqual(lines, ["one", "two"]);
    strictEqual((await child.status).code, 0);
  },
});
