import { deepStrictEqual, rejects } from "node:assert/strict";
import fc from "fast-check";
import { readLines } from "./lines.ts";

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + sizes[i % sizes.length]!;
    await Promise.resolve();
    yield bytes.slice(at, end);
    at = end;
  }
}

async function linesOf(text: string, sizes: readonly number[] = [1000]): Promise<string[]> {
  const lines = await Array.fromAsync(readLines(cut(new TextEncoder().encode(text), sizes)));
  return lines.map((line) => new TextDecoder().decode(line));
}

Deno.test("readLines() keeps CRs, empty lines and a last line without a line feed", async () => {
  deepStrictEqual(await linesOf("a\r\nb\n\nlast"), ["a\r", "b", "", "last"]);
  deepStrictEqual(await linesOf("a\n"), ["a"]);
  deepStrictEqual(await linesOf("\n"), [""]);
  deepStrictEqual(await linesOf(""), []);
});

Deno.test("readLines() gives the same lines however the stream is cut", async () => {
  await fc.assert(fc.asyncProperty(
    fc.string({ unit: fc.constantFrom("a", "\n", "\r"), maxLength: 60 }),
    fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 9 }),
    async (text, sizes) => {
      const wished = text.split("\n");
      if (wished.at(-1) === "") wished.pop();
      deepStrictEqual(await linesOf(text, sizes), wished);
    },
  ));
});

Deno.test("readLines() splits at another byte, and refuses what is too long before it is read", async () => {
  const source = (text: string) => cut(new TextEncoder().encode(text), [3]);
  const records = await Array.fromAsync(readLines(source("a\nb\0\0c"), { endByte: 0 }));
  deepStrictEqual(records.map((bytes) => new TextDecoder().decode(bytes)), ["a\nb", "", "c"]);
  await rejects(
    Array.fromAsync(readLines(source("ab\nabcdef"), { lengthBytesMax: 5 })),
    RangeError,
  );
  await rejects(Array.fromAsync(readLines(source("abcdef\n"), { lengthBytesMax: 5 })), RangeError);
  deepStrictEqual(
    (await Array.fromAsync(readLines(source("abcde\n"), { lengthBytesMax: 5 }))).length,
    1,
  );
});
