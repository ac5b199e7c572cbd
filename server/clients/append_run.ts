/**
 * Consecutive `PUT`s and `APPEND`s of one connection, appended together: one batch a topic.
 *
 * @module
 */

import type { ResponseWriter } from "../../client/wire.ts";
import { type RecordBatch, RecordBatchBuilder } from "../../storage/mod.ts";
import { wireMessage } from "../errors.ts";
import type { AppendResult, CommittedRun } from "../routing/mod.ts";

/** A batch buffer that grew over this is given back after its run. */
const KEPT_BATCH_BYTES = 256 * 1024;
/** A run takes no more requests when they would make it longer: it must fit into one message to another node. */
export const RUN_BYTES_MAX = 4 * 1024 * 1024;

/** Where batches go. */
export interface Appender {
  append(
    topic: string,
    batch: RecordBatch,
    ends: readonly number[] | null,
  ): Promise<AppendResult>;
}

/** Packed entries where they arrived. */
interface PackedView {
  bytes: Uint8Array;
  start: number;
  end: number;
  count: number;
}

/** What of a run is for one topic. */
class TopicBatch {
  topic = "";
  readonly #builder = new RecordBatchBuilder();
  /** A single `APPEND`, which needs no copy. */
  #view: PackedView | null = null;
  /** Behind which entries a request ends; not kept while every request is a `PUT`. */
  #ends: number[] | null = null;

  get capacityBytes(): number {
    return this.#builder.capacityBytes;
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    if (this.#view) this.#copyView();
    this.#builder.add(bytes, start, end);
    this.#ends?.push(this.#builder.count);
  }

  append(view: PackedView): void {
    if (this.#view) this.#copyView();
    if (this.#builder.count === 0) {
      this.#view = view;
      return;
    }
    this.#ends ??= Array.from({ length: this.#builder.count }, (_, index) => index + 1);
    this.#copy(view);
  }

  /** Valid until the next request is added, or bytes are read over those that were. */
  send(appender: Appender): Promise<AppendResult> {
    const view = this.#view;
    if (view === null) return appender.append(this.topic, this.#builder, this.#ends);
    const { bytes, start, end, count } = view;
    const batch = { bytes: bytes.subarray(start, end), count, entryCount: count };
    return appender.append(this.topic, batch, [count]);
  }

  clear(): void {
    this.#builder.clear();
    this.#view = this.#ends = null;
  }

  #copyView(): void {
    const view = this.#view!;
    this.#view = null;
    this.#ends = [];
    this.#copy(view);
  }

  #copy({ bytes, start, end, count }: PackedView): void {
    this.#builder.addPacked(bytes, start, end, count);
    this.#ends!.push(this.#builder.count);
  }
}

/** Collects, executes, answers in order; used again after that. Nothing is allocated per message. */
export class AppendRun {
  /** Kept between runs; the first `#topics` are in use. */
  readonly #batches: TopicBatch[] = [];
  #topics = 0;
  #bytes = 0;
  /** Of each topic, where it stands in `#batches`. */
  readonly #indexes: Map<string, number> = new Map();
  /** For each request in order, which topic it is for, and how many entries it appends; 0 for a `PUT`. */
  readonly #order: number[] = [];
  readonly #counts: number[] = [];

  /** What the batches hold, for the bound on all sessions together. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const batch of this.#batches) bytes += batch.capacityBytes;
    return bytes;
  }

  get isEmpty(): boolean {
    return this.#topics === 0;
  }

  /** Whether a request with so many bytes of entries belongs in the next run. */
  isFullFor(bytes: number): boolean {
    return this.#topics > 0 && this.#bytes + bytes > RUN_BYTES_MAX;
  }

  /** Copies the payload `bytes[start, end)` of a `PUT` into the topic's batch. */
  put(topic: string, bytes: Uint8Array, start: number, end: number): void {
    const index = this.#indexOf(topic);
    this.#batches[index]!.put(bytes, start, end);
    this.#bytes += end - start;
    this.#order.push(index);
    this.#counts.push(0);
  }

  /** Adds the packed entries of an `APPEND`; they must stay where they are until the run is executed. */
  append(topic: string, view: PackedView): void {
    const index = this.#indexOf(topic);
    this.#batches[index]!.append(view);
    this.#bytes += view.end - view.start;
    this.#order.push(index);
    this.#counts.push(view.count);
  }

  /** Appends all batches at once. What it returns writes one answer for each request; the run is empty then. */
  async execute(appender: Appender): Promise<(answers: ResponseWriter) => void> {
    const results = this.#topics === 1
      ? [await this.#batches[0]!.send(appender)]
      : await Promise.all(
        this.#batches.slice(0, this.#topics).map((batch) => batch.send(appender)),
      );
    return (answers) => {
      this.#answer(results, answers);
      this.#clear();
    };
  }

  #answer(results: readonly AppendResult[], answers: ResponseWriter): void {
    const answered = results.map(() => 0);
    const order = this.#order;
    for (let request = 0; request < order.length; request++) {
      const index = order[request]!;
      const count = this.#counts[request]!;
      const { committed, error, runs } = results[index]!;
      const first = answered[index]!;
      const end = answered[index] = first + (count || 1);
      if (end > committed) answers.error(wireMessage(error));
      else if (count === 0) answers.ok();
      else answers.okText(String(offsetOf(runs, first)));
    }
  }

  #indexOf(topic: string): number {
    const last = this.#topics - 1;
    if (last >= 0 && this.#batches[last]!.topic === topic) return last;
    if (last > 0) {
      const known = this.#batches[0]!.topic === topic ? 0 : this.#indexes.get(topic);
      if (known !== undefined) return known;
    }
    const index = this.#topics++;
    if (index > 0) this.#indexes.set(topic, index);
    if (this.#batches.length <= index) this.#batches.push(new TopicBatch());
    this.#batches[index]!.topic = topic;
    return index;
  }

  #clear(): void {
    this.#topics = this.#bytes = 0;
    if (this.#indexes.size > 0) this.#indexes.clear();
    this.#order.length = this.#counts.length = 0;
    // One batch is kept warm; a run over many topics gives back what it took.
    this.#batches.length = Math.min(this.#batches.length, 1);
    if ((this.#batches[0]?.capacityBytes ?? 0) > KEPT_BATCH_BYTES) this.#batches.length = 0;
    this.#batches[0]?.clear();
  }
}

/** Where the batch's entry number `index` stands in the topic. */
function offsetOf(runs: readonly CommittedRun[], index: number): number {
  for (const { firstOffset, entries } of runs) {
    if (index < entries) return firstOffset + index;
    index -= entries;
  }
  throw new RangeError(`entry ${index} behind the last that was committed`);
}
