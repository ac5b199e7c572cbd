/**
 * A client's connection for tests of a session, with what a client and a network may do to it.
 *
 * @module
 */

import { FrameReader, FrameWriter } from "../../../client/wire.ts";
import type { Connection } from "../../../world/mod.ts";

/** Hands the session what the test sends, one read for each send, and collects the answers. */
export class FakeConnection implements Connection {
  readonly remote = "test:1";
  readonly #incoming: Uint8Array[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;
  #isBroken = false;
  #isAtEnd = false;
  /** Its client reads nothing: writes don't end. */
  isDeaf = false;
  #wakeWriter: (() => void) | null = null;
  readonly #reader = new FrameReader();
  readonly answers: string[] = [];
  writes = 0;

  send(bytes: Uint8Array): void {
    this.#incoming.push(bytes);
    this.#wake?.();
  }

  requests(...contents: (string | Uint8Array)[]): void {
    const writer = new FrameWriter();
    for (const content of contents) {
      writer.addFrame(typeof content === "string" ? new TextEncoder().encode(content) : content);
    }
    this.send(writer.bytes.slice());
  }

  /** The client sends no more. */
  endOfStream(): void {
    this.#isAtEnd = true;
    this.#wake?.();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      if (this.#isBroken) throw new Error("reset");
      if (this.#isClosed || this.#isAtEnd) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const next = this.#incoming.shift()!;
    const count = Math.min(into.length, next.length);
    into.set(next.subarray(0, count));
    if (count < next.length) this.#incoming.unshift(next.subarray(count));
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isBroken) throw new Error("reset");
    while (this.isDeaf) {
      if (this.#isClosed) throw new Error("closed");
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    this.writes++;
    this.#reader.push(bytes);
    while (this.#reader.next() === "frame") {
      this.answers.push(
        new TextDecoder().decode(this.#reader.bytes.subarray(this.#reader.start, this.#reader.end)),
      );
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#wake?.();
    this.#wakeWriter?.();
  }

  /** The connection fails under the session. */
  break(): void {
    this.#isBroken = true;
    this.close();
  }
}
