import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { complete, findReplCommand } from "./commands.ts";

Deno.test("complete() offers commands, then topics, and nothing behind them", () => {
  const topics = ["web", "logs", "lost"];
  deepStrictEqual(complete("", topics)[0].length, 10);
  deepStrictEqual(complete("re", topics), [["register "], "re"]);
  deepStrictEqual(complete("GE", topics), [["get "], "GE"]);
  deepStrictEqual(complete("get lo", topics), [["logs ", "lost "], "lo"]);
  deepStrictEqual(complete("get ", topics), [["logs ", "lost ", "web "], ""]);
  deepStrictEqual(complete("put logs l", topics), [[], "l"]);
  deepStrictEqual(complete("metrics l", topics), [[], "l"]);
  deepStrictEqual(complete("help st", topics), [["state "], "st"]);
});

Deno.test("findReplCommand() takes upper and lower case", () => {
  strictEqual(findReplCommand("PUT")?.name, "put");
  strictEqual(findReplCommand("nothing"), undefined);
});
