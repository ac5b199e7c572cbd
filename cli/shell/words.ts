/**
 * A typed line as words.
 *
 * @module
 */

/** The words of a line, and which of them stood in quotes; or what is wrong with it. */
export type Words =
  | { ok: true; words: string[]; isQuoted: boolean[] }
  | { ok: false; problem: string };

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", "0": "\0" };

/**
 * Splits at white space. `"…"` and `'…'` keep it; within `"…"` (only there) `\n`, `\r`, `\t`, `\0`,
 * `\"` and `\\` mean what they do in most languages.
 */
export function splitWords(line: string): Words {
  const words: string[] = [];
  const isQuoted: boolean[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && /\s/.test(line[at]!)) at++;
    if (at === line.length) return { ok: true, words, isQuoted };
    const word = readWord(line, at);
    if (word === null) {
      return { ok: false, problem: `The quote at column ${at + 1} is not closed.` };
    }
    words.push(word.text);
    isQuoted.push(line[at] === '"' || line[at] === "'");
    at = word.end;
  }
}

function readWord(line: string, start: number): { text: string; end: number } | null {
  let text = "";
  let quote: string | null = null;
  let at = start;
  for (; at < line.length; at++) {
    const unit = line[at]!;
    if (quote === null && /\s/.test(unit)) break;
    if (unit === quote) quote = null;
    else if (quote === null && (unit === '"' || unit === "'")) quote = unit;
    else if (quote === '"' && unit === "\\" && at + 1 < line.length) {
      const escaped = line[++at]!;
      text += ESCAPES[escaped] ?? escaped;
    } else text += unit;
  }
  return quote === null ? { text, end: at } : null;
}
