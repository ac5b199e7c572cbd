/**
 * Open-loop load on one connection: requests are due at fixed times, whether the earlier ones are answered
 * or not, and each one's latency counts from when it was due. A node that stalls is seen to stall for all
 * that should have been sent meanwhile; a closed loop would have sent one, waited, and called it one slow
 * request (coordinated omission).
 *
 * @module
 */

import { FrameReader } from "../../client/mod.ts";
import type { Clock, Connection } from "../../world/mod.ts";
import { FailureError } from "../exit.ts";
import { answerText, type LatencySink } from "./load.ts";

/** What one connection sends, and when. */
export interface OpenLoadOptions {
  connection: Connection;
  clock: Clock;
  /** One request; all are the same bytes. */
  request: Uint8Array;
  /** Between two requests of this connection. */
  intervalMs: number;
  /** When the first one is due. */
  startMs: number;
  /** Requests that may be sent without an answer; more wait, and their waiting counts. */
  inFlightMax: number;
  sink: LatencySink;
}

/** `OK`, with anything behind it. */
const O = 0x4f;
const K = 0x4b;
/** Requests of one write at most. */
const GROUP_MAX = 64;

/** Sends what is due at each `pump()` until `stop()`; `run()` takes the answers. */
export class OpenLoad {
  /** Requests that were answered. */
  answered = 0;
  readonly #options: OpenLoadOptions;
  /** `GROUP_MAX` requests, one behind the other. */
  readonly #requests: Uint8Array;
  readonly #reader = new FrameReader();
  #sent = 0;
  #isWriting = false;
  #isStopped = false;
  #failure: Error | null = null;

  constructor(options: OpenLoadOptions) {
    this.#options = options;
    const { request } = options;
    this.#requests = new Uint8Array(request.length * GROUP_MAX);
    for (let i = 0; i < GROUP_MAX; i++) this.#requests.set(request, i * request.length);
  }

  /** Requests that were due by now and have no answer yet. */
  backlog(nowMs: number): number {
    return Math.max(0, this.#due(nowMs) - this.answered);
  }

  /** Sends what is due, unless a write is under way: then that goes on with it. */
  pump(): void {
    if (!this.#isWriting && !this.#isStopped) void this.#sendDue();
  }

  /** Resolves when all is answered after `stop()`. @throws {FailureError} when an answer is not `OK`. */
  async run(): Promise<void> {
    const { connection, clock } = this.#options;
    while (!this.#isStopped || this.answered < this.#sent) {
      const count = await connection.read(this.#reader.space());
      if (this.#failure !== null) throw this.#failure;
      if (count === null) {
        if (this.#isStopped && this.answered === this.#sent) return;
        throw new FailureError("The node closed the connection.");
      }
      this.#reader.filled(count);
      this.#settle(this.#countAnswers(), clock.nowMs());
    }
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#isStopped = true;
    // A read that waits for answers to nothing ends with the connection.
    if (this.answered === this.#sent) this.#options.connection.close();
  }

  #due(nowMs: number): number {
    const { startMs, intervalMs } = this.#options;
    return nowMs < startMs ? 0 : Math.floor((nowMs - startMs) / intervalMs) + 1;
  }

  async #sendDue(): Promise<void> {
    const { connection, clock, request, inFlightMax } = this.#options;
    this.#isWriting = true;
    try {
      while (!this.#isStopped) {
        const room = inFlightMax - (this.#sent - this.answered);
        const count = Math.min(this.#due(clock.nowMs()) - this.#sent, room, GROUP_MAX);
        if (count <= 0) break;
        this.#sent += count;
        await connection.write(this.#requests.subarray(0, count * request.length));
      }
    } catch (error) {
      this.#failure ??= error as Error;
      connection.close();
    } finally {
      this.#isWriting = false;
    }
  }

  #countAnswers(): number {
    const reader = this.#reader;
    let count = 0;
    while (reader.next() === "frame") {
      const { bytes, start, end } = reader;
      if (bytes[start] !== O || bytes[start + 1] !== K) {
        const text = answerText(bytes.subarray(start, end));
        throw new FailureError(`A request was answered with: ${text}`);
      }
      count++;
    }
    return count;
  }

  /** Answers come in the order of the requests: which one it is tells when it was due. */
  #settle(answers: number, nowMs: number): void {
    const { startMs, intervalMs, sink } = this.#options;
    for (let i = 0; i < answers; i++) {
      sink.record(nowMs - (startMs + this.answered++ * intervalMs), 1);
    }
  }
}
