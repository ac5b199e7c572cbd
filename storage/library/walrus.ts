/**
 * The storage engine as a library: topics of entries, read positions that survive restarts.
 *
 * @module
 */

import { LogClosedError, OutOfRangeError } from "../errors.ts";
import { openLogStore } from "../open_log_store.ts";
import { RecordBatchBuilder, RecordReader } from "../record_batch.ts";
import type { StorageLimits } from "../limits.ts";
import type { LogStore } from "../types.ts";
import { utf8Of } from "../utf8.ts";
import { CursorLog } from "./cursor_log.ts";
import {
  checkOptions,
  DEFAULT_LIBRARY_LIMITS,
  type LibraryLimits,
  type WalrusOptions,
} from "./options.ts";
import { ReadAhead } from "./read_ahead.ts";
import { type LibraryWorld, openRealWorld } from "./real_world.ts";
import { Topic, type TopicHost } from "./topic.ts";
import { logNameOf, mustBeTopic, topicOf } from "./topic_name.ts";

/** What `batchReadForTopic` and `readFrom` return at most unless told otherwise. */
const DEFAULT_MAX_BYTES = 1 << 20;

/** One entry and where it stands in its topic. */
export interface TopicEntry {
  /** Counts the topic's entries from 0. */
  offset: number;
  /** A view of a buffer that nobody writes to again. */
  payload: Uint8Array;
}

/**
 * A write-ahead log with many topics in one directory, for one process at a time.
 *
 * Appends of everybody who waits share one sync. Each topic has one durable read position, moved by
 * `readNext` and `batchReadForTopic`; what it has passed is given back to the disk. Reads from an offset
 * (`readFrom`, `entries`) leave it alone.
 *
 * ⚠ In a Worker, close it and wait for that before the Worker is ended (`terminate()`): with io_uring a commit that is
 * under way goes on without it, on memory and descriptors that may be somebody else's by then, and as a rule ends
 * the whole process. With `backend: "file"` it does not.
 *
 * @example
 * ```ts
 * import { Walrus } from "@walrus/walrus";
 * import assert from "node:assert/strict";
 *
 * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
 * await walrus.appendForTopic("orders", new TextEncoder().encode("first"));
 * const entry = await walrus.readNext("orders");
 * assert.equal(new TextDecoder().decode(entry!), "first");
 * assert.equal(await walrus.readNext("orders"), null);
 * ```
 */
export class Walrus implements AsyncDisposable {
  readonly #world: LibraryWorld;
  readonly #store: LogStore;
  readonly #host: TopicHost;
  readonly #topics = new Map<string, Topic>();
  readonly #batch = new RecordBatchBuilder(64 * 1024);
  /** Appends that wait for memory, or for their topic's read position: those that come after them wait behind them. */
  #waiting = 0;
  #closing: Promise<void> | null = null;

  private constructor(world: LibraryWorld, store: LogStore, host: TopicHost) {
    this.#world = world;
    this.#store = store;
    this.#host = host;
    for (const { name } of store.list()) {
      const topic = topicOf(name);
      if (topic !== null) this.#topic(topic);
    }
  }

  /**
   * Opens the topics of a directory, or of a namespace in it.
   *
   * Appends resolve after a sync by default (`fsync: "each"`). The program that this library's interface
   * comes from syncs every 200 ms instead: `fsync: { ms: 200 }` gives that.
   *
   * @param options Where, and how durable; all of it has defaults.
   * @throws {DiskError} `Locked`: another process has the directory; `Denied`: it can't be written.
   * @throws {ForeignDirectoryError} The directory holds something else, or a newer format.
   * @throws {CorruptionError} Its journal is damaged; `walrus verify` shows what is readable up to there.
   * @throws {UnsteadyDiskError} The disk gives other bytes each time that it is read.
   * @throws {RangeError} An option is none of the values that it may have.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   *
   * const walrus = await Walrus.open({
   *   dataDir: await Deno.makeTempDir(),
   *   key: "billing",
   *   consistency: { atLeastOnce: { persistEvery: 100 } },
   *   fsync: { ms: 200 },
   * });
   * await walrus.close();
   * ```
   */
  static async open(options: WalrusOptions = {}): Promise<Walrus> {
    checkOptions(options);
    return await openWalrus(await openRealWorld(options), options);
  }

