/**
 * Calls over one connection after its handshake: many at once, answered in any order.
 *
 * @module
 */

import {
  assert,
  ByteReader,
  ByteWriter,
  type Clock,
  type Connection,
  MalformedError,
  type Timer,
} from "../../world/mod.ts";
import { CallTable } from "./call_table.ts";
import {
  OverloadedError,
  PeerUnavailableError,
  RemoteError,
  RpcCode,
  RpcRefusal,
} from "./errors.ts";
import { FrameKind, type FrameReader } from "./frame.ts";
import { decodeRefusal } from "./handshake.ts";
import { FrameQueue, outgoingBytesMax } from "./frame_queue.ts";

/** Calls of one connection that may be with the handler at once. */
export const MAX_CALLS_HANDLED = 16 * 1024;
/** With so many bytes of answers waiting, nothing more is read from the connection. */
const PAUSE_READING_BYTES = 8 * 1024 * 1024;
/** A side that has heard or sent nothing for so long pings. */
export const IDLE_PING_MS = 250;
/** A connection on which nothing was heard for so long is given up. */
export const DEAD_AFTER_MS = 2000;

assert(DEAD_AFTER_MS >= 4 * IDLE_PING_MS, "several pings fit before a connection is given up");

const EMPTY = new Uint8Array(0);

/**
 * Handles one call or one-way message. It is called in the order of arrival, without waiting for the calls
 * before. ⚠ `body` is a view of the read buffer: valid until the handler returns or first awaits; copy
 * what is needed after that. A refusal is a thrown (or rejected) {@link RpcRefusal}.
 */
export type Dispatch = (method: number, body: Uint8Array) => DispatchResult;
/** The answer's body; nothing means an empty one. Copied before the next turn. */
export type DispatchResult = Promise<Uint8Array | void> | Uint8Array | void;

/** What a connection tells its owner. */
export interface RpcConnectionOptions {
  clock: Clock;
  /** Missing: this side only calls, and a request from the other is a fault. */
  dispatch?: Dispatch;
  /** Bytes of any kind have come. */
  onHeard: () => void;
  /** Told once. Every waiting call is rejected by then. */
  onClosed: (reason: string) => void;
  /** A handler failed with something else than a refusal. */
  onHandlerFailed?: (error: unknown, method: number) => void;
}

/** One connection between two nodes that know each other. `start()` it once its owner is ready. */
export class RpcConnection {
  readonly remote: string;
  readonly #connection: Connection;
  readonly #options: RpcConnectionOptions;
  readonly #calls: CallTable;
  readonly #queue: FrameQueue;
  readonly #reader: FrameReader;
  readonly #errorWriter = new ByteWriter();
  readonly #maxBodyBytes: number;
  #handled = 0;
  #isClosed = false;
  #pingTimer: Timer | null = null;
  #lastHeardMs: number;
  #sentSinceTick = true;
  #lastTickMs: number;

