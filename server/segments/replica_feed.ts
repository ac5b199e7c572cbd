/**
 * The stream of an open segment from its leader to one other replica: pipelined, in order, within a window;
 * from memory while the replica keeps up, from the log while it catches up.
 *
 * @module
 */

import type { Log, RecordBatch } from "../../storage/mod.ts";
import { assert, type Clock, sleep } from "../../world/mod.ts";
import type { StreamedBatch } from "./replica.ts";
import type { ReplicateAnswer } from "./replicas.ts";
import type { TailBuffer } from "./tail_buffer.ts";
import { readWhole } from "./whole_read.ts";

/** Bytes of one message to a replica; more where one append is longer. */
const MESSAGE_BYTES = 1024 * 1024;
/** Messages on their way to one replica. */
const WINDOW_MESSAGES = 8;
/** Bytes on their way to one replica. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/**
 * Pause before a stream that broke is begun again, milliseconds; it doubles up to the second. Short at first:
 * a new segment's replicas are silent until they have learnt of it, a moment after their leader.
 */
const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 500;

assert(MESSAGE_BYTES <= WINDOW_BYTES, "a window holds a message");

const NO_RECORDS: RecordBatch = { bytes: new Uint8Array(0), count: 0, entryCount: 0 };

/** What a feed is made from. */
export interface FeedParts {
  log: Log;
  tail: TailBuffer;
  clock: Clock;
  /** Instead of the usual {@link MESSAGE_BYTES}. */
  messageBytes?: number | undefined;
  /** Asks the replica how far it is. */
  probe: () => Promise<ReplicateAnswer>;
  /** Sends records; resolves when they are durable there. The bytes are copied before it returns. */
  send: (streamed: StreamedBatch) => Promise<ReplicateAnswer>;
  /** Entries of the segment that are committed now. */
  committed: () => number;
  /** Everything before this position is durable there. */
  onDurable: (position: number) => void;
}

/** Runs until it is stopped, or the replica has fallen silent for good. */
export class ReplicaFeed {
  readonly #parts: FeedParts;
  readonly #messageBytes: number;
  #isStopped = false;
  #isSilent = false;
  #isStreaming = false;
  /** Position of the next record to send; everything before it is there or on its way. */
  #next = 0;
  #messages = 0;
  #bytes = 0;
  /** Committed entries that the replica was told of last. */
  #told = 0;
  /** Counts streams: each begins with a probe. */
  #epoch = 0;
  /** Set when a message of the present stream failed. */
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.#messageBytes = parts.messageBytes ?? MESSAGE_BYTES;
  }

  start(): void {
    this.#run();
  }

  /** The replica's last word was that it takes no part in this segment. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** What it needs next from memory; `null` while it isn't streaming, and so will read from the log. */
  get next(): number | null {
    return this.#isStreaming ? this.#next : null;
  }

  /** The log has grown or can be read further, or the window has room. */
  notify(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /**
   * Tells the replica how much is committed, where no records have told it. True where it knows all, or can't
   * be told.
   */
  tell(): boolean {
    const committed = this.#parts.committed();
    if (!this.#isStreaming || this.#told === committed) return true;
    this.#told = committed;
    this.#parts.send({ position: this.#next, batch: NO_RECORDS, committed })
      .catch(() => this.#told = 0);
    return false;
  }

  stop(): void {
    this.#isStopped = true;
    this.notify();
  }

  async #run(): Promise<void> {
    let pauseMs = PAUSE_MS_MIN;
    while (!this.#isStopped) {
      try {
        const extent = await this.#parts.probe();
        this.#isSilent = extent === "silent";
        if (extent !== "silent") {
          this.#begin(extent.end);
          this.#parts.onDurable(extent.durable);
          pauseMs = PAUSE_MS_MIN;
          this.#isStreaming = true;
          await this.#stream();
        }
      } catch {
        // Not connected, or the answer was lost: the next probe finds out how far the replica is.
      }
      this.#isStreaming = false;
      if (this.#isStopped) return;
      await sleep(this.#parts.clock, pauseMs);
      pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2);
    }
  }

  #begin(position: number): void {
    const { log } = this.#parts;
    if (position > log.endPosition) {
      throw new Error(`the replica holds ${position} records, its writer ${log.endPosition}`);
    }
    this.#epoch++;
    this.#next = position;
    this.#failure = null;
    this.#messages = this.#bytes = 0;
    this.#told = 0;
  }

  /** Sends what there is, as it comes, until it is stopped or a message fails. */
  async #stream(): Promise<void> {
    const { clock, log, tail } = this.#parts;
    while (!this.#isStopped) {
      if (this.#failure) throw this.#failure;
      const isIdle = this.#next === log.endPosition;
      if (isIdle || this.#messages >= WINDOW_MESSAGES || this.#bytes >= WINDOW_BYTES) {
        await this.#woken();
        // All that is appended in this turn of the event loop leaves in one message.
        if (isIdle) await new Promise<void>((resolve) => clock.soon(resolve));
        continue;
      }
      const run = tail.from(this.#next, this.#messageBytes);
      if (run !== null) this.#send({ bytes: run.bytes, count: run.count, entryCount: 0 });
      else await this.#sendFromLog(log);
    }
  }

  async #sendFromLog(log: Log): Promise<void> {
    const run = await readWhole(log, this.#next, { maxBytes: this.#messageBytes });
    if (run.count > 0) return this.#send(run);
    // Accepted, and on its way to the disk: `notify` says when it is there.
    await this.#woken();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #send(batch: RecordBatch): void {
    const message = {
      epoch: this.#epoch,
      lengthBytes: batch.bytes.length,
      end: this.#next + batch.count,
    };
    const committed = this.#told = this.#parts.committed();
    const answer = this.#parts.send({ position: this.#next, batch, committed });
    this.#next = message.end;
    this.#messages++;
    this.#bytes += message.lengthBytes;
    this.#settle(answer, message);
  }

  async #settle(answer: Promise<ReplicateAnswer>, message: Message): Promise<void> {
    let failure: Error | null = null;
    try {
      const extent = await answer;
      if (extent === "silent") {
        this.#isSilent = true;
        failure = new Error("the replica is silent");
      } else {
        this.#parts.onDurable(extent.durable);
        if (extent.end < message.end) failure = new Error("the replica lacks what came before");
      }
    } catch (error) {
      failure = error as Error;
    }
    // Late answers of an earlier stream must not touch the present one's window.
    if (message.epoch !== this.#epoch) return;
    this.#messages--;
    this.#bytes -= message.lengthBytes;
    this.#failure ??= failure;
    this.notify();
  }
}

/** A message on its way. */
interface Message {
  epoch: number;
  lengthBytes: number;
  /** Position behind its last record. */
  end: number;
}
