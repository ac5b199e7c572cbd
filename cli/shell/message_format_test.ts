import { strictEqual } from "node:assert/strict";
import { type Output, painterFor } from "../terminal.ts";
import { type FormatFlags, messagePrinter } from "./message_format.ts";

function printed(bytes: Uint8Array, flags: FormatFlags, options = { isTerminal: false }): string {
  let text = "";
  const output: Output = {
    ...options,
    out: (part) => void (text += part),
    // One character a byte, so that a test sees every one.
    outBytes: (part) => void (text += String.fromCharCode(...part)),
    error: () => {},
    paint: painterFor(false),
    paintError: painterFor(false),
  };
  messagePrinter(output, flags)({ bytes, offset: 7 });
  return text;
}

const TEXT = new TextEncoder().encode("two\nlines\x1b[2J");
const BINARY = Uint8Array.from({ length: 18 }, (_, i) => i === 16 ? 0xff : 0x30 + i);

Deno.test("messagePrinter() keeps every byte where no terminal reads", () => {
  strictEqual(printed(TEXT, {}), "two\nlines\x1b[2J\n");
  strictEqual(printed(BINARY, {}), String.fromCharCode(...BINARY, 0x0a));
  strictEqual(printed(BINARY, { raw: true }), String.fromCharCode(...BINARY));
  strictEqual(printed(TEXT, { null: true }), "two\nlines\x1b[2J\0");
});

Deno.test("messagePrinter() lets no message move a terminal's cursor, unless it is asked to", () => {
  const options = { isTerminal: true };
  strictEqual(printed(TEXT, {}, options), "two\\nlines\\x1b[2J\n");
  strictEqual(printed(TEXT, { raw: true }, options), "two\nlines\x1b[2J");
});

Deno.test("messagePrinter() writes an object a line, with base64 for what is no text", () => {
  strictEqual(printed(TEXT, { json: true }), '{"offset":7,"text":"two\\nlines\\u001b[2J"}\n');
  strictEqual(printed(Uint8Array.of(0xff, 0), { json: true }), '{"offset":7,"base64":"/wA="}\n');
});

Deno.test("messagePrinter() dumps bytes as hexdump -C does", () => {
  const first = "00000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|\n";
  const second = `00000010  ff 41 ${" ".repeat(43)} |.A|\n00000012\n`;
  strictEqual(printed(BINARY, { hex: true }), first + second);
  strictEqual(printed(new Uint8Array(0), { hex: true }), "00000000\n");
});
