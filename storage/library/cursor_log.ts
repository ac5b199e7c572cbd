/**
 * Read positions of all topics, in one log: a record for each move, the last one counts. When the log has
 * grown it is written anew: a batch with the positions of all topics, then its head is trimmed.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 8 | offset of the next entry |
 * | n | topic, UTF-8 |
 *
 * @module
 */

import { ByteReader, ByteWriter } from "../../world/mod.ts";
import { RecordBatchBuilder, RecordReader } from "../record_batch.ts";
import { type Logger, silentLogger } from "../../world/mod.ts";
import { CorruptionError, DiskFullError } from "../errors.ts";
import type { Log, LogStore, ReadResult } from "../types.ts";

/** Its name among the logs: topics' names begin with another letter. */
export const CURSOR_LOG = "c";
/** Read at once when positions are loaded. */
const LOAD_BYTES = 1 << 20;

/** A move that is not durable yet. */
interface Move {
  readonly topic: string;
  /** Where the topic's reader stood before. */
  readonly before: number;
  /** Of its record in the log. */
  readonly position: number;
}

/** The durable read positions. */
export class CursorLog {
  readonly #log: Log;
  readonly #bytesMax: number;
  /** Moves that are under way count. */
  readonly #offsets: Map<string, number>;
  /** Those, as they came. */
  readonly #moves: Move[] = [];
  readonly #batch = new RecordBatchBuilder(256);
  readonly #record = new ByteWriter();
  /** Topics whose position is beyond their end on disk, still, and who is mending that. */
  readonly #owed = new Map<string, Promise<void> | null>();
  #compaction: Promise<void> | null = null;

  private constructor(log: Log, offsets: Map<string, number>, bytesMax: number) {
    this.#log = log;
    this.#offsets = offsets;
    this.#bytesMax = bytesMax;
  }

  /** Loads the positions of a store. */
  static async open(
    store: LogStore,
    { bytesMax, logger = silentLogger }: { bytesMax: number; logger?: Logger },
  ): Promise<CursorLog> {
    const log = store.get(CURSOR_LOG) ?? store.create(CURSOR_LOG);
    const offsets = new Map<string, number>();
    // A name may begin with what is a mark elsewhere: without it, it would be another topic's.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (let position = log.startPosition; position < log.endPosition;) {
      const run = await readOrSkip(log, { position, logger });
      if (typeof run === "number") {
        position = run;
        continue;
      }
      const reader = new RecordReader(run.bytes);
      while (reader.next()) {
        const from = new ByteReader(reader.payload());
        const offset = from.u64();
        offsets.set(decoder.decode(from.rest()), offset);
      }
      position += run.count;
    }
    return new CursorLog(log, offsets, bytesMax);
  }

  /** The offset of the next entry to read of a topic; of a move that was refused nothing is left. */
  get(topic: string): number {
    this.#takeBackRefused();
    return this.#offsets.get(topic) ?? 0;
  }

  /** Resolves when the move is as durable as the store's mode makes it. */
  async move(topic: string, offset: number): Promise<void> {
    const before = this.get(topic);
    this.#batch.clear();
    this.#add(topic, offset);
    const move = { topic, before, position: this.#log.endPosition };
    const appended = this.#log.append(this.#batch);
    this.#offsets.set(topic, offset);
    this.#moves.push(move);
    try {
      await appended;
    } catch (error) {
      this.#takeBackRefused();
      throw error;
    }
    this.#moves.splice(this.#moves.indexOf(move), 1);
    if (this.#log.payloadBytes > this.#bytesMax) this.#compact();
  }

  /**
   * ⛔ Takes back positions that are beyond their topic's end, durably: of entries that were handed out and are
   * gone since (they were not synced, or their frame has rotted as the last of its log). The entries that come
   * next get their offsets, and a restart after that would pass them over.
   */
  async boundBy(endOf: (topic: string) => number): Promise<void> {
    const beyond = [...this.#offsets].filter(([topic, offset]) => offset > endOf(topic));
    await Promise.all(beyond.map(async ([topic]) => {
      this.#owed.set(topic, null);
      this.#offsets.set(topic, endOf(topic));
      try {
        await this.mend(topic);
      } catch (error) {
        // A full disk keeps nobody from reading: in memory it is right, and owed before anything is appended.
        if (!(error instanceof DiskFullError)) throw error;
      }
    }));
  }

  /** Whether the topic must be given to {@link mend} before it takes an append. */
  isOwed(topic: string): boolean {
    return this.#owed.has(topic);
  }

  /** ⛔ Before an append: its entry would have an offset that the position on disk has passed already. */
  async mend(topic: string): Promise<void> {
    if (!this.#owed.has(topic)) return;
    let mending = this.#owed.get(topic) ?? null;
    if (mending === null) {
      mending = this.move(topic, this.get(topic)).then(
        () => void this.#owed.delete(topic),
        (error) => {
          this.#owed.set(topic, null);
          throw error;
        },
      );
      this.#owed.set(topic, mending);
    }
    await mending;
  }

  /** Resolves when nothing is being written anew. */
  async idle(): Promise<void> {
    await this.#compaction;
  }

  /**
   * ⛔ Whoever asked for a move that was refused got no entry: were it among what is written anew, that entry
   * would never come. Who asked learns of it some turns later than this may be called, but the log's end shows it
   * at once: what was refused stands at it or behind it, and nothing is appended there before it is taken back.
   */
  #takeBackRefused(): void {
    const moves = this.#moves;
    const { endPosition } = this.#log;
    for (let last = moves.at(-1); last !== undefined; last = moves.at(-1)) {
      if (last.position < endPosition) return;
      this.#offsets.set(last.topic, last.before);
      moves.pop();
    }
  }

  #add(topic: string, offset: number): void {
    const { view } = this.#record.clear().u64(offset).raw(new TextEncoder().encode(topic));
    this.#batch.add(view, 0, view.length, "control");
  }

  #compact(): void {
    this.#compaction ??= this.#rewrite().catch(() => {
      // The log goes on as it is; a store that failed says so at the next move.
    }).finally(() => this.#compaction = null);
  }

  async #rewrite(): Promise<void> {
    this.#takeBackRefused();
    this.#batch.clear();
    for (const [topic, offset] of this.#offsets) this.#add(topic, offset);
    if (this.#batch.lengthBytes > this.#bytesMax / 2) return;
    const position = await this.#log.append(this.#batch);
    await this.#log.trimHead(position);
  }
}

/** A run of moves, or where to go on behind damaged ones: their entries come again, none is passed over. */
async function readOrSkip(
  log: Log,
  { position, logger }: { position: number; logger: Logger },
): Promise<ReadResult | number> {
  try {
    return await log.read(position, { maxBytes: LOAD_BYTES });
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const { file, fileOffset } = error;
    logger.log("warn", "read positions are damaged: entries that were read may come again", {
      position,
      file,
      fileOffset,
    });
    const damage = log.damage.find(({ firstPosition, endPosition }) =>
      firstPosition <= position && position < endPosition
    );
    return damage?.endPosition ?? log.endPosition;
  }
}
