import { deepStrictEqual, throws } from "node:assert/strict";
import { UsageError } from "../exit.ts";
import { sourceOf } from "./put_source.ts";

const AT_A_SHELL = { standardInput: async function* () {} };

Deno.test("sourceOf() takes words as they are, and none that Deno could not read", async () => {
  const flags = { retry: 0 };
  const source = await sourceOf(["two", "words 🎉"], flags, AT_A_SHELL)();
  deepStrictEqual(source, { kind: "one", message: new TextEncoder().encode("two words 🎉") });
  // What $'x\xff' is in Deno.args.
  throws(() => sourceOf(["x\ufffd"], flags, AT_A_SHELL), (error) => {
    return error instanceof UsageError &&
      /no UTF-8 text.*by - or --file <path>/.test(error.message);
  });
  throws(() => sourceOf(["x\ufffd"], flags, { standardInput: null }), /by --file <path>/);
});
