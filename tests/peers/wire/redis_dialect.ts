/**
 * Redis Streams: `XADD` with one field, an id of the server's choice.
 *
 * @module
 */

import type { Connection } from "../../../world/mod.ts";
import { AnswerScanner, converse, type Dialect, endOfLine, refusal } from "./dialect.ts";

const DOLLAR = 0x24;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const CR = 0x0d;
const LINE_END_BYTES = 2;

/** Appends to one stream. */
export class RedisDialect implements Dialect {
  readonly messagesPerRequest = 1;

  async prepare(connection: Connection): Promise<void> {
    await converse(connection, "PING\r\n", "+PONG");
  }

  greet(): Promise<void> {
    return Promise.resolve();
  }

  request(payload: Uint8Array): Uint8Array {
    const head = `*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\nd\r\n$${payload.length}\r\n`;
    const encoder = new TextEncoder();
    return Uint8Array.of(...encoder.encode(head), ...payload, ...encoder.encode("\r\n"));
  }

  scanner(): AnswerScanner {
    return new BulkScanner();
  }
}

/** Bulk strings: `$<length> CR LF <bytes> CR LF`. */
class BulkScanner extends AnswerScanner {
  protected override scan(bytes: Uint8Array, end: number): number {
    let answers = 0;
    let at = 0;
    while (at < end) {
      const body = endOfLine(bytes, at, end);
      if (body === -1) break;
      if (bytes[at] === MINUS || bytes[at] !== DOLLAR) throw refusal(bytes, at, body);
      let length = 0;
      for (let i = at + 1; bytes[i] !== CR; i++) length = length * 10 + bytes[i]! - DIGIT_0;
      const next = body + length + LINE_END_BYTES;
      if (next > end) break;
      answers++;
      at = next;
    }
    this.scannedBytes = at;
    return answers;
  }
}
