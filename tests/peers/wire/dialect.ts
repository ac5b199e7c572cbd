/**
 * What differs between the servers that are measured over TCP: how an append is written, and how its
 * answer is recognised. Everything else of the load is the same for all of them.
 *
 * @module
 */

import type { Connection } from "../../../world/mod.ts";

/** How one server is spoken to. */
export interface Dialect {
  /** Messages that one request appends. */
  readonly messagesPerRequest: number;
  /** Once, on the first connection: makes what is appended to. */
  prepare(connection: Connection): Promise<void>;
  /** On each connection, before its requests. */
  greet(connection: Connection): Promise<void>;
  /** One append of `payload`; all requests are the same bytes. */
  request(payload: Uint8Array): Uint8Array;
  /** Counts one connection's answers. */
  scanner(): AnswerScanner;
}

/** Answers that are longer than this can't be counted. */
const BUFFER_BYTES = 256 * 1024;

/** Counts whole answers without keeping them. The loop is: `space()`, a read into it, `filled()`. */
export abstract class AnswerScanner {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #filledBytes = 0;
  /** Set by `scan`: where the last whole answer ends. */
  protected scannedBytes = 0;

  /** Where the next read may put bytes. */
  space(): Uint8Array {
    return this.#buffer.subarray(this.#filledBytes);
  }

  /**
   * So many bytes of the last `space()` are filled.
   *
   * @returns How many answers became whole with them.
   * @throws {Error} when one of them is a refusal.
   */
  filled(countBytes: number): number {
    this.#filledBytes += countBytes;
    this.scannedBytes = 0;
    const answers = this.scan(this.#buffer, this.#filledBytes);
    this.#buffer.copyWithin(0, this.scannedBytes, this.#filledBytes);
    this.#filledBytes -= this.scannedBytes;
    if (this.#filledBytes === BUFFER_BYTES) throw new Error(`An answer has no end.`);
    return answers;
  }

  /** Counts the whole answers in `bytes[0, end)`. */
  protected abstract scan(bytes: Uint8Array, end: number): number;
}

const LF = 0x0a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const MINUS = 0x2d;
const LINE_END_BYTES = 2;

/** Answers of servers that speak in lines, some of which announce how many bytes follow them. */
export abstract class LineScanner extends AnswerScanner {
  protected override scan(bytes: Uint8Array, end: number): number {
    let answers = 0;
    let at = 0;
    while (at < end) {
      const body = endOfLine(bytes, at, end);
      if (body === -1) break;
      if (bytes[at] === MINUS) throw refusal(bytes, at, body);
      let next = body;
      if (this.announces(bytes, at, body)) {
        next = body + lastNumber(bytes, body) + LINE_END_BYTES;
        if (next > end) break;
        if (this.refuses(bytes, body)) throw refusal(bytes, body, next);
        answers++;
      }
      at = next;
    }
    this.scannedBytes = at;
    return answers;
  }

  /** Whether the line at `from` ends with a number of bytes that follow it, and with them is an answer. */
  protected abstract announces(bytes: Uint8Array, from: number, end: number): boolean;

  /** Whether the whole answer whose body begins at `body` is a refusal. */
  protected refuses(_bytes: Uint8Array, _body: number): boolean {
    return false;
  }
}

/** The number at the end of the line that ends before `lineEnd`. */
function lastNumber(bytes: Uint8Array, lineEnd: number): number {
  let value = 0;
  let unit = 1;
  for (let at = lineEnd - LINE_END_BYTES - 1; isDigit(bytes[at]); at--) {
    value += (bytes[at]! - DIGIT_0) * unit;
    unit *= 10;
  }
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= DIGIT_0 && byte <= DIGIT_9;
}

/** The place behind the line feed of the line at `from`; `-1` when it has not come yet. */
function endOfLine(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) if (bytes[at] === LF) return at + 1;
  return -1;
}

/** A refusal as a person reads it. */
export function refusal(bytes: Uint8Array, from: number, end: number): Error {
  const text = new TextDecoder().decode(bytes.subarray(from, Math.min(end, from + 200)));
  return new Error(`A request was answered with: ${text.trim()}`);
}

/** Sends `text`, and reads on until what came holds `mark`. */
export async function converse(connection: Connection, text: string, mark: string): Promise<void> {
  await connection.write(new TextEncoder().encode(text));
  const into = new Uint8Array(4096);
  let heard = "";
  while (!heard.includes(mark)) {
    const count = await connection.read(into);
    if (count === null) throw new Error(`The server hung up after: ${heard}`);
    heard += new TextDecoder().decode(into.subarray(0, count));
    if (/^-|error/im.test(heard)) throw new Error(`The server said: ${heard}`);
  }
}
