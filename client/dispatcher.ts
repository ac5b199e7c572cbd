/**
 * Carries requests to one of several addresses: what waits, what is sent, deadlines, reconnecting. The
 * rule that everything here serves: a request whose repetition could do harm is sent at most once.
 *
 * @module
 */

import type { Clock, Timer } from "../world/clock.ts";
import { type Address, type Connection, formatAddress, type Network } from "../world/network.ts";
import {
  ClientClosedError,
  OutcomeUnknownError,
  ProtocolError,
  RequestTimeoutError,
  TooManyRequestsError,
} from "./errors.ts";
import { type PendingRequest, Pipeline } from "./pipeline.ts";
import type { Command } from "./wire.ts";

/** Answers may be longer than requests: `STATE` of a topic with very many segments. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Between two rounds over all addresses; doubles from the first to the second. */
const RECONNECT_DELAY_MS_MIN = 20;
const RECONNECT_DELAY_MS_MAX = 1_000;
/** Sent requests at the front of the waiting list are dropped when they are so many. */
const WAITING_COMPACT_AT = 1024;

/** See `ClientOptions`. */
export interface DispatcherOptions {
  timeoutMs: number;
  connectTimeoutMs: number;
  maxInFlight: number;
  maxWaiting: number;
  network: Pick<Network, "connect">;
  clock: Clock;
}

/** Has at most one connection, and makes a new one when somebody waits for it. */
export class Dispatcher {
  readonly #addresses: readonly Address[];
  readonly #options: DispatcherOptions;
  #nextAddress = 0;
  #pipeline: Pipeline | null = null;
  #connectedTo: Address | null = null;
  #isConnecting = false;
  #lastFailure = "";

  /** Not sent yet, in order, from `#waitingHead` on. Settled ones are passed over. */
  #waiting: PendingRequest[] = [];
  #waitingHead = 0;
  #unsettled = 0;
  #isPumpQueued = false;
  #sweep: { timer: Timer; atMs: number } | null = null;

  #isFinished = false;
  #onIdle: (() => void) | null = null;

  constructor(addresses: readonly Address[], options: DispatcherOptions) {
    this.#addresses = addresses;
    this.#options = options;
  }

  get address(): string | null {
    return this.#connectedTo === null ? null : formatAddress(this.#connectedTo);
  }

  get outstanding(): number {
    return this.#unsettled;
  }

  /** Takes a request over; it will be answered or failed, at the latest at its deadline. */
  submit(request: PendingRequest): void {
    if (this.#waiting.length - this.#waitingHead >= this.#options.maxWaiting) {
      const message = `${this.#options.maxWaiting} requests wait to be sent: await some first.`;
      return request.fail(new TooManyRequestsError(message));
    }
    this.#waiting.push(request);
    this.#unsettled++;
    this.#sweepAt(request.deadlineMs);
    this.#queuePump();
  }

