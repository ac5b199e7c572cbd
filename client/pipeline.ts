/**
 * One established connection to a node, with requests under way on it. It knows nothing of time or of
 * other addresses: `client.ts` does.
 *
 * @module
 */

import type { Connection } from "../world/network.ts";
import { assert } from "../world/assert.ts";
import { ProtocolError, ServerError } from "./errors.ts";
import { type Command, FrameReader, parseResponse, RequestWriter, type Response } from "./wire.ts";

/** So much may stand in the buffer of one write; more waits for the next. */
const WRITE_BYTES_MAX = 256 * 1024;

/** A request that somebody waits for. */
export interface PendingRequest {
  readonly command: Command;
  readonly topic: string;
  /** On the client's clock. */
  readonly deadlineMs: number;
  /** How often bytes had arrived on the connection when it was sent. */
  readsWhenSent: number;
  /** Somebody was answered, or gave up: an answer that still comes is dropped. */
  settled: boolean;
  /** Packs the request, once for each time that it is sent. */
  write(writer: RequestWriter): void;
  /** Takes the answer; throws {@link ProtocolError} when it is none to this command. */
  answer(response: Response): void;
  fail(error: Error): void;
}

/** What the owner of a pipeline is told. */
export interface PipelineEvents {
  /** One request was answered: well, or with an error when the answer was none to it. */
  onAnswered(): void;
  /** Answers came or a write is done: there may be room for more requests. */
  onRoom(): void;
  /** The connection is gone. `unanswered` were sent, at least in part, in this order. */
  onEnd(reason: Error, unanswered: PendingRequest[]): void;
}

/** Sends requests in order and hands each its answer. */
export class Pipeline {
  /** Sent or about to be, in order; the answers come in the same order. */
  #inFlight: PendingRequest[] = [];
  #answered = 0;
  #filling = new RequestWriter();
  #leaving = new RequestWriter();
  #isWriting = false;
  #isEnded = false;
  /** How often bytes arrived: the owner sees by it whether the node is silent. */
  reads = 0;

  readonly #connection: Connection;
  readonly #reader: FrameReader;
  readonly #events: PipelineEvents;

  constructor(connection: Connection, options: { maxFrameBytes: number; events: PipelineEvents }) {
    this.#connection = connection;
    this.#reader = new FrameReader({ maxFrameBytes: options.maxFrameBytes });
    this.#events = options.events;
    this.#receive();
  }

  get inFlight(): number {
    return this.#inFlight.length - this.#answered;
  }

  /** One more request may be added now without the buffer growing over its bound. */
  get hasWriteRoom(): boolean {
    return this.#filling.lengthBytes < WRITE_BYTES_MAX;
  }

  /** Those without an answer yet, in order. */
  unanswered(): PendingRequest[] {
    return this.#inFlight.slice(this.#answered);
  }

  /** Packs a request; `flush()` sends what was packed. */
  add(request: PendingRequest): void {
    assert(!this.#isEnded, "nothing is sent on an ended pipeline");
    request.readsWhenSent = this.reads;
    this.#inFlight.push(request);
    request.write(this.#filling);
  }

  flush(): void {
    if (!this.#isWriting && this.#filling.lengthBytes > 0) this.#send();
  }

  /** Ends the connection; `onEnd` is called with `reason`. Harmless when repeated. */
  end(reason: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#connection.close();
    this.#events.onEnd(reason, this.unanswered().filter((request) => !request.settled));
  }

  async #send(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#filling.lengthBytes > 0 && !this.#isEnded) {
        [this.#filling, this.#leaving] = [this.#leaving, this.#filling];
        await this.#connection.write(this.#leaving.bytes);
        this.#leaving.clear();
        if (!this.#isEnded) this.#events.onRoom();
      }
    } catch (error) {
      this.end(error as Error);
    } finally {
      this.#isWriting = false;
    }
  }

  async #receive(): Promise<void> {
    try {
      while (!this.#isEnded) {
        const count = await this.#connection.read(this.#reader.space());
        if (count === null) throw new ProtocolError(this.#closedMessage());
        this.reads++;
        this.#reader.filled(count);
        this.#handleFrames();
        if (!this.#isEnded) this.#events.onRoom();
      }
    } catch (error) {
      this.end(error as Error);
    }
  }

  #handleFrames(): void {
    let status;
    while ((status = this.#reader.next()) === "frame") {
      const response = parseResponse(this.#reader.bytes, this.#reader.start, this.#reader.end);
      if (this.inFlight === 0) throw unaskedError(response);
      const request = this.#inFlight[this.#answered++]!;
      if (this.#answered === this.#inFlight.length) this.#inFlight.length = this.#answered = 0;
      if (!request.settled) this.#settle(request, response);
    }
    if (this.#answered >= COMPACT_AT_ANSWERED) {
      this.#inFlight = this.#inFlight.slice(this.#answered);
      this.#answered = 0;
    }
    if (status === "impossible") {
      throw new ProtocolError(
        `An answer of ${this.#reader.announcedBytes} bytes was announced, which is over the limit ` +
          `or not this protocol: is this a Walrus client port?`,
      );
    }
  }

  #settle(request: PendingRequest, response: Response): void {
    request.settled = true;
    this.#events.onAnswered();
    try {
      request.answer(response);
    } catch (error) {
      request.fail(error as Error);
      throw error; // the stream can't be trusted any more
    }
  }

  #closedMessage(): string {
    return this.#reader.isMidFrame
      ? "The node closed the connection in the middle of an answer."
      : "The node closed the connection.";
  }
}

/** Answered requests at the front of the list are dropped when they are so many. */
const COMPACT_AT_ANSWERED = 1024;

function unaskedError(response: Response): Error {
  // A node that has no room for another connection says so before it closes.
  if (response.kind === "error") return new ServerError(response.message);
  return new ProtocolError("The node sent an answer that nobody asked for.");
}
