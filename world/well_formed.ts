/**
 * Text that is kept as UTF-8. A JavaScript string may have half of a surrogate pair in it, as `slice` leaves it
 * where it cuts an emoji in two; UTF-8 has no bytes for that, and an encoder writes U+FFFD in its place. What is
 * read back is another text then, and texts that differed are one: two topics of one name.
 *
 * @module
 */

/** Of a text that is refused, so much is shown. */
const SHOWN_LENGTH_MAX = 60;

/** What is wrong with a text that UTF-8 can't hold, and what to do; `null`: nothing is. */
export function textMisfit(text: string, what: string): string | null {
  if (text.isWellFormed()) return null;
  const at = loneSurrogateAt(text);
  const from = Math.max(0, at - SHOWN_LENGTH_MAX / 2);
  const to = Math.min(text.length, from + SHOWN_LENGTH_MAX);
  const shown = `${from > 0 ? "…" : ""}${JSON.stringify(text.slice(from, to))}${
    to < text.length ? "…" : ""
  }`;
  return `${what} can't be kept as it is: ${shown} has half of a surrogate pair at index ${at}, and UTF-8 has ` +
    `no bytes for that. Cut strings between characters ([...text]), or call toWellFormed() first.`;
}

function loneSurrogateAt(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const codePoint = text.codePointAt(at)!;
    if (codePoint > 0xffff) at++;
    else if (codePoint >= 0xd800 && codePoint <= 0xdfff) return at;
  }
  return -1;
}
