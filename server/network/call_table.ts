/**
 * The calls of one connection that wait for their answer.
 *
 * @module
 */

import type { Clock, Timer } from "../../world/mod.ts";
import { CallTimeoutError, ConnectionLostError, OverloadedError } from "./errors.ts";

/** Calls that may wait for an answer on one connection. */
export const MAX_CALLS_IN_FLIGHT = 16 * 1024;
const CALL_IDS = 2 ** 32;

interface PendingCall {
  resolve: (body: Uint8Array) => void;
  reject: (error: Error) => void;
  deadlineMs: number;
  timeoutMs: number;
}

/**
 * Hands out call ids and keeps deadlines with one timer, which is set to the earliest deadline that was
 * known when it was set: it fires about once per timeout, not once per call.
 */
export class CallTable {
  readonly #clock: Clock;
  readonly #remote: string;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;

  constructor(clock: Clock, remote: string) {
    this.#clock = clock;
    this.#remote = remote;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** @throws {OverloadedError} when too many wait already. */
  add(timeoutMs: number): { callId: number; answer: Promise<Uint8Array> } {
    if (this.#pending.size >= MAX_CALLS_IN_FLIGHT) {
      throw new OverloadedError(
        `${MAX_CALLS_IN_FLIGHT} calls to ${this.#remote} wait for an answer already: try again later.`,
      );
    }
    const callId = this.#freeId();
    const deadlineMs = this.#clock.nowMs() + timeoutMs;
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#pending.set(callId, { resolve, reject, deadlineMs, timeoutMs });
    });
    if (deadlineMs < this.#timerAtMs) this.#setTimer(deadlineMs);
    return { callId, answer };
  }

  /** The call was not sent after all. */
  forget(callId: number): void {
    this.#pending.delete(callId);
  }

  /** An answer came. One that is unknown was given up before: nobody waits for it. */
  resolve(callId: number, body: () => Uint8Array): void {
    const call = this.#take(callId);
    if (call) call.resolve(body());
  }

  reject(callId: number, error: () => Error): void {
    const call = this.#take(callId);
    if (call) call.reject(error());
  }

  /** The connection is gone. */
  rejectAll(reason: string): void {
    this.#timer?.cancel();
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of calls) {
      call.reject(
        new ConnectionLostError(
          `The connection with ${this.#remote} ended before the answer came: ${reason}`,
        ),
      );
    }
  }

  #take(callId: number): PendingCall | undefined {
    const call = this.#pending.get(callId);
    if (call !== undefined) this.#pending.delete(callId);
    return call;
  }

  #freeId(): number {
    do {
      this.#nextId = (this.#nextId + 1) % CALL_IDS;
    } while (this.#pending.has(this.#nextId));
    return this.#nextId;
  }

  #setTimer(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.after(atMs - this.#clock.nowMs(), () => this.#expire());
  }

  #expire(): void {
    this.#timerAtMs = Infinity;
    const nowMs = this.#clock.nowMs();
    let earliestMs = Infinity;
    const expired: PendingCall[] = [];
    for (const [callId, call] of this.#pending) {
      // Real timers may be a fraction of a millisecond early.
      if (call.deadlineMs <= nowMs + 0.5) {
        this.#pending.delete(callId);
        expired.push(call);
      } else if (call.deadlineMs < earliestMs) earliestMs = call.deadlineMs;
    }
    if (earliestMs < Infinity) this.#setTimer(earliestMs);
    for (const call of expired) {
      call.reject(
        new CallTimeoutError(`No answer from ${this.#remote} within ${call.timeoutMs} ms.`),
      );
    }
  }
}
