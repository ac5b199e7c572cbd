/**
 * How a message is printed: for a person, for a program, or as it is.
 *
 * | format | what is written for one message |
 * | ------ | ------------------------------- |
 * | text | its bytes and a line feed; on a terminal everything that is no text is escaped (`\r`, `\x1b`, `\xff`) |
 * | raw | its bytes, nothing else |
 * | null | its bytes and a NUL byte, as `put --null` takes them |
 * | json | `{"offset":7,"text":"…"}` and a line feed; `"base64"` instead of `"text"` where it is not UTF-8 |
 * | hex | lines of 16 bytes, in hexadecimal and as characters |
 *
 * @module
 */

import { type Command, Option } from "commander";
import type { Output } from "../terminal.ts";
import { printable } from "./show.ts";

/** What `--raw`, `--null`, `--json` and `--hex` leave in the flags; at most one of them. */
export interface FormatFlags {
  raw?: boolean;
  json?: boolean;
  hex?: boolean;
  null?: boolean;
}

/** A message, with its offset where that is known. */
export interface PrintedMessage {
  bytes: Uint8Array;
  offset?: number;
}

const LINE_FEED = Uint8Array.of(0x0a);
const NUL = Uint8Array.of(0);
const HEX_ROW_BYTES = 16;

/** Adds the flags of which one can be chosen. */
export function addFormatFlags(command: Command): Command {
  return command
    .addOption(new Option("--raw", "the bytes, with nothing between messages"))
    .addOption(new Option("--json", "an object a line: text, or base64").conflicts("raw"))
    .addOption(new Option("--hex", "a hex dump").conflicts(["raw", "json"]))
    .addOption(
      new Option("-0, --null", "a NUL byte behind each message").conflicts(["raw", "json", "hex"]),
    );
}

/** Prints messages to `output` as the flags say. */
export function messagePrinter(
  output: Output,
  { raw, json, hex, null: isNulEnded }: FormatFlags,
): (message: PrintedMessage) => void {
  if (raw) return ({ bytes }) => output.outBytes(bytes);
  if (json) return (message) => output.out(`${jsonOf(message)}\n`);
  if (hex) return ({ bytes }) => output.out(hexOf(bytes));
  if (output.isTerminal && !isNulEnded) {
    return ({ bytes }) => output.out(`${printable(bytes)}\n`);
  }
  const end = isNulEnded ? NUL : LINE_FEED;
  return ({ bytes }) => {
    output.outBytes(bytes);
    output.outBytes(end);
  };
}

function jsonOf({ bytes, offset }: PrintedMessage): string {
  const place = offset === undefined ? {} : { offset };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return JSON.stringify({ ...place, text });
  } catch {
    return JSON.stringify({ ...place, base64: bytes.toBase64() });
  }
}

/** As `hexdump -C` does; the last line says the length. */
function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += HEX_ROW_BYTES) {
    const row = bytes.subarray(at, at + HEX_ROW_BYTES);
    const pairs = Array.from(row, (byte, i) => `${i === 8 ? " " : ""}${twoDigits(byte)} `).join("");
    const letters = Array.from(
      row,
      (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
    );
    text += `${place(at)}  ${pairs.padEnd(HEX_ROW_BYTES * 3 + 1)} |${letters.join("")}|\n`;
  }
  return `${text}${place(bytes.length)}\n`;
}

function place(at: number): string {
  return at.toString(16).padStart(8, "0");
}

function twoDigits(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