  /** One round over all addresses. `null` when connected, else what went wrong at each. */
  async connectOnce(): Promise<string | null> {
    const failures: string[] = [];
    for (let i = 0; i < this.#addresses.length; i++) {
      const address = this.#addresses[this.#nextAddress]!;
      try {
        const connection = await this.#options.network.connect(address, {
          timeoutMs: this.#options.connectTimeoutMs,
        });
        if (this.#isFinished) connection.close();
        else this.#adopt(connection, address);
        return null;
      } catch (error) {
        failures.push((error as Error).message);
        this.#moveToNextAddress();
      }
    }
    return failures.join(" ");
  }

  /** Waits until nothing is outstanding, then ends the connection. */
  async close(): Promise<void> {
    if (this.#unsettled > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    this.#isFinished = true;
    this.#sweep?.timer.cancel();
    this.#sweep = null;
    this.#pipeline?.end(new ClientClosedError("The client was closed."));
  }

  /** Fails everything that is outstanding, sent or not, and ends the connection. */
  abandon(reason: Error): void {
    this.#isFinished = true;
    this.#sweep?.timer.cancel();
    this.#sweep = null;
    const sent = this.#pipeline?.unanswered() ?? [];
    for (const request of [...sent, ...this.#waiting.slice(this.#waitingHead)]) {
      if (!request.settled) this.#fail(request, reason);
    }
    this.#pipeline?.end(reason);
  }

  /** Requests made in the same turn leave in one write. */
  #queuePump(): void {
    if (this.#isPumpQueued) return;
    this.#isPumpQueued = true;
    queueMicrotask(() => {
      this.#isPumpQueued = false;
      this.#pump();
    });
  }

  /** Moves waiting requests to the connection, as many as its bounds allow. */
  #pump(): void {
    const pipeline = this.#pipeline;
    if (pipeline === null) {
      if (this.#hasWaiting()) this.#reconnect();
    } else {
      const maxInFlight = this.#options.maxInFlight;
      while (this.#hasWaiting() && pipeline.hasWriteRoom && pipeline.inFlight < maxInFlight) {
        pipeline.add(this.#waiting[this.#waitingHead++]!);
      }
      this.#compactWaiting();
      pipeline.flush();
    }
    if (this.#unsettled === 0) this.#onIdle?.();
  }

  /** Whether an unsettled request waits; it then stands at the head. */
  #hasWaiting(): boolean {
    while (this.#waitingHead < this.#waiting.length) {
      if (!this.#waiting[this.#waitingHead]!.settled) return true;
      this.#waitingHead++;
    }
    this.#waiting.length = this.#waitingHead = 0;
    return false;
  }

  #compactWaiting(): void {
    if (this.#waitingHead < WAITING_COMPACT_AT) return;
    this.#waiting = this.#waiting.slice(this.#waitingHead);
    this.#waitingHead = 0;
  }

  #adopt(connection: Connection, address: Address): void {
    this.#connectedTo = address;
    this.#pipeline = new Pipeline(connection, {
      maxFrameBytes: ANSWER_BYTES_MAX,
      events: {
        onAnswered: () => this.#unsettled--,
        onRoom: () => this.#pump(),
        onEnd: (reason, unanswered) => this.#handleEnd(reason, unanswered),
      },
    });
  }

  #moveToNextAddress(): void {
    this.#nextAddress = (this.#nextAddress + 1) % this.#addresses.length;
  }

  /** Tries until connected, or until nobody waits any more. */
  #reconnect(options: { isLastUseless: boolean } = { isLastUseless: false }): void {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    let delayMs = RECONNECT_DELAY_MS_MIN;
    const attempt = async () => {
      const failures = await this.connectOnce();
      if (failures !== null && this.#hasWaiting()) {
        this.#lastFailure = failures;
        this.#options.clock.after(delayMs, attempt);
        delayMs = Math.min(delayMs * 2, RECONNECT_DELAY_MS_MAX);
        return;
      }
      this.#isConnecting = false;
      this.#pump();
    };
    if (options.isLastUseless) this.#options.clock.after(delayMs, attempt);
    else attempt();
  }

  #handleEnd(reason: Error, unanswered: PendingRequest[]): void {
    // A node that takes connections only to close them must not be asked in a tight loop.
    const isLastUseless = this.#pipeline?.reads === 0;
    const lost = `the connection to ${this.address} ended: ${reason.message}`;
    this.#pipeline = null;
    this.#connectedTo = null;
    this.#lastFailure = reason.message;
    this.#moveToNextAddress();
    const again: PendingRequest[] = [];
    for (const request of unanswered) {
      if (isRepeatable(request.command)) again.push(request);
      else this.#fail(request, outcomeUnknown(request, lost));
    }
    this.#waiting = [...again, ...this.#waiting.slice(this.#waitingHead)];
    this.#waitingHead = 0;
    if (this.#hasWaiting()) this.#reconnect({ isLastUseless });
    this.#pump();
  }

  #sweepAt(atMs: number): void {
    if (this.#sweep !== null) {
      if (this.#sweep.atMs <= atMs) return;
      this.#sweep.timer.cancel();
    }
    const delayMs = Math.max(0, atMs - this.#options.clock.nowMs());
    this.#sweep = { atMs, timer: this.#options.clock.after(delayMs, () => this.#expire()) };
  }

  /** Fails what is past its deadline. One timer serves all requests. */
  #expire(): void {
    this.#sweep = null;
    const nowMs = this.#options.clock.nowMs();
    const sent = this.#pipeline?.unanswered() ?? [];
    const waiting = this.#waiting.slice(this.#waitingHead);
    let earliestMs = Infinity;
    let isSilent = false;
    for (const [list, isSent] of [[sent, true], [waiting, false]] as const) {
      for (const request of list) {
        if (request.settled) continue;
        if (request.deadlineMs > nowMs) {
          earliestMs = Math.min(earliestMs, request.deadlineMs);
          continue;
        }
        isSilent ||= isSent && request.readsWhenSent === this.#pipeline!.reads;
        this.#fail(request, this.#timeoutError(request, isSent));
      }
    }
    if (earliestMs < Infinity) this.#sweepAt(earliestMs);
    // Nothing at all came since an expired request was sent: another node may be better.
    if (isSilent) this.#pipeline!.end(new ProtocolError(`${this.address} does not answer.`));
    this.#pump();
  }

  #timeoutError(request: PendingRequest, isSent: boolean): Error {
    const within = `within ${this.#options.timeoutMs} ms`;
    const silent = `${this.address} did not answer ${within}.`;
    if (isSent && !isRepeatable(request.command)) return outcomeUnknown(request, silent);
    const what = `${request.command} ${request.topic}`.trimEnd();
    if (isSent) return new RequestTimeoutError(`${what}: ${silent}`);
    const why = this.#pipeline === null && this.#lastFailure !== ""
      ? ` There is no connection: ${this.#lastFailure}`
      : "";
    return new RequestTimeoutError(`${what} could not be sent ${within}.${why}`);
  }

  #fail(request: PendingRequest, error: Error): void {
    request.settled = true;
    this.#unsettled--;
    request.fail(error);
  }
}

/**
 * Commands that can't be repeated without harm, and what is not known when the answer is lost. Those of the
 * last three that come late meet what has taken the place of what they were meant for: a topic that was
 * made again, another node of the same id.
 */
const EFFECTS: Partial<Record<Command, string>> = {
  PUT: "the message may be in the topic or not",
  APPEND: "the batch may be in the topic, whole, or not",
  GET: "the cursor may have passed a message",
  DELETE: "the topic may be deleted or not",
  TRIM: "what lies before the offset may be dropped or not",
  "REMOVE-NODE": "the node may be leaving or not",
};

/** Whether doing it twice is the same as doing it once. */
function isRepeatable(command: Command): boolean {
  return EFFECTS[command] === undefined;
}

function outcomeUnknown(request: PendingRequest, why: string): OutcomeUnknownError {
  const what = `${request.command} ${request.topic}`.trimEnd();
  return new OutcomeUnknownError(`${what}: ${why} So ${EFFECTS[request.command]}.`);
}
