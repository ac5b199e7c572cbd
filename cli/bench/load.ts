/**
 * Closed-loop load on one connection, as cheap as it can be made: one prebuilt buffer of requests is
 * sent over and over, answers are only counted, and what one read brought is answered by one write.
 *
 * @module
 */

import { FrameReader, parseResponse, RequestWriter } from "../../client/mod.ts";
import type { Clock, Connection } from "../../world/mod.ts";
import { FailureError } from "../exit.ts";

/** Takes latencies. */
export interface LatencySink {
  /** `count` requests took `latencyMs`, sent and answered together. */
  record(latencyMs: number, count: number): void;
}

/** What one connection asks for. */
export type LoadKind = "put" | "get" | "fetch";

/** What one connection sends. */
export interface LoadOptions {
  connection: Connection;
  clock: Clock;
  kind: LoadKind;
  topic: string;
  /** Of each `PUT`. */
  payload: Uint8Array;
  /** Requests in flight. */
  depth: number;
  /** Messages of each request: more than 1 make it an `APPEND`. */
  batch: number;
  sink: LatencySink;
}

/** `OK` alone is the answer to a `PUT`; with a space and a message behind it, to a `GET`. */
const OK_BYTES = 2;
const O = 0x4f;
const K = 0x4b;
/** `EMPTY`, the answer to a `GET` when all is read. */
const EMPTY_BYTES = 5;
const E = 0x45;
const M = 0x4d;

/** Sends requests until `stop()`, then takes the answers that are still owed. */
export class ConnectionLoad {
  /** Requests that were answered with `OK`. */
  answered = 0;
  /** Those that were answered with `EMPTY`; the first one stops the load. */
  empty = 0;
  readonly #options: LoadOptions;
  /** `depth` requests one behind the other. */
  readonly #requests: Uint8Array;
  readonly #requestBytes: number;
  readonly #reader = new FrameReader();
  /** Groups of requests that were sent together, in order: when, and how many lack their answer. */
  readonly #sentAtMs: Float64Array;
  readonly #sentCount: Int32Array;
  #oldest = 0;
  #newest = 0;
  #isStopped = false;
  #emptyInRead = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#requests = requestsOf(options);
    this.#requestBytes = this.#requests.length / options.depth;
    // There are never more groups under way than requests.
    this.#sentAtMs = new Float64Array(options.depth + 1);
    this.#sentCount = new Int32Array(options.depth + 1);
  }

  /** Resolves when all answers have come after `stop()`. @throws {FailureError} when one is not `OK`. */
  async run(): Promise<void> {
    const { connection, depth, clock } = this.#options;
    let owed = depth;
    await this.#send(depth);
    while (owed > 0) {
      const count = await connection.read(this.#reader.space());
      if (count === null) throw new FailureError("The node closed the connection.");
      this.#reader.filled(count);
      const answers = this.#countAnswers();
      if (answers === 0) continue;
      this.#settle(answers, clock.nowMs());
      this.answered += answers - this.#emptyInRead;
      this.empty += this.#emptyInRead;
      if (this.#emptyInRead > 0) this.stop();
      owed -= answers;
      if (!this.#isStopped) {
        owed += answers;
        await this.#send(answers);
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  #send(count: number): Promise<void> {
    this.#sentAtMs[this.#newest] = this.#options.clock.nowMs();
    this.#sentCount[this.#newest] = count;
    this.#newest = (this.#newest + 1) % this.#sentCount.length;
    return this.#options.connection.write(this.#requests.subarray(0, count * this.#requestBytes));
  }

  #countAnswers(): number {
    const reader = this.#reader;
    const isPut = this.#options.kind === "put";
    const okBytesMax = this.#options.batch > 1 ? Infinity : OK_BYTES;
    let count = 0;
    this.#emptyInRead = 0;
    while (reader.next() === "frame") {
      const { bytes, start, end } = reader;
      const isOk = bytes[start] === O && bytes[start + 1] === K && end - start >= OK_BYTES;
      if (!isOk || (isPut && end - start > okBytesMax)) {
        if (isPut || !isEmptyAnswer(bytes, start, end)) {
          throw new FailureError(
            `A request was answered with: ${answerText(bytes.subarray(start, end))}`,
          );
        }
        this.#emptyInRead++;
      }
      count++;
    }
    return count;
  }

  #settle(answers: number, nowMs: number): void {
    while (answers > 0) {
      const inGroup = Math.min(answers, this.#sentCount[this.#oldest]!);
      this.#options.sink.record(nowMs - this.#sentAtMs[this.#oldest]!, inGroup);
      this.#sentCount[this.#oldest]! -= inGroup;
      answers -= inGroup;
      if (this.#sentCount[this.#oldest] === 0) {
        this.#oldest = (this.#oldest + 1) % this.#sentCount.length;
      }
    }
  }
}

/** `depth` requests, one behind the other. */
export function requestsOf(
  options: Pick<LoadOptions, "kind" | "topic" | "payload" | "depth" | "batch">,
): Uint8Array {
  const writer = new RequestWriter();
  const messages = Array.from({ length: options.batch }, () => options.payload);
  for (let i = 0; i < options.depth; i++) {
    if (options.batch > 1) writer.addAppend(options.topic, messages);
    else if (options.kind === "put") writer.addPut(options.topic, options.payload);
    else writer.addTopicRequest("GET", options.topic);
  }
  return writer.bytes.slice();
}

function isEmptyAnswer(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === EMPTY_BYTES && bytes[start] === E && bytes[start + 1] === M;
}

/** What an answer says, for a message. */
export function answerText(bytes: Uint8Array): string {
  const response = parseResponse(bytes);
  return response.kind === "error" ? response.message : new TextDecoder().decode(bytes);
}
