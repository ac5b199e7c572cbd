/**
 * Time that stands still until it is stepped.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { assert } from "../assert.ts";
import type { Clock, Timer } from "../clock.ts";

/** 2026-01-01T00:00:00Z: what the wall shows at the start. */
const WALL_START_MS = 1767225600000;

/** Events that are run in one turn of the event loop. */
const EVENTS_PER_TURN = 32;

interface Event extends Timer {
  atMs: number;
  /** Order of insertion: decides between events of the same time. */
  order: number;
  task: (() => void) | null;
}

/**
 * {@link Clock} over a queue of events. One step runs one event and then lets every promise that it
 * settled run to its end, so that a program of promises is as deterministic as one of callbacks.
 *
 * An exception out of a task is thrown by the step that ran it.
 */
export class SimClock implements Clock {
  #nowMs = 0;
  #wallOffsetMs = WALL_START_MS;
  #order = 0;
  #heap: Event[] = [];
  #cancelled = 0;
  #steps = 0;
  readonly #stepsMax: number;

  /** `stepsMax`: events after which it gives up: a simulation that runs away ends in words. */
  constructor(options: { stepsMax?: number } = {}) {
    this.#stepsMax = options.stepsMax ?? Infinity;
  }

  /** Events that were run. */
  get steps(): number {
    return this.#steps;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallOffsetMs + Math.floor(this.#nowMs);
  }

  after(delayMs: number, task: () => void): Timer {
    assert(!Number.isNaN(delayMs), "a delay is a number");
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      task,
      cancel: () => {
        if (event.task !== null) this.#cancelled++;
        event.task = null;
      },
    };
    push(this.#heap, event);
    return event;
  }

  soon(task: () => void): void {
    this.after(0, task);
  }

  /** The wall clock jumps (an operator, NTP); the monotonic one does not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Events that wait, without the cancelled ones. */
  get pending(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** When the next event is due; `undefined` when there is none. */
  get nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** Runs the next event and all that its promises lead to; false when there was none. */
  async step(): Promise<boolean> {
    await drainMicrotasks(); // what the caller has just started may schedule something earlier
    const isRun = this.#runNext();
    await drainMicrotasks();
    return isRun;
  }

  /** Runs everything that is due within the next `durationMs`; then it is that much later. */
  async runFor(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.#runWhile(() => (this.nextAtMs ?? Infinity) <= endMs);
    this.#nowMs = endMs;
  }

  /**
   * Runs until `condition` holds. @throws {SimStalledError} when it still doesn't after `maxMs`, or when
   * nothing is left to happen.
   */
  async runUntil(condition: () => boolean, options: { maxMs: number }): Promise<void> {
    const endMs = this.#nowMs + options.maxMs;
    await this.#runWhile(() => {
      if (condition()) return false;
      const nextAtMs = this.nextAtMs;
      if (nextAtMs === undefined) throw new SimStalledError("Nothing is left to happen");
      if (nextAtMs > endMs) throw new SimStalledError(`Not reached within ${options.maxMs} ms`);
      return true;
    });
  }

  /** Runs until `promise` is settled, and gives what it gave. Fails as {@link SimClock.runUntil} does. */
  async settle<T>(promise: Promise<T>, options: { maxMs: number } = { maxMs: 60_000 }): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.runUntil(() => settled, options);
    return await promise;
  }

  /**
   * Runs event after event, one immediate each: between two of them every promise runs to its end, and one that
   * failed and that nobody looks after is told. They are asked for many at a time: a turn of the event loop for
   * each would cost more than most events do.
   */
  #runWhile(goesOn: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const next = () => {
        if (isOver) return;
        try {
          if (goesOn()) {
            this.#runNext();
            return;
          }
          resolve();
        } catch (error) {
          reject(error);
        }
        isOver = true;
      };
      const turn = () => {
        if (isOver) return;
        for (let event = 0; event < EVENTS_PER_TURN; event++) setImmediate(next);
        setImmediate(turn);
      };
      turn(); // what the caller has just started may schedule something earlier: an immediate sees it
    });
  }

  #runNext(): boolean {
    this.#dropCancelled();
    const event = pop(this.#heap);
    if (event === undefined) return false;
    assert(event.atMs >= this.#nowMs, "simulated time does not go back");
    this.#steps++;
    if (this.#steps > this.#stepsMax) {
      throw new SimStalledError(`More than ${this.#stepsMax} events, at ${this.#nowMs} ms`);
    }
    this.#nowMs = event.atMs;
    const task = event.task!;
    event.task = null; // a cancel from now on finds nothing
    task();
    return true;
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.task === null) {
      pop(this.#heap);
      this.#cancelled--;
    }
  }
}

/** What was waited for did not happen in simulated time. */
export class SimStalledError extends Error {
  override readonly name = "SimStalledError";
}

/** An immediate runs only when no promise job is left, however long their chain was. */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  while (true) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
