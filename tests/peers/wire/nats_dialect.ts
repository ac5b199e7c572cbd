/**
 * NATS JetStream: each message is published with a reply subject, and the stream's answer there says that it is
 * stored.
 *
 * @module
 */

import type { Connection } from "../../../world/mod.ts";
import { type AnswerScanner, converse, type Dialect, LineScanner } from "./dialect.ts";

const SUBJECT = "bench.in";
const M = 0x4d;
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
class MessageScanner extends LineScanner {
  protected override announces(bytes: Uint8Array, from: number): boolean {
    return bytes[from] === M;
  }

  protected override refuses(bytes: Uint8Array, body: number): boolean {
    return bytes[body + ERROR_MARK_AT] === ERROR_MARK;
  }
}
