/**
 * Who waits for topics to grow, and how this node hears of it: from its own writer where it leads the topic, else
 * by one question at a time to the leader, however many wait here.
 *
 * @module
 */

import type { Clock, Timer } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { METHOD } from "../messages.ts";
import { readReadOpenReply, writeReadOpen } from "../read_open_messages.ts";
import { openSegmentOf, type SegmentInfo } from "../metadata/mod.ts";
import type { Routes } from "./routes.ts";

/** Longest that one question waits at the leader: what is left behind by those who went away, milliseconds. */
const ASK_MS = 5000;
/** Pause where a topic's leader can't be asked, unless metadata changes before, milliseconds. */
const RETRY_MS = 50;

/** One who waits. */
export class TailWait {
  /**
   * Resolves when there may be more: look again. Also when the time is up, when metadata of the topic changed,
   * and when it is cancelled.
   */
  readonly done: Promise<void>;
  #resolve!: () => void;
  #timer: Timer | null = null;
  #onEnd: (() => void) | null;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.done = new Promise((resolve) => this.#resolve = resolve);
  }

  /** To be ended after that time. */
  arm(clock: Clock, timeoutMs: number): void {
    this.#timer = clock.after(timeoutMs, () => this.cancel());
  }

  /** Ends the wait now; harmless when it is over. */
  cancel(): void {
    if (this.#onEnd === null) return;
    this.#timer?.cancel();
    this.#onEnd();
    this.#onEnd = null;
    this.#resolve();
  }
}

/** One topic that somebody waits for. */
class Tail {
  /** Everything before it is known to be committed. */
  end = 0;
  /** All wait for an offset at or behind `end`. */
  readonly waits: Map<TailWait, number> = new Map();
  #onIdle: (() => void) | null = null;

  /** So far the topic is committed: wakes those who wait for an entry before it. */
  advance(end: number): void {
    if (end <= this.end) return;
    this.end = end;
    for (const [wait, offset] of this.waits) if (offset < end) wait.cancel();
  }

  wakeAll(): void {
    for (const wait of [...this.waits.keys()]) wait.cancel();
  }

  remove(wait: TailWait): void {
    this.waits.delete(wait);
    if (this.waits.size === 0) this.#onIdle?.();
  }

  /** Resolves when nobody waits any more. */
  idle(): Promise<void> {
    if (this.waits.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle = resolve);
  }
}

/** One per node. */
export class TopicTails {
  readonly #routes: Routes;
  readonly #clock: Clock;
  readonly #tails: Map<string, Tail> = new Map();
  #isClosed = false;

  constructor(routes: Routes, clock: Clock) {
    this.#routes = routes;
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many wait, for all topics together. */
  get size(): number {
    let size = 0;
    for (const tail of this.#tails.values()) size += tail.waits.size;
    return size;
  }

  /** Waits until the topic, which exists, has a committed entry at `offset`, or else so long. */
  wait(topic: string, offset: number, timeoutMs: number): TailWait {
    let tail = this.#tails.get(topic);
    if (tail === undefined) {
      tail = new Tail();
      this.#tails.set(topic, tail);
      this.#follow(topic, tail);
    }
    const from = tail;
    const wait: TailWait = new TailWait(() => from.remove(wait));
    tail.waits.set(wait, offset);
    // What was heard between the caller's look and now would be missed.
    if (this.#isClosed || offset < tail.end) wait.cancel();
    else wait.arm(this.#clock, timeoutMs);
    return wait;
  }

  /** This node leads the topic, which can be read so far. Called in every commit cycle: cheap where nobody waits. */
  grown(topic: string, end: number): void {
    if (this.#tails.size > 0) this.#tails.get(topic)?.advance(end);
  }

  /** Nobody waits from here on. */
  close(): void {
    this.#isClosed = true;
    for (const tail of this.#tails.values()) tail.wakeAll();
  }

  /** Runs as long as somebody waits for the topic. */
  async #follow(topic: string, tail: Tail): Promise<void> {
    await undefined; // the first one who waits is added behind this call
    let change: Promise<void> | null = null;
    while (tail.waits.size > 0 && !this.#isClosed) {
      const known = this.#routes.topicNow(topic);
      if (known === undefined) break;
      const segment = openSegmentOf(known);
      change ??= this.#routes.changeOf(topic, ASK_MS).then(() => {
        change = null;
      });
      const isOver = await Promise.race([
        this.#news(topic, segment, tail),
        change.then(() => true),
      ]).catch(() => this.#routes.changeOf(topic, RETRY_MS));
      if (isOver === true && openSegmentAt(this.#routes, topic) !== segment) tail.wakeAll();
    }
    tail.wakeAll();
    if (this.#tails.get(topic) === tail) this.#tails.delete(topic);
  }

  /** Brings the tail up to what the segment's leader has committed, and waits for more. */
  async #news(topic: string, segment: SegmentInfo, tail: Tail): Promise<void> {
    const { nodeId, peers, segments } = this.#routes;
    tail.advance(segment.baseOffset);
    if (tail.waits.size === 0) return;
    if (segment.leader === nodeId) {
      const led = segments.led(topic);
      // Not open yet, or not any more: metadata or the opening is on its way.
      if (led?.number !== segment.number) return await this.#routes.changeOf(topic, RETRY_MS);
      tail.advance(led.readableEnd);
      return await tail.idle();
    }
    const body = writeReadOpen({
      topic,
      segment: segment.number,
      offset: tail.end,
      count: 0,
      maxBytes: 0,
      waitMs: ASK_MS,
    });
    const timeoutMs = ASK_MS + REQUEST_TIMEOUT_MS;
    const reply = readReadOpenReply(
      await peers.call(segment.leader, METHOD.readOpen, body, { timeoutMs }),
    );
    if (reply === null) await this.#routes.changeOf(topic, RETRY_MS);
    else tail.advance(reply.end);
  }
}

function openSegmentAt(routes: Routes, topic: string): SegmentInfo | undefined {
  const known = routes.topicNow(topic);
  return known && openSegmentOf(known);
}
