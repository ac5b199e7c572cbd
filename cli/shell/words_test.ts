import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { splitWords } from "./words.ts";

function words(line: string): string[] {
  const split = splitWords(line);
  return split.ok ? split.words : [split.problem];
}

Deno.test("splitWords() splits at white space and keeps what is quoted", () => {
  deepStrictEqual(words("  put  logs hello "), ["put", "logs", "hello"]);
  deepStrictEqual(words(`put logs "two words"`), ["put", "logs", "two words"]);
  deepStrictEqual(words(`put logs 'it is "so"'`), ["put", "logs", 'it is "so"']);
  deepStrictEqual(words(`put logs ""`), ["put", "logs", ""]);
  deepStrictEqual(words(`a"b c"d`), ["ab cd"]);
  deepStrictEqual(words("   "), []);
});

Deno.test("splitWords() reads escapes within double quotes only", () => {
  deepStrictEqual(words(`"a\\n\\t\\"\\\\" 'b\\n' c\\n`), ['a\n\t"\\', "b\\n", "c\\n"]);
});

Deno.test("splitWords() says which quote is open", () => {
  strictEqual(words(`put "x`)[0], "The quote at column 5 is not closed.");
});

Deno.test("splitWords() gives back any words that were quoted", () => {
  fc.assert(fc.property(fc.array(fc.string()), (wished) => {
    const line = wished.map((word) => `"${word.replace(/["\\]/g, "\\$&")}"`).join(" ");
    deepStrictEqual(words(line), wished);
  }));
});
