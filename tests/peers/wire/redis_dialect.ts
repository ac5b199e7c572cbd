/**
 * Redis Streams: `XADD` with one field, an id of the server's choice.
 *
 * @module
 */

import type { Connection } from "../../../world/mod.ts";
import { type AnswerScanner, converse, type Dialect, LineScanner, refusal } from "./dialect.ts";

const DOLLAR = 0x24;

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
class BulkScanner extends LineScanner {
  protected override announces(bytes: Uint8Array, from: number, end: number): boolean {
    if (bytes[from] !== DOLLAR) throw refusal(bytes, from, end);
    return true;
  }
}
