/**
 * Walrus over TCP, single messages; the echo server speaks it too.
 *
 * @module
 */

import { RequestWriter } from "../../../client/mod.ts";
import type { Connection } from "../../../world/mod.ts";
import { AnswerScanner, type Dialect, refusal } from "./dialect.ts";

const HEADER_BYTES = 4;
const BATCH_MESSAGES = 100;
const O = 0x4f;
const K = 0x4b;

/** `PUT`; a registered topic is all that it needs. */
export class WalrusDialect implements Dialect {
  readonly messagesPerRequest: number = 1;
  protected readonly topic: string;

  constructor(topic: string) {
    this.topic = topic;
  }

  async prepare(connection: Connection): Promise<void> {
    const writer = new RequestWriter();
    writer.addTopicRequest("REGISTER", this.topic);
    await connection.write(writer.bytes);
    const scanner = this.scanner();
    for (let answers = 0; answers === 0;) {
      const count = await connection.read(scanner.space());
      if (count === null) throw new Error("The node hung up.");
      answers = scanner.filled(count);
    }
  }

  greet(): Promise<void> {
    return Promise.resolve();
  }

  request(payload: Uint8Array): Uint8Array {
    const writer = new RequestWriter();
    writer.addPut(this.topic, payload);
    return writer.bytes.slice();
  }

  scanner(): AnswerScanner {
    return new FrameScanner();
  }
}

/** `APPEND` of many messages at once. */
export class WalrusBatchDialect extends WalrusDialect {
  override readonly messagesPerRequest = BATCH_MESSAGES;

  /** A frame of `APPEND <topic> <count> `, then each message behind its length. */
  override request(payload: Uint8Array): Uint8Array {
    const head = new TextEncoder().encode(`APPEND ${this.topic} ${BATCH_MESSAGES} `);
    const entryBytes = HEADER_BYTES + payload.length;
    const frame = new Uint8Array(HEADER_BYTES + head.length + BATCH_MESSAGES * entryBytes);
    const view = new DataView(frame.buffer);
    view.setUint32(0, frame.length - HEADER_BYTES, true);
    frame.set(head, HEADER_BYTES);
    for (let at = HEADER_BYTES + head.length; at < frame.length; at += entryBytes) {
      view.setUint32(at, payload.length, true);
      frame.set(payload, at + HEADER_BYTES);
    }
    return frame;
  }
}

/** Frames that begin with `OK`. */
class FrameScanner extends AnswerScanner {
  protected override scan(bytes: Uint8Array, end: number): number {
    let answers = 0;
    let at = 0;
    while (at + HEADER_BYTES <= end) {
      const length = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
      const next = at + HEADER_BYTES + length;
      if (next > end) break;
      if (bytes[at + HEADER_BYTES] !== O || bytes[at + HEADER_BYTES + 1] !== K) {
        throw refusal(bytes, at + HEADER_BYTES, next);
      }
      answers++;
      at = next;
    }
    this.scannedBytes = at;
    return answers;
  }
}
