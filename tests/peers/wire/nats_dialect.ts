/**
 * NATS JetStream: each message is published with a reply subject, and the stream's answer there says that it is
 * stored.
 *
 * @module
 */

import type { Connection } from "../../../world/mod.ts";
import { AnswerScanner, converse, type Dialect, endOfLine, refusal } from "./dialect.ts";

const SUBJECT = "bench.in";
const CR = 0x0d;
const SPACE = 0x20;
const DIGIT_0 = 0x30;
const M = 0x4d;
const MINUS = 0x2d;
const LINE_END_BYTES = 2;
/** A refusal is `{"error":…`, a good answer `{"stream":…`. */
const ERROR_MARK = 0x65;
const ERROR_MARK_AT = 2;

/** Appends to one stream on files, one replica. */
export class NatsDialect implements Dialect {
  readonly messagesPerRequest = 1;
  #connections = 0;
  #inbox = "";

  async prepare(connection: Connection): Promise<void> {
    const stream = JSON.stringify({
      ...{ name: "BENCH", subjects: [SUBJECT], storage: "file", retention: "limits" },
      ...{ num_replicas: 1, max_bytes: -1, max_msgs: -1, discard: "old" },
    });
    const create = `PUB $JS.API.STREAM.CREATE.BENCH made ${stream.length}\r\n${stream}\r\n`;
    await converse(connection, `CONNECT {"verbose":false}\r\nSUB made 1\r\n${create}`, "created");
  }

  /** All connections answer to inboxes of their own: the server must not fan out. */
  async greet(connection: Connection): Promise<void> {
    this.#inbox = `inbox.${this.#connections++}`;
    const hello = `CONNECT {"verbose":false}\r\nSUB ${this.#inbox} 1\r\nPING\r\n`;
    await converse(connection, hello, "PONG");
  }

  /** For the connection that was greeted last. */
  request(payload: Uint8Array): Uint8Array {
    const encoder = new TextEncoder();
    const head = encoder.encode(`PUB ${SUBJECT} ${this.#inbox} ${payload.length}\r\n`);
    return Uint8Array.of(...head, ...payload, ...encoder.encode("\r\n"));
  }

  scanner(): AnswerScanner {
    return new MessageScanner();
  }
}

/** `MSG <subject> <sid> <length> CR LF <bytes> CR LF`; other lines are the server's own affairs. */
class MessageScanner extends AnswerScanner {
  protected override scan(bytes: Uint8Array, end: number): number {
    let answers = 0;
    let at = 0;
    while (at < end) {
      const body = endOfLine(bytes, at, end);
      if (body === -1) break;
      if (bytes[at] === MINUS) throw refusal(bytes, at, body);
      let next = body;
      if (bytes[at] === M) {
        next = body + lastNumber(bytes, body) + LINE_END_BYTES;
        if (next > end) break;
        if (bytes[body + ERROR_MARK_AT] === ERROR_MARK) throw refusal(bytes, body, next);
        answers++;
      }
      at = next;
    }
    this.scannedBytes = at;
    return answers;
  }
}

/** The number at the end of the line that ends before `lineEnd`. */
function lastNumber(bytes: Uint8Array, lineEnd: number): number {
  let from = lineEnd - LINE_END_BYTES;
  while (bytes[from - 1] !== SPACE) from--;
  let value = 0;
  for (let at = from; bytes[at] !== CR; at++) value = value * 10 + bytes[at]! - DIGIT_0;
  return value;
}
