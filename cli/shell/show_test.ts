import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { painterFor } from "../terminal.ts";
import { printable, showJson } from "./show.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("printable() leaves text alone and escapes what is none", () => {
  strictEqual(printable(encode("Grüße, 漢字 🙂")), "Grüße, 漢字 🙂");
  strictEqual(printable(encode("line\r\n\t\u001b[2J\u009b")), "line\\r\\n\\t\\x1b[2J\\u009b");
  strictEqual(printable(Uint8Array.of(0xff, 0x41, 0xc3)), "\\xffA\\xc3");
  strictEqual(printable(Uint8Array.of(0xf0, 0x9f, 0x99)), "\\xf0\\x9f\\x99");
  strictEqual(printable(new Uint8Array(0)), "");
});

Deno.test("printable() never lets a control character through, whatever the bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    ok(!/\p{Cc}/u.test(printable(bytes)));
  }));
});

Deno.test("showJson() says the same with and without colours", () => {
  const value = { a: { 'b"c': [1, "x: y"] } };
  deepStrictEqual(JSON.parse(showJson(value, painterFor(false))), value);
  const coloured = showJson(value, painterFor(true));
  ok(coloured.includes("\u001b["));
  deepStrictEqual(JSON.parse(coloured.replace(/\p{Cc}\[\d+m/gu, "")), value);
});