  constructor(connection: Connection, reader: FrameReader, options: RpcConnectionOptions) {
    this.remote = connection.remote;
    this.#connection = connection;
    this.#reader = reader;
    this.#maxBodyBytes = reader.maxBodyBytes;
    this.#options = options;
    this.#calls = new CallTable(options.clock, connection.remote);
    this.#queue = new FrameQueue(connection, {
      maxBytes: outgoingBytesMax(reader.maxBodyBytes),
      onBroken: (error) => this.close(textOf(error)),
    });
    this.#lastHeardMs = this.#lastTickMs = options.clock.nowMs();
  }

  /** Begins to read, to answer and to ping. */
  start(): void {
    this.#armPing();
    this.#readAll();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Calls that wait for their answer. */
  get callsInFlight(): number {
    return this.#calls.size;
  }

  /**
   * Sends a request and resolves with the answer's body, which is the caller's own. `body` is copied before
   * this returns.
   *
   * @throws as rejections: {PeerUnavailableError | OverloadedError} not sent; {CallTimeoutError |
   * ConnectionLostError} outcome unknown; {RemoteError} refused there.
   */
  call(method: number, body: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array> {
    if (this.#isClosed) {
      return Promise.reject(
        new PeerUnavailableError(`The connection with ${this.remote} is closed.`),
      );
    }
    const tooLarge = this.#tooLarge(body);
    if (tooLarge) return Promise.reject(tooLarge);
    try {
      const { callId, answer } = this.#calls.add(options.timeoutMs);
      if (this.#push(FrameKind.request, { method, callId, body })) return answer;
      this.#calls.forget(callId);
    } catch (error) {
      return Promise.reject(error);
    }
    return Promise.reject(
      new OverloadedError(
        `${this.#queue.queuedBytes} bytes wait for ${this.remote} already: try again later.`,
      ),
    );
  }

  /** Sends a message that is not answered; false when it was dropped because too much waits already. */
  send(method: number, body: Uint8Array): boolean {
    if (this.#isClosed || this.#tooLarge(body)) return false;
    return this.#push(FrameKind.oneway, { method, callId: 0, body });
  }

  /** Ends the connection; `reason` is a sentence for logs and for those who wait for answers. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pingTimer?.cancel();
    this.#queue.close();
    this.#connection.close();
    this.#calls.rejectAll(reason);
    this.#options.onClosed(reason);
  }

  #tooLarge(body: Uint8Array): OverloadedError | undefined {
    if (body.length <= this.#maxBodyBytes) return undefined;
    return new OverloadedError(
      `A message of ${body.length} bytes is over the limit of ${this.#maxBodyBytes}: split it.`,
    );
  }

  #push(kind: FrameKind, frame: { method: number; callId: number; body: Uint8Array }): boolean {
    this.#sentSinceTick = true;
    return this.#queue.push({ kind, method: frame.method, callId: frame.callId }, frame.body);
  }

  async #readAll(): Promise<void> {
    try {
      this.#handleFrames(); // what came together with the handshake
      while (!this.#isClosed) {
        const count = await this.#connection.read(this.#reader.space());
        if (this.#isClosed) return;
        if (count === null) return this.close("The other side closed it.");
        this.#lastHeardMs = this.#options.clock.nowMs();
        this.#reader.filled(count);
        this.#options.onHeard();
        this.#handleFrames();
        if (this.#options.dispatch && this.#queue.queuedBytes > PAUSE_READING_BYTES) {
          // Who doesn't take answers may not ask more. Only the answering side waits, so two sides can't
          // wait for each other.
          await this.#queue.drained(PAUSE_READING_BYTES);
        }
      }
    } catch (error) {
      this.close(textOf(error));
    }
  }

  #handleFrames(): void {
    const reader = this.#reader;
    while (!this.#isClosed && reader.next()) {
      switch (reader.kind) {
        case FrameKind.request:
          this.#handleRequest(reader.method, reader.callId, reader.body);
          break;
        case FrameKind.response: {
          const { callId, body } = reader;
          this.#calls.resolve(callId, () => body.slice());
          break;
        }
        case FrameKind.error: {
          const { callId, body } = reader;
          this.#calls.reject(callId, () => decodeError(body));
          break;
        }
        case FrameKind.oneway:
          this.#handleOneway(reader.method, reader.body);
          break;
        case FrameKind.ping:
          // A pong that finds no room is not missed: bytes are on their way.
          this.#push(FrameKind.pong, { method: 0, callId: 0, body: EMPTY });
          break;
        case FrameKind.pong:
          break;
        case FrameKind.refused: // the side that connected did not like our welcome
          return this.close(
            `The other side refused this node: ${decodeRefusal(reader.body).reason}`,
          );
        default:
          throw new MalformedError("A handshake frame came after the handshake.");
      }
    }
  }

  #handleRequest(method: number, callId: number, body: Uint8Array): void {
    const { dispatch } = this.#options;
    if (dispatch === undefined) {
      throw new MalformedError("A request came on a connection that only we call on.");
    }
    if (this.#handled >= MAX_CALLS_HANDLED) {
      const message = `${this.#handled} calls are being handled already: try again later.`;
      return this.#answerError(callId, new RpcRefusal(RpcCode.overloaded, message));
    }
    let result: DispatchResult;
    try {
      result = dispatch(method, body);
    } catch (error) {
      return this.#answerFailure(error, { callId, method });
    }
    if (!(result instanceof Promise)) return this.#answer(callId, result ?? EMPTY);
    this.#handled++;
    result.then(
      (answer) => {
        this.#handled--;
        this.#answer(callId, answer ?? EMPTY);
      },
      (error) => {
        this.#handled--;
        this.#answerFailure(error, { callId, method });
      },
    );
  }

  #handleOneway(method: number, body: Uint8Array): void {
    const { dispatch, onHandlerFailed } = this.#options;
    if (dispatch === undefined) {
      throw new MalformedError("A message came on a connection that only we send on.");
    }
    const onError = (error: unknown) => {
      if (!(error instanceof RpcRefusal)) onHandlerFailed?.(error, method);
    };
    try {
      const result = dispatch(method, body);
      if (result instanceof Promise) result.catch(onError);
    } catch (error) {
      onError(error);
    }
  }

  #answer(callId: number, body: Uint8Array): void {
    if (this.#isClosed) return;
    if (body.length > this.#maxBodyBytes) {
      const message =
        `The answer has ${body.length} bytes, over the limit of ${this.#maxBodyBytes}.`;
      return this.#answerError(callId, new RpcRefusal(RpcCode.internal, message));
    }
    if (!this.#push(FrameKind.response, { method: 0, callId, body })) this.#closeOverfull();
  }

  #answerFailure(error: unknown, call: { callId: number; method: number }): void {
    if (error instanceof RpcRefusal) return this.#answerError(call.callId, error);
    this.#options.onHandlerFailed?.(error, call.method);
    this.#answerError(call.callId, new RpcRefusal(RpcCode.internal, textOf(error)));
  }

  #answerError(callId: number, refusal: RpcRefusal): void {
    if (this.#isClosed) return;
    const body = this.#errorWriter.clear()
      .u32(refusal.code).string(refusal.message).bytes(refusal.detail).view;
    if (!this.#push(FrameKind.error, { method: 0, callId, body })) this.#closeOverfull();
  }

  #closeOverfull(): void {
    this.close(`It does not take its answers: ${this.#queue.queuedBytes} bytes wait.`);
  }

  #armPing(): void {
    this.#pingTimer = this.#options.clock.after(IDLE_PING_MS, () => {
      this.#maybePing();
      if (!this.#isClosed) this.#armPing();
    });
  }

  #maybePing(): void {
    const nowMs = this.#options.clock.nowMs();
    // After a stop of our own (SIGSTOP, a suspended machine) what came meanwhile is not read yet: a late
    // tick says nothing about the other side.
    const isLate = nowMs - this.#lastTickMs > 2 * IDLE_PING_MS;
    this.#lastTickMs = nowMs;
    const silentMs = nowMs - this.#lastHeardMs;
    if (silentMs >= DEAD_AFTER_MS && !isLate) {
      return this.close(`Nothing was heard for ${Math.round(silentMs)} ms.`);
    }
    const isIdle = silentMs >= IDLE_PING_MS || !this.#sentSinceTick;
    this.#sentSinceTick = false;
    // With bytes waiting a ping would wait behind them and say nothing new.
    if (isIdle && this.#queue.queuedBytes === 0) {
      this.#push(FrameKind.ping, { method: 0, callId: 0, body: EMPTY });
    }
  }
}

function decodeError(body: Uint8Array): Error {
  try {
    const reader = new ByteReader(body);
    return new RemoteError(reader.u32(), reader.string(), reader.bytes().slice());
  } catch (error) {
    return new RemoteError(RpcCode.internal, `Unreadable refusal: ${textOf(error)}`, EMPTY);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
