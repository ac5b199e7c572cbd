/**
 * Answers as a person reads them.
 *
 * @module
 */

import type { Paint } from "../terminal.ts";

/**
 * A message as one printable text: UTF-8 as it is, with everything escaped that would move the cursor or
 * is no text at all (`\r`, `\x1b`, `\xff`).
 */
export function printable(message: Uint8Array): string {
  let text = "";
  let rest = message;
  while (rest.length > 0) {
    const valid = validPrefixBytes(rest);
    text += escapeControls(new TextDecoder().decode(rest.subarray(0, valid)));
    if (valid < rest.length) text += hex(rest[valid]!);
    rest = rest.subarray(valid + 1);
  }
  return text;
}

/** How many bytes at the front are whole UTF-8 characters. */
function validPrefixBytes(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    decoder.decode(bytes);
    return bytes.length;
  } catch {
    let at = 0;
    while (at < bytes.length) {
      const length = characterBytes(bytes, at, decoder);
      if (length === 0) break;
      at += length;
    }
    return at;
  }
}

const CHARACTER_BYTES_MAX = 4;

function characterBytes(bytes: Uint8Array, at: number, decoder: TextDecoder): number {
  if (bytes[at]! < 0x80) return 1;
  for (let length = 2; length <= CHARACTER_BYTES_MAX && at + length <= bytes.length; length++) {
    try {
      decoder.decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      // not a whole character yet
    }
  }
  return 0;
}

const NAMED_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (unit) => NAMED_ESCAPES[unit] ?? (unit < "\u0080" ? hex(unit.charCodeAt(0)) : unicode(unit)),
  );
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

function unicode(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** JSON over several lines, keys in colour. */
export function showJson(value: unknown, paint: Paint): string {
  const text = JSON.stringify(value, null, 2);
  return text.replace(
    /^( *)("(?:[^"\\]|\\.)*")(?=:)/gm,
    (_, indent, key) => indent + paint("cyan", key),
  );
}