  /** @internal */
  static create(world: LibraryWorld, store: LogStore, host: TopicHost): Walrus {
    return new Walrus(world, store, host);
  }

  /** Resolves when the store has failed (a sync that went wrong, also one in the background). */
  get failed(): Promise<Error> {
    return this.#store.failed;
  }

  /**
   * Appends one entry; the topic is made with its first. The bytes are copied before the call returns.
   *
   * @param topic 1 to 500 bytes of UTF-8.
   * @param payload The entry; a string goes as UTF-8.
   * @returns The entry's offset, once it is as durable as `fsync` says.
   * @throws {IllFormedTextError} The topic or the string has half of a surrogate pair in it.
   * @throws {DiskFullError} Nothing was lost; try again when there is room.
   * @throws {StoreFailedError} A sync failed earlier; reopen.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * const offsets = await Promise.all(["a", "b"].map((text) => walrus.appendForTopic("log", text)));
   * assert.deepEqual(offsets, [0, 1]);
   * ```
   */
  appendForTopic(topic: string, payload: Uint8Array | string): Promise<number> {
    return this.batchAppendForTopic(topic, [payload]);
  }

  /**
   * Appends all entries or none, in one piece: 256 MiB together at most.
   *
   * @param topic 1 to 500 bytes of UTF-8.
   * @param payloads The entries, in their order.
   * @returns The first entry's offset.
   * @throws {TooLargeError} More than the limit.
   * @throws {IllFormedTextError}
   * @throws {DiskFullError}
   * @throws {StoreFailedError}
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two", "three"]);
   * assert.equal(walrus.topicEntryCount("log"), 3);
   * ```
   */
  async batchAppendForTopic(
    topic: string,
    payloads: readonly (Uint8Array | string)[],
  ): Promise<number> {
    this.#mustBeOpen();
    const isOwed = this.#host.cursors.isOwed(topic);
    if (this.#waiting > 0 || this.#store.backlogged || isOwed) {
      // The caller may use its buffers again when this call has returned.
      payloads = payloads.map((payload) => typeof payload === "string" ? payload : payload.slice());
      await this.#waitForRoom(topic);
    }
    const batch = this.#batch;
    batch.clear();
    for (const payload of payloads) {
      batch.add(typeof payload === "string" ? utf8Of(payload, "A payload") : payload);
    }
    // Not before: what is refused makes no topic.
    const found = this.#topic(topic);
    return batch.count === 0 ? found.log.endOffset : await found.append(batch);
  }

  /**
   * The next entry of the topic, or `null` where there is none yet.
   *
   * @param topic The topic; one that is not there has no entries.
   * @param options `checkpoint` (default true) moves the read position past the entry, durably before
   * it is returned (`strictlyAtOnce`) or every so often (`atLeastOnce`); false only looks.
   * @throws {CorruptionError} The entry is damaged on disk.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two"]);
   * const text = (entry: Uint8Array | null) => entry && new TextDecoder().decode(entry);
   * assert.equal(text(await walrus.readNext("log", { checkpoint: false })), "one");
   * assert.equal(text(await walrus.readNext("log")), "one");
   * assert.equal(text(await walrus.readNext("log")), "two");
   * ```
   */
  async readNext(
    topic: string,
    { checkpoint = true }: { checkpoint?: boolean } = {},
  ): Promise<Uint8Array | null> {
    this.#mustBeOpen();
    const found = this.#topics.get(topic);
    if (found === undefined) return null;
    const [entry] = await found.read({ maxBytes: null, checkpoint });
    return entry ?? null;
  }

