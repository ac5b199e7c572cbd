/**
 * The answers of one connection in the order of their requests, some of which are known later than those behind
 * them. What is known from the front on leaves in one write.
 *
 * @module
 */

import { ResponseWriter } from "../../client/wire.ts";
import type { Connection } from "../../world/mod.ts";

/** Answers of consecutive requests. */
class Part {
  readonly writer = new ResponseWriter();
  /** False while its one answer is not known. */
  isKnown = true;
}

/** An answer that holds up those behind it until it is given, once. */
export type LateAnswer = (write: (answers: ResponseWriter) => void) => void;

/** One per connection. */
export class AnswerQueue {
  readonly #connection: Connection;
  readonly #parts: Part[] = [];
  /** Sent, and to be used again. An idle connection has none. */
  #spare: Part | null = null;
  #sending: Promise<void> | null = null;
  #sendingBytes = 0;
  /** Grows with every completed write. */
  writes = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Where the next answer goes. Only until the caller's next `await`: what is being sent takes nothing more. */
  get writer(): ResponseWriter {
    const last = this.#parts.at(-1);
    if (last?.isKnown) return last.writer;
    const part = this.#spare ?? new Part();
    this.#spare = null;
    this.#parts.push(part);
    return part.writer;
  }

  /** A write has not been taken by the client yet. */
  get isSending(): boolean {
    return this.#sending !== null;
  }

  /** Bytes of answers that have not left. */
  get bufferedBytes(): number {
    let bytes = this.#sendingBytes;
    for (const { writer } of this.#parts) bytes += writer.lengthBytes;
    return bytes;
  }

  /** The next answer comes later: those behind it wait. */
  later(): LateAnswer {
    const part = new Part();
    part.isKnown = false;
    this.#parts.push(part);
    return (write) => {
      write(part.writer);
      part.isKnown = true;
    };
  }

  /** Sends what is known from the front on; resolves when the client has taken it. */
  send(): Promise<void> {
    if (this.#sending !== null) return this.#sending;
    if (!this.#hasKnown()) return Promise.resolve();
    return this.#sending = this.#sendKnown();
  }

  async #sendKnown(): Promise<void> {
    try {
      while (this.#hasKnown()) {
        const part = this.#parts.shift()!;
        this.#sendingBytes = part.writer.lengthBytes;
        await this.#connection.write(part.writer.bytes);
        this.writes++;
        part.writer.clear();
        this.#spare = part;
      }
    } finally {
      this.#sendingBytes = 0;
      this.#sending = null;
    }
  }

  #hasKnown(): boolean {
    return this.#parts[0]?.isKnown ?? false;
  }
}
