/**
 * Reads through what nobody reads: every sealed segment that this node holds, and its own logs (Raft's, fences),
 * slowly, again and again, so that rot is found while other replicas can still mend it. (Reading checks the
 * checksum of every frame.)
 *
 * @module
 */

import { CorruptionError, type Log, type LogStore } from "../../storage/mod.ts";
import { type Clock, type Logger, type Random, sleep } from "../../world/mod.ts";
import { isSegmentLogName, parseSegmentLogName, type SegmentTarget } from "../segments/mod.ts";

/** Bytes of one read. */
const READ_BYTES = 256 * 1024;
/** What a read is charged at least: small segments are not free. */
const CHARGED_BYTES_MIN = 16 * 1024;
/** After the start there is other work, milliseconds. */
const FIRST_PASS_AFTER_MS = 10_000;
/** From the start of a pass to that of the next, at least, milliseconds: a day. */
const PASS_MS_MIN = 24 * 3600 * 1000;

/** What a scrub is made from. */
export interface ScrubParts {
  store: LogStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  bytesPerSecond: number;
  isSealed: (target: SegmentTarget) => boolean;
  /** Rot was found, and stands in the log's damage. */
  onRot: () => void;
}

/** For `METRICS`. */
export interface ScrubProgress {
  /** Whole ones since the start. */
  passes: number;
  /** Read in all passes. */
  segments: number;
  bytes: number;
  /** Segments of the pass that is under way that were not read yet; 0 between two passes. */
  segments_left: number;
  /** Segments in which rot was found since the start. */
  rotten: number;
  /** The node's own logs in which rot was found since the start: it may not start again with this disk. */
  rotten_own: number;
}

/** One per node. */
export class Scrub {
  readonly #parts: ScrubParts;
  readonly #stop = new AbortController();
  readonly #progress: ScrubProgress = {
    passes: 0,
    segments: 0,
    bytes: 0,
    segments_left: 0,
    rotten: 0,
    rotten_own: 0,
  };

  constructor(parts: ScrubParts) {
    this.#parts = parts;
  }

  get progress(): ScrubProgress {
    return { ...this.#progress };
  }

  /** Reads until it is stopped. Never where the rate is 0. */
  start(): void {
    if (this.#parts.bytesPerSecond > 0) this.#run().catch(() => {});
  }

  stop(): void {
    this.#stop.abort(new Error("this node stops"));
  }

  /** Ends with the rejection of a wait that was stopped. */
  async #run(): Promise<void> {
    const { clock } = this.#parts;
    await this.#wait(FIRST_PASS_AFTER_MS);
    for (;;) {
      const startMs = clock.nowMs();
      await this.#pass();
      this.#progress.passes++;
      await this.#wait(Math.max(0, startMs + PASS_MS_MIN - clock.nowMs()));
    }
  }

  async #pass(): Promise<void> {
    const { random, store } = this.#parts;
    const all = store.list().map(({ name }) => name);
    for (const name of all.filter((name) => !isSegmentLogName(name))) await this.#readOwn(name);
    const names = all.filter(isSegmentLogName);
    // From another one each time: else, on a node that is restarted often, the last ones are never reached.
    const first = names.length > 0 ? random.nextU32() % names.length : 0;
    this.#progress.segments_left = names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      await this.#read(name);
      this.#progress.segments_left--;
    }
  }

  /** Reads one segment, if it is still there and sealed; an open one is sealed at some time, and read then. */
  async #read(name: string): Promise<void> {
    const { isSealed, logger, onRot, store } = this.#parts;
    const target = parseSegmentLogName(name)!;
    const log = store.get(name);
    if (!log || !isSealed(target) || log.damage.length > 0) return;
    const rot = await this.#readThrough(log);
    this.#progress.segments++;
    if (rot === null) return;
    this.#progress.rotten++;
    logger.log("warn", "a corrupt frame was found in a segment that nobody read", {
      ...target,
      reason: rot.message,
    });
    onRot();
    await this.#pay(READ_BYTES);
  }

  /** What it holds is in memory as well, and so the node goes on; but a start reads it from the disk. */
  async #readOwn(name: string): Promise<void> {
    const { logger, store } = this.#parts;
    const log = store.get(name);
    const rot = log ? await this.#readThrough(log) : null;
    if (rot === null) return;
    this.#progress.rotten_own++;
    logger.log("error", "a corrupt frame was found in this node's own log: replace its disk", {
      log: name,
      reason: rot.message,
    });
  }

  /** The rot that was found. A log that is trimmed, deleted or copied anew meanwhile is left alone. */
  async #readThrough(log: Log): Promise<CorruptionError | null> {
    const end = log.endPosition;
    try {
      for (let position = log.startPosition; position < end;) {
        const run = await log.read(position, { maxBytes: READ_BYTES });
        if (run.count === 0) break;
        position += run.count;
        await this.#pay(run.bytes.length);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) throw error;
      if (error instanceof CorruptionError) return error;
    }
    return null;
  }

  /** Waits as long as so many bytes may take. */
  async #pay(bytes: number): Promise<void> {
    this.#progress.bytes += bytes;
    const charged = Math.max(bytes, CHARGED_BYTES_MIN);
    await this.#wait(charged / this.#parts.bytesPerSecond * 1000);
  }

  #wait(ms: number): Promise<void> {
    return sleep(this.#parts.clock, ms, this.#stop.signal);
  }
}
