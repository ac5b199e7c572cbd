/**
 * Records that were read and not handed out yet, for all topics together within one bound.
 *
 * @module
 */

import { RecordReader } from "../record_batch.ts";
import type { Log } from "../types.ts";
import type { LibraryLimits } from "./options.ts";

/** One topic's run of records, and how far it was handed out. */
interface Ahead {
  reader: RecordReader;
  /** Of the record that the reader stands before. */
  offset: number;
  /** Entries that the run still has. */
  rest: number;
  /** Where the log goes on behind the run. */
  nextPosition: number;
  bytes: number;
  /** Asked for at once next time. */
  readBytes: number;
}

/** Reads entries in order, ahead of the reader, and keeps the least recently used out. */
export class ReadAhead {
  readonly #limits: LibraryLimits;
  /** In the order of their last use. */
  readonly #runs = new Map<Log, Ahead>();
  #bytes = 0;

  constructor(limits: LibraryLimits) {
    this.#limits = limits;
  }

  /**
   * The entry with that offset if it is at hand, without waiting; `null`: {@link load} it. The bytes are a
   * view that stays valid.
   */
  tryTake(log: Log, offset: number): Uint8Array | null {
    const ahead = this.#runs.get(log);
    if (ahead === undefined || ahead.offset !== offset || ahead.rest === 0) return null;
    const { reader } = ahead;
    while (reader.next()) {
      if (reader.isControl) continue;
      ahead.offset++;
      ahead.rest--;
      return reader.payload();
    }
    return null;
  }

  /** Reads the run that begins with the entry of that offset. False: there is none yet. */
  async load(log: Log, offset: number): Promise<boolean> {
    if (offset >= log.endOffset) return false;
    const before = this.#runs.get(log);
    const isNext = before !== undefined && before.offset === offset && before.rest === 0;
    const { readBytesMin, readBytesMax } = this.#limits;
    const readBytes = isNext ? Math.min(readBytesMax, before.readBytes * 2) : readBytesMin;
    let position = isNext ? before.nextPosition : await this.#positionOf(log, offset);
    if (position === null) return false;
    for (;;) {
      const run = await log.read(position, { maxBytes: readBytes });
      if (run.count === 0) return false;
      position += run.count;
      if (run.entryCount === 0) continue; // control records only: go on behind them
      this.#put(log, {
        reader: new RecordReader(run.bytes),
        offset: run.firstOffset,
        rest: run.entryCount,
        nextPosition: position,
        bytes: run.bytes.buffer.byteLength,
        readBytes,
      });
      return true;
    }
  }

  forget(log: Log): void {
    const ahead = this.#runs.get(log);
    if (ahead === undefined) return;
    this.#bytes -= ahead.bytes;
    this.#runs.delete(log);
  }

  /** `null`: accepted, but not on disk yet. */
  async #positionOf(log: Log, offset: number): Promise<number | null> {
    if (log.endOffset === log.endPosition) return offset; // entries only
    if (offset >= log.durableOffset) await log.sync();
    return await log.positionOfOffset(offset);
  }

  #put(log: Log, ahead: Ahead): void {
    this.forget(log);
    this.#runs.set(log, ahead);
    this.#bytes += ahead.bytes;
    for (const other of this.#runs.keys()) {
      if (this.#bytes <= this.#limits.readCacheBytesMax || other === log) break;
      this.forget(other);
    }
  }
}
