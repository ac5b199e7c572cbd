import { strictEqual } from "node:assert/strict";
import { nearest } from "./nearest.ts";

Deno.test("nearest() finds the word that was begun, or mistyped a little", () => {
  const words = ["register", "put", "get", "state", "metrics"];
  strictEqual(nearest("reg", words), "register");
  strictEqual(nearest("sttae", words), "state");
  strictEqual(nearest("GTE", words), "get");
  strictEqual(nearest("matrics", words), "metrics");
  strictEqual(nearest("banana", words), undefined);
  strictEqual(nearest("", words), undefined);
});
