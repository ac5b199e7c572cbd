/**
 * Text to stdout and stderr, and colours where a person reads them.
 *
 * @module
 */

import { styleText } from "node:util";

/** The styles that the command line uses. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";
/** Puts a text in a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Where a command writes. Errors and remarks go to `error`, so that `out` can be piped. */
export interface Output {
  /** Whether a person reads `out`. */
  isTerminal: boolean;
  /** The terminal's width, where there is one. */
  columns?: number;
  out(text: string): void;
  outBytes(bytes: Uint8Array): void;
  error(text: string): void;
  /** For `out`, `error`. */
  paint: Paint;
  paintError: Paint;
}

/** The process's own stdout and stderr. */
export function processOutput(): Output {
  const encoder = new TextEncoder();
  const isTerminal = Deno.stdout.isTerminal();
  return {
    isTerminal,
    ...isTerminal ? { columns: screenSize().columns } : {},
    out: (text) => writeWhole(Deno.stdout, encoder.encode(text)),
    outBytes: (bytes) => writeWhole(Deno.stdout, bytes),
    error: (text) => writeWhole(Deno.stderr, encoder.encode(text)),
    paint: painterFor(wantsColour(isTerminal)),
    paintError: painterFor(wantsColour(Deno.stderr.isTerminal())),
  };
}

/** The terminal's size, or that of the smallest one where it can't be told. */
export function screenSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    if (columns > 0 && rows > 0) return { columns, rows };
  } catch {
    // no terminal
  }
  return { columns: 80, rows: 24 };
}

/** Colours only on a terminal, and never where `NO_COLOR` is set to anything (no-color.org). */
export function wantsColour(isTerminal: boolean): boolean {
  return isTerminal && !Deno.env.get("NO_COLOR") && Deno.env.get("TERM") !== "dumb";
}

/** A {@link Paint} that does, or does not. */
export function painterFor(isColoured: boolean): Paint {
  if (!isColoured) return (_style, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}

function writeWhole(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}
