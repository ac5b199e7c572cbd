/**
 * Lines out of a stream of bytes.
 *
 * @module
 */

const LINE_FEED = 0x0a;

/**
 * The lines of `source`, each with exactly its bytes: a CR before the line feed belongs to the line. What
 * stands behind the last line feed is a line too, unless it is nothing. Lines are the caller's own.
 */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  for await (const chunk of source) {
    let start = 0;
    for (let end; (end = chunk.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      if (rest.length === 0) yield chunk.slice(start, end);
      else {
        rest.push(chunk.subarray(start, end));
        yield joined(rest);
        rest = [];
      }
    }
    if (start < chunk.length) rest.push(chunk.slice(start));
  }
  if (rest.length > 0) yield joined(rest);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
