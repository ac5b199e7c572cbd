import assert from "node:assert/strict";
import { Scenario } from "./testing/mod.ts";

const folder = new URL("testdata/", import.meta.url);
/** `deno test -A raft/scenario_test.ts -- --rewrite`; then read the diff. */
const rewrite = Deno.args.includes("--rewrite");

const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
  name.endsWith(".txt")
).sort();

Deno.test("Raft scenarios: there are forty at least", () => {
  assert.ok(files.length >= 40, `${files.length} scenarios`);
});

for (const name of files) {
  Deno.test(`Raft scenario ${name.replace(".txt", "").replaceAll("_", " ")}`, () => {
    const url = new URL(name, folder);
    const text = Deno.readTextFileSync(url);
    const transcript = new Scenario().run(text);
    if (rewrite) Deno.writeTextFileSync(url, transcript);
    else assert.equal(transcript, text);
  });
}