  /**
   * The next entries of the topic, in order: at least one if there is one, whatever `maxBytes`.
   *
   * @param topic The topic.
   * @param options `maxBytes`: payload bytes at most (default 1 MiB); `checkpoint` as in `readNext`.
   * @throws {CorruptionError}
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two", "three"]);
   * assert.equal((await walrus.batchReadForTopic("log", { maxBytes: 6 })).length, 2);
   * assert.equal((await walrus.batchReadForTopic("log")).length, 1);
   * ```
   */
  async batchReadForTopic(
    topic: string,
    { maxBytes = DEFAULT_MAX_BYTES, checkpoint = true }: {
      maxBytes?: number;
      checkpoint?: boolean;
    } = {},
  ): Promise<Uint8Array[]> {
    this.#mustBeOpen();
    mustBeBytes(maxBytes);
    const found = this.#topics.get(topic);
    return found === undefined ? [] : await found.read({ maxBytes, checkpoint });
  }

  /**
   * Entries from an offset on, without touching the read position: at least one if there is one.
   *
   * @param topic The topic.
   * @param offset Of the first entry wanted; what was given back already can't be read any more.
   * @param options `maxBytes`: payload bytes at most (default 1 MiB).
   * @throws {OutOfRangeError} The offset is before the first entry that is kept, or no whole number.
   * @throws {CorruptionError}
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two", "three"]);
   * const entries = await walrus.readFrom("log", 1);
   * assert.deepEqual(entries.map(({ offset }) => offset), [1, 2]);
   * ```
   */
  async readFrom(
    topic: string,
    offset: number,
    { maxBytes = DEFAULT_MAX_BYTES }: { maxBytes?: number } = {},
  ): Promise<TopicEntry[]> {
    this.#mustBeOpen();
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new OutOfRangeError(`An offset is a whole number from 0 on, not ${offset}.`);
    }
    mustBeBytes(maxBytes);
    const log = this.#topics.get(topic)?.log;
    if (log === undefined || offset >= log.endOffset) return [];
    if (offset < log.startOffset) {
      throw new OutOfRangeError(
        `Topic ${topic} keeps entries from ${log.startOffset} on, ${offset} was given back.`,
      );
    }
    // Topics hold entries only: positions are offsets.
    const run = await log.read(offset, { maxBytes });
    const entries: TopicEntry[] = [];
    const reader = new RecordReader(run.bytes);
    while (reader.next()) {
      entries.push({ offset: offset + entries.length, payload: reader.payload() });
    }
    return entries;
  }

  /**
   * All entries from an offset on, then those to come, until the signal says stop. Leaves the read
   * position alone.
   *
   * @param topic The topic; it may come to be later.
   * @param options `from`: the first offset (default: the read position); `signal` ends the iteration.
   * @throws {CorruptionError}
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two"]);
   * const stop = new AbortController();
   * const seen: number[] = [];
   * for await (const { offset } of walrus.entries("log", { signal: stop.signal })) {
   *   seen.push(offset);
   *   if (offset === 1) stop.abort();
   * }
   * assert.deepEqual(seen, [0, 1]);
   * ```
   */
  async *entries(
    topic: string,
    { from, signal }: { from?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<TopicEntry, void, void> {
    const found = this.#topic(topic);
    let offset = from ?? found.next;
    while (!signal?.aborted && this.#closing === null) {
      const entries = await this.readFrom(topic, offset);
      for (const entry of entries) {
        if (signal?.aborted) return;
        yield entry;
        offset = entry.offset + 1;
      }
      if (entries.length > 0) continue;
      try {
        await found.waitFor(offset, signal);
      } catch (error) {
        if (signal?.aborted) return;
        throw error;
      }
    }
  }

  /**
   * How many entries were appended to the topic so far, consumed ones included: the offset that the next
   * one gets.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.appendForTopic("log", "one");
   * assert.equal(walrus.topicEntryCount("log"), 1);
   * assert.equal(walrus.topicEntryCount("nothing"), 0);
   * ```
   */
  topicEntryCount(topic: string): number {
    return this.#topics.get(topic)?.log.endOffset ?? 0;
  }

  /**
   * {@link topicEntryCount} of all topics.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.appendForTopic("log", "one");
   * assert.deepEqual([...walrus.topicEntryCounts()], [["log", 1]]);
   * ```
   */
  topicEntryCounts(): Map<string, number> {
    return new Map([...this.#topics].map(([name, { log }]) => [name, log.endOffset]));
  }

  /**
   * Payload bytes of the topic that are kept: those that were not given back.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.appendForTopic("log", "four");
   * assert.equal(walrus.topicSize("log"), 4);
   * ```
   */
  topicSize(topic: string): number {
    return this.#topics.get(topic)?.log.payloadBytes ?? 0;
  }

  /**
   * The offset of the entry that `readNext` returns next.
   *
   * @example
   * ```ts
   * import { Walrus } from "@walrus/walrus";
   * import assert from "node:assert/strict";
   *
   * await using walrus = await Walrus.open({ dataDir: await Deno.makeTempDir() });
   * await walrus.batchAppendForTopic("log", ["one", "two"]);
   * await walrus.readNext("log");
   * assert.equal(walrus.topicReadOffset("log"), 1);
   * ```
   */
  topicReadOffset(topic: string): number {
    return this.#topics.get(topic)?.next ?? 0;
  }

  /** Makes everything that was appended durable now, whatever `fsync` says. */
  async sync(): Promise<void> {
    this.#mustBeOpen();
    await Promise.all(this.#store.list().map((log) => log.sync()));
  }

  /** Makes appends and read positions durable, gives space back, and lets go of the directory. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const topic of this.#topics.values()) topic.wake();
    try {
      if (this.#store.failure === null) {
        await Promise.all([...this.#topics.values()].map((topic) => topic.settle()));
        await this.#host.cursors.idle();
      }
    } finally {
      await this.#store.close();
      await this.#world.disk.close();
    }
  }

  async #waitForRoom(topic: string): Promise<void> {
    this.#waiting++;
    try {
      await this.#store.drained();
      await this.#host.cursors.mend(topic);
    } finally {
      this.#waiting--;
    }
  }

  #topic(name: string): Topic {
    const found = this.#topics.get(name);
    if (found !== undefined) return found;
    mustBeTopic(name);
    const log = this.#store.get(logNameOf(name)) ?? this.#store.create(logNameOf(name));
    const topic = new Topic(name, log, this.#host);
    this.#topics.set(name, topic);
    return topic;
  }

  #mustBeOpen(): void {
    if (this.#closing !== null) throw new LogClosedError("This Walrus is closed.");
  }
}

function mustBeBytes(maxBytes: number): void {
  if (maxBytes >= 0) return;
  throw new RangeError(`maxBytes is a number from 0 on, not ${maxBytes}.`);
}

/** Opens a Walrus in a world that is handed in; it owns the world's disk from here on. */
export async function openWalrus(
  world: LibraryWorld,
  options: WalrusOptions & {
    limits?: Partial<LibraryLimits>;
    storageLimits?: Partial<StorageLimits>;
  } = {},
): Promise<Walrus> {
  const { consistency = "strictlyAtOnce", fsync = "each" } = options;
  const limits = { ...DEFAULT_LIBRARY_LIMITS, ...options.limits };
  try {
    const store = await openLogStore(world, {
      durability: fsync,
      bootId: world.bootId,
      ...(options.storageLimits ? { limits: options.storageLimits } : {}),
    });
    const { logger } = world;
    const cursors = await CursorLog.open(store, { bytesMax: limits.cursorLogBytesMax, logger });
    await cursors.boundBy((topic) => store.get(logNameOf(topic))?.endOffset ?? 0);
    const ahead = new ReadAhead(limits);
    return Walrus.create(world, store, { cursors, ahead, limits, consistency });
  } catch (error) {
    await world.disk.close();
    throw error;
  }
}
