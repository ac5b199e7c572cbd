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
/** Questions that wait at other nodes at the same time: each holds one of the calls that a connection has. */
export const ASKS_MAX = 4096;
/** Between two questions about a topic for which none can wait, milliseconds. */
const POLL_MS = 1000;

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

/** One open segment of a topic that somebody waits for. */
class Tail {
  /** What was heard of another one says nothing of this one: the topic may have been made anew. */
  readonly segment: SegmentInfo | undefined;
  /** Everything before it is known to be committed. */
  end = 0;
  /** All wait for an offset at or behind `end`. */
  readonly waits: Map<TailWait, number> = new Map();
  #onIdle: (() => void) | null = null;

  constructor(segment: SegmentInfo | undefined) {
    this.segment = segment;
  }

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
  #asks = 0;
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
    const segment = openSegmentAt(this.#routes, topic);
    let tail = this.#tails.get(topic);
    if (tail === undefined || tail.segment !== segment) {
      tail?.wakeAll();
      tail = new Tail(segment);
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

  /** Runs as long as somebody waits, and the topic's open segment is the same. */
  async #follow(topic: string, tail: Tail): Promise<void> {
    await undefined; // the first one who waits is added behind this call
    let change: Promise<void> | null = null;
    while (tail.waits.size > 0 && !this.#isClosed) {
      const { segment } = tail;
      if (segment === undefined || openSegmentAt(this.#routes, topic) !== segment) break;
      change ??= this.#routes.changeOf(topic, ASK_MS).then(() => {
        change = null;
      });
      await Promise.race([this.#news(topic, segment, tail), change])
        .catch(() => this.#routes.changeOf(topic, RETRY_MS));
    }
    tail.wakeAll();
    if (this.#tails.get(topic) === tail) this.#tails.delete(topic);
  }

  /** Brings the tail up to what the segment's leader has committed, and waits for more. */
  async #news(topic: string, segment: SegmentInfo, tail: Tail): Promise<void> {
    const { nodeId, segments } = this.#routes;
    tail.advance(segment.baseOffset);
    if (tail.waits.size === 0) return;
    if (segment.leader === nodeId) {
      const led = segments.led(topic);
      // Not open yet, or not any more: metadata or the opening is on its way.
      if (led?.number !== segment.number) return await this.#routes.changeOf(topic, RETRY_MS);
      // ⛔ Others may lead it by now: who is cut off does not know whether there is more, and says so when asked.
      if (!led.writer.hasLease) return tail.wakeAll();
      tail.advance(led.readableEnd);
      return await tail.idle();
    }
    if (this.#asks < ASKS_MAX) return await this.#ask(topic, { segment, tail, waitMs: ASK_MS });
    const { end } = tail;
    await this.#ask(topic, { segment, tail, waitMs: 0 });
    if (tail.end === end) await this.#routes.changeOf(topic, POLL_MS);
  }

  /** One question to the segment's leader. */
  async #ask(
    topic: string,
    { segment, tail, waitMs }: { segment: SegmentInfo; tail: Tail; waitMs: number },
  ): Promise<void> {
    const { peers } = this.#routes;
    const body = writeReadOpen({
      topic,
      segment: segment.number,
      offset: tail.end,
      count: 0,
      maxBytes: 0,
      waitMs,
    });
    const timeoutMs = waitMs + REQUEST_TIMEOUT_MS;
    const isWaiting = waitMs > 0;
    if (isWaiting) this.#asks++;
    let answer: Uint8Array;
    try {
      answer = await peers.call(segment.leader, METHOD.readOpen, body, { timeoutMs });
    } finally {
      if (isWaiting) this.#asks--;
    }
    const reply = readReadOpenReply(answer);
    if (reply === null) await this.#routes.changeOf(topic, RETRY_MS);
    else tail.advance(reply.end);
  }
}

function openSegmentAt(routes: Routes, topic: string): SegmentInfo | undefined {
  const known = routes.topicNow(topic);
  return known && openSegmentOf(known);
}
