import assert from "node:assert/strict";
import { textMisfit } from "./well_formed.ts";

Deno.test("textMisfit() finds half of a pair wherever it is, and shows it escaped", () => {
  for (const good of ["", "plain", "ü", "🎉", "a🎉b", "\ufffd", "\ue000"]) {
    assert.equal(textMisfit(good, "A key"), null);
  }
  const bad: [string, number][] = [
    ["\ud83c", 0],
    ["\udf89", 0],
    ["party \ud83c", 6],
    ["🎉\ud83c🎉", 2],
    ["\udf89\ud83c", 0],
    [`${"long ".repeat(100)}\ud83c and more`, 500],
  ];
  for (const [text, at] of bad) {
    const misfit = textMisfit(text, "A key")!;
    assert.match(misfit, /^A key can't be kept .*\\ud8|^A key can't be kept .*\\udf/);
    assert(misfit.includes(`at index ${at},`), misfit);
    assert(misfit.isWellFormed() && misfit.length < 400, misfit);
  }
});
