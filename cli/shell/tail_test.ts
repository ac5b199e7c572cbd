import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { firstOffsetOf, tailStart } from "./tail.ts";

Deno.test("tailStart() and firstOffsetOf() find the place, in what there is", () => {
  const place = (text: string, first = 10, next = 100) =>
    firstOffsetOf(tailStart(text), { first, next });
  strictEqual(place("beginning"), 10);
  strictEqual(place("end"), 100);
  strictEqual(place("42"), 42);
  strictEqual(place("3"), 10, "what was trimmed is passed over");
  strictEqual(place("200"), 200, "the node says that this is too far");
  strictEqual(place("-5"), 95);
  strictEqual(place("-500"), 10);
  deepStrictEqual(tailStart("-0"), { kind: "last", count: 0 });
  for (const text of ["", "start", "1.5", "--1", "1e3"]) throws(() => tailStart(text));
});
