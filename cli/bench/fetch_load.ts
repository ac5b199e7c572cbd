/**
 * Fetches on one connection: one after the other through a topic, and at its end from its start again, or
 * waiting for more. Entries are counted, not looked at.
 *
 * @module
 */

import { FrameReader, RequestWriter } from "../../client/mod.ts";
import type { Clock, Connection } from "../../world/mod.ts";
import { FailureError } from "../exit.ts";
import { answerText, type LatencySink } from "./load.ts";

/** A reader that takes answers of some megabytes keeps its buffer. */
const RETAINED_BYTES = 16 * 1024 * 1024;
/** The words before the packed entries are within so many bytes. */
const HEAD_BYTES = 48;

/** What one connection fetches. */
export interface FetchLoadOptions {
  connection: Connection;
  clock: Clock;
  topic: string;
  /** Of the first entry that it asks for. */
  offset: number;
  /** Entries of one fetch at most; `null`: as many as the node gives. */
  batch: number | null;
  /** Stays at the end and waits so long for more; `null`: begins at the topic's start again. */
  waitMs: number | null;
  sink: LatencySink;
}

/** Fetches until `stop()`. */
export class FetchLoad {
  /** Entries that came. */
  answered = 0;
  readonly #options: FetchLoadOptions;
  readonly #reader = new FrameReader({ maxFrameBytes: 2 ** 31, retainBytes: RETAINED_BYTES });
  readonly #writer = new RequestWriter();
  readonly #decoder = new TextDecoder("latin1");
  #isStopped = false;

  constructor(options: FetchLoadOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when the last answer has come after `stop()`. @throws {FailureError} */
  async run(): Promise<void> {
    const { batch, connection, clock, sink, topic, waitMs } = this.#options;
    const limits = {
      ...batch === null ? {} : { maxEntries: batch },
      ...waitMs === null ? {} : { waitMs },
    };
    let { offset } = this.#options;
    while (!this.#isStopped) {
      this.#writer.clear();
      this.#writer.addFetch(topic, offset, limits);
      const sentAtMs = clock.nowMs();
      await connection.write(this.#writer.bytes);
      const count = await this.#receive();
      sink.record(clock.nowMs() - sentAtMs, 1);
      this.answered += count;
      offset += count;
      if (count > 0 || waitMs !== null) continue;
      if (offset === 0) throw new FailureError(`${topic} is empty: put messages first.`);
      offset = 0;
    }
  }

  /** How many entries the next answer has. */
  async #receive(): Promise<number> {
    const reader = this.#reader;
    while (reader.next() !== "frame") {
      const count = await this.#options.connection.read(reader.space());
      if (count === null) throw new FailureError("The node closed the connection.");
      reader.filled(count);
    }
    const { bytes, start, end } = reader;
    const head = this.#decoder.decode(bytes.subarray(start, Math.min(end, start + HEAD_BYTES)));
    if (head === "EMPTY") return 0;
    const count = /^OK \d+ (\d+) /.exec(head)?.[1];
    if (count !== undefined) return Number(count);
    throw new FailureError(`A fetch was answered with: ${answerText(bytes.subarray(start, end))}`);
  }
}
