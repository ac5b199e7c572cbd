/**
 * Consecutive `PUT`s of one connection, appended together: one batch a topic.
 *
 * @module
 */

import type { ResponseWriter } from "../../client/wire.ts";
import { type RecordBatch, RecordBatchBuilder } from "../../storage/mod.ts";
import { wireMessage } from "../errors.ts";
import type { AppendResult } from "../routing/mod.ts";

/** A batch buffer that grew over this is given back after its run. */
const KEPT_BATCH_BYTES = 256 * 1024;

/** Where batches go. */
export interface Appender {
  append(topic: string, batch: RecordBatch): Promise<AppendResult>;
}

/** Collects, executes, answers in order; used again after that. Nothing is allocated per message. */
export class PutRun {
  readonly #topics: string[] = [];
  /** Of each topic, where it stands in `#topics`. */
  readonly #indexes: Map<string, number> = new Map();
  /** Builders are kept between runs; the first `#topics.length` are in use. */
  readonly #batches: RecordBatchBuilder[] = [];
  /** For each request in order, which topic it is for. */
  readonly #order: number[] = [];

  /** What the batches hold, for the bound on all sessions together. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const batch of this.#batches) bytes += batch.capacityBytes;
    return bytes;
  }

  get isEmpty(): boolean {
    return this.#topics.length === 0;
  }

  /** Copies the payload `bytes[start, end)` into the topic's batch. */
  add(topic: string, bytes: Uint8Array, start: number, end: number): void {
    const index = this.#indexOf(topic);
    this.#batches[index]!.add(bytes, start, end);
    this.#order.push(index);
  }

  /** Appends all batches at once and writes one answer for each request. The run is empty afterwards. */
  async execute(appender: Appender, answers: ResponseWriter): Promise<void> {
    const results = this.#topics.length === 1
      ? [await appender.append(this.#topics[0]!, this.#batches[0]!)]
      : await Promise.all(
        this.#topics.map((topic, index) => appender.append(topic, this.#batches[index]!)),
      );
    const answered = results.map(() => 0);
    for (const index of this.#order) {
      const { committed, error } = results[index]!;
      if (answered[index]!++ < committed) answers.ok();
      else answers.error(wireMessage(error));
    }
    this.#clear();
  }

  #indexOf(topic: string): number {
    const last = this.#topics.length - 1;
    if (this.#topics[last] === topic) return last;
    const known = this.#indexes.get(topic);
    if (known !== undefined) return known;
    this.#topics.push(topic);
    this.#indexes.set(topic, last + 1);
    if (this.#batches.length <= last + 1) this.#batches.push(new RecordBatchBuilder());
    return last + 1;
  }

  #clear(): void {
    this.#topics.length = 0;
    this.#indexes.clear();
    this.#order.length = 0;
    // One batch is kept warm; a run over many topics gives back what it took.
    this.#batches.length = Math.min(this.#batches.length, 1);
    if ((this.#batches[0]?.capacityBytes ?? 0) > KEPT_BATCH_BYTES) this.#batches.length = 0;
    this.#batches[0]?.clear();
  }
}
