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
  /** Sent behind the writer's bytes, from where it stands; nothing is added to the part any more. */
  body: Uint8Array | null = null;
  /** Gives the body's memory back. */
  release: (() => void) | undefined;

  dropBody(): void {
    this.release?.();
    this.body = null;
    this.release = undefined;
  }

  get lengthBytes(): number {
    return this.writer.lengthBytes + (this.body?.length ?? 0);
  }
}

/** Packed entries from here on are not copied behind the other answers: they get a write of their own. */
const OWN_WRITE_BYTES = 32 * 1024;

/** An answer that holds up those behind it until it is given, once. */
export interface LateAnswer {
  entries(fetched: FetchedEntries): void;
  error(message: string): void;
}

/** What answers a `FETCH`. The bytes stay as they are until they are sent. */
export interface FetchedEntries {
  firstOffset: number;
  count: number;
  bytes: Uint8Array;
  /** Called when they are not needed any more. */
  release?: (() => void) | undefined;
}

/** One per connection. */
export class AnswerQueue {
  readonly #connection: Connection;
  readonly #parts: Part[] = [];
  /** Sent, and to be used again. An idle connection has none. */
  #spare: Part | null = null;
  #sending: Promise<void> | null = null;
  #sent: Part | null = null;
  #isDiscarded = false;
  /** Grows with every completed write. */
  writes = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Where the next answer goes. Only until the caller's next `await`: what is being sent takes nothing more. */
  get writer(): ResponseWriter {
    const last = this.#parts.at(-1);
    if (last !== undefined && last.isKnown && last.body === null) return last.writer;
    return this.#addPart().writer;
  }

  /** Answers a `FETCH`. */
  entries(fetched: FetchedEntries): void {
    const { writer } = this;
    writeEntries({ writer, part: this.#parts.at(-1)! }, fetched);
  }

  #addPart(): Part {
    const part = this.#spare ?? new Part();
    this.#spare = null;
    this.#parts.push(part);
    return part;
  }

  /** A write has not been taken by the client yet. */
  get isSending(): boolean {
    return this.#sending !== null;
  }

  /** Bytes of answers that have not left. */
  get bufferedBytes(): number {
    let bytes = this.#sent?.lengthBytes ?? 0;
    for (const part of this.#parts) bytes += part.lengthBytes;
    return bytes;
  }

  /** The next answer comes later: those behind it wait. */
  later(): LateAnswer {
    const part = new Part();
    part.isKnown = false;
    this.#parts.push(part);
    const { writer } = part;
    return {
      entries: (fetched) => {
        // Nobody would give back what it holds.
        if (this.#isDiscarded) return fetched.release?.();
        writeEntries({ writer, part }, fetched);
        part.isKnown = true;
      },
      error: (message) => {
        writer.error(message);
        part.isKnown = true;
      },
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
        this.#sent = part;
        await this.#connection.write(part.writer.bytes);
        if (part.body !== null) await this.#connection.write(part.body);
        this.writes++;
        part.writer.clear();
        part.dropBody();
        this.#spare = part;
        this.#sent = null;
      }
    } catch (error) {
      this.#sent?.dropBody();
      this.#sent = null;
      throw error;
    } finally {
      this.#sending = null;
    }
  }

  /** The connection is closed: nothing more is sent. */
  discard(): void {
    this.#isDiscarded = true;
    for (const part of this.#parts) part.dropBody();
    this.#sent?.dropBody();
  }

  #hasKnown(): boolean {
    return this.#parts[0]?.isKnown ?? false;
  }
}

function writeEntries(
  { writer, part }: { writer: ResponseWriter; part: Part },
  { firstOffset, count, bytes, release }: FetchedEntries,
): void {
  if (count === 0 || bytes.length < OWN_WRITE_BYTES) {
    if (count === 0) writer.empty();
    else writer.okEntries(firstOffset, count, bytes);
    return release?.();
  }
  part.release = release;
  writer.okEntriesHead(firstOffset, count, bytes.length);
  part.body = bytes;
}
