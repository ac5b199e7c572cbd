/**
 * The byte examples of the protocol's document: requests and answers in hexadecimal.
 *
 * @module
 */

/** A request and its answer, with their length bytes. */
export interface ByteExample {
  request: Uint8Array;
  /** `null` is a byte that is not always the same. */
  answer: (number | null)[];
  /** The answer's length is not given: more follows. */
  isOpen: boolean;
  /** Of the first line of its request, from 1. */
  line: number;
}

interface Frame {
  bytes: (number | null)[];
  line: number;
}

/** Bytes with one space between; what stands behind two spaces is for people. */
const HEX_LINE = /^((?:(?:[0-9a-f]{2}|\.\.)(?: |$))+)(?: |$)/;
const HEAD_BYTES = 4;

/** All examples of a document, in order. @throws {Error} where frames are not whole, or not in pairs. */
export function byteExamplesOf(markdown: string): ByteExample[] {
  const frames = framesOf(markdown);
  if (frames.length % 2 !== 0) throw new Error(`${frames.length} frames are no pairs.`);
  return Array.from({ length: frames.length / 2 }, (_, i) => {
    const [request, answer] = [frames[2 * i]!, frames[2 * i + 1]!];
    if (request.bytes.includes(null)) throw new Error(`Line ${request.line}: an open request.`);
    return {
      request: Uint8Array.from(request.bytes as number[]),
      answer: answer.bytes,
      isOpen: answer.bytes[0] === null,
      line: request.line,
    };
  });
}

function framesOf(markdown: string): Frame[] {
  const frames: Frame[] = [];
  /** Bytes that the frame at the end still lacks; an open frame ends where something else follows. */
  let missing = 0;
  for (const [i, text] of markdown.split("\n").entries()) {
    const bytes = bytesOf(text, { min: missing > 0 ? 1 : HEAD_BYTES });
    if (bytes === null) {
      if (missing === Infinity) missing = 0;
      if (missing > 0) throw new Error(`Line ${i + 1}: the frame above lacks ${missing} bytes.`);
      continue;
    }
    if (missing > 0) {
      frames.at(-1)!.bytes.push(...bytes);
      missing -= bytes.length;
    } else {
      frames.push({ bytes, line: i + 1 });
      missing = bytes[0] === null ? Infinity : lengthOf(bytes) + HEAD_BYTES - bytes.length;
    }
    if (missing < 0) throw new Error(`Line ${i + 1}: ${-missing} bytes too many.`);
  }
  return frames;
}

function bytesOf(text: string, { min }: { min: number }): (number | null)[] | null {
  const tokens = HEX_LINE.exec(text)?.[1]?.trim().split(" ") ?? [];
  if (tokens.length < min) return null;
  return tokens.map((token) => token === ".." ? null : Number.parseInt(token, 16));
}

function lengthOf(bytes: readonly (number | null)[]): number {
  return bytes.slice(0, HEAD_BYTES).reduceRight((sum: number, byte) => sum * 256 + byte!, 0);
}

/** Whether `got`, with its length bytes, is the example's answer. */
export function isAnswer(got: Uint8Array, { answer, isOpen }: ByteExample): boolean {
  const hasLength = isOpen ? got.length > answer.length : got.length === answer.length;
  return hasLength && answer.every((byte, i) => byte === null || byte === got[i]);
}
