/**
 * The fences of a node: segments whose writer it will never again acknowledge anything to.
 *
 * They stand in a log of their own, which is synced before an append to it resolves whatever durability
 * the node's topics have: a fence that is forgotten loses acknowledged entries (DESIGN.md §6).
 *
 * | bytes | field of one record |
 * | ----- | ----- |
 * | 4, n | topic, length and UTF-8 |
 * | 4 | segment number |
 *
 * @module
 */

import { batchOf, type Log, type LogStore, RecordReader } from "../../storage/mod.ts";
import { BodyReader, BodyWriter } from "../network/codec.ts";
import { segmentLogName } from "./segment_name.ts";

const LOG_NAME = "fences";
/** Bytes of fences that one read brings. */
const READ_BYTES = 256 * 1024;

/** One per node. */
export class Fences {
  readonly #log: Log;
  /** Fenced segments, by the name of their log, from the moment at which the fence was asked for. */
  readonly #fenced: Set<string>;
  /** Of these, the ones whose fence is on disk. */
  readonly #durable: Set<string>;
  readonly #writing: Map<string, Promise<void>> = new Map();

  private constructor(log: Log, fenced: Set<string>) {
    this.#log = log;
    this.#fenced = fenced;
    this.#durable = new Set(fenced);
  }

  /** Reads all fences. */
  static async open(store: LogStore): Promise<Fences> {
    const log = store.get(LOG_NAME) ?? store.create(LOG_NAME, { durability: "each" });
    const fenced = new Set<string>();
    for (let position = log.startPosition; position < log.endPosition;) {
      const run = await log.read(position, { maxBytes: READ_BYTES });
      const reader = new RecordReader(run.bytes);
      while (reader.next()) fenced.add(decode(reader.payload()));
      position = run.firstPosition + run.count;
    }
    // What recovery found may stand in the page cache only, and must not be told before it is on disk.
    await log.sync();
    return new Fences(log, fenced);
  }

  /** Whether the segment is fenced. */
  has(topic: string, segment: number): boolean {
    return this.#fenced.has(segmentLogName(topic, segment));
  }

  /**
   * Fences the segment. From the call on `has` says so; ⛔ it resolves when the fence is durable, and only
   * then may it be told. Where it can't be made durable it holds all the same, and rejects.
   */
  add(topic: string, segment: number): Promise<void> {
    const name = segmentLogName(topic, segment);
    this.#fenced.add(name);
    if (this.#durable.has(name)) return Promise.resolve();
    const writing = this.#writing.get(name) ?? this.#write(name, encode(topic, segment));
    this.#writing.set(name, writing);
    return writing;
  }

  async #write(name: string, fence: Uint8Array): Promise<void> {
    try {
      await this.#log.append(batchOf(fence));
      this.#durable.add(name);
    } finally {
      this.#writing.delete(name);
    }
  }
}

function encode(topic: string, segment: number): Uint8Array {
  return new BodyWriter().string(topic).u32(segment).view;
}

function decode(payload: Uint8Array): string {
  const reader = new BodyReader(payload);
  return segmentLogName(reader.string(), reader.u32());
}
