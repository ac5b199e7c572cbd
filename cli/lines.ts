/**
 * Lines, or other records with an end mark, out of a stream of bytes.
 *
 * @module
 */

const LINE_FEED = 0x0a;

/** What {@link readLines} may be told. */
export interface LineOptions {
  /** The byte that ends a record; a line feed unless given. */
  endByte?: number;
  /** A longer record is an error; there is no limit unless given. */
  lengthBytesMax?: number;
}

/**
 * The lines of `source`, each with exactly its bytes: a CR before the line feed belongs to the line. What
 * stands behind the last line feed is a line too, unless it is nothing. Lines are the caller's own.
 *
 * @throws {RangeError} for a line that is longer than `lengthBytesMax`, before all of it is in memory.
 */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  { endByte = LINE_FEED, lengthBytesMax = Infinity }: LineOptions = {},
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let end; (end = chunk.indexOf(endByte, start)) >= 0; start = end + 1) {
      mustFit(restBytes + end - start, lengthBytesMax);
      if (rest.length === 0) yield chunk.slice(start, end);
      else {
        rest.push(chunk.subarray(start, end));
        yield joined(rest);
        rest = [];
        restBytes = 0;
      }
    }
    if (start < chunk.length) {
      rest.push(chunk.slice(start));
      restBytes += chunk.length - start;
      mustFit(restBytes, lengthBytesMax);
    }
  }
  if (rest.length > 0) yield joined(rest);
}

function mustFit(lengthBytes: number, lengthBytesMax: number): void {
  if (lengthBytes <= lengthBytesMax) return;
  throw new RangeError(`It has more than ${lengthBytesMax} bytes.`);
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
