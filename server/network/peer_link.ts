/**
 * One node's connection to one other node: made, kept and made again.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  type Connection,
  formatAddress,
  type Logger,
  type Network,
  type Random,
  sleep,
  type Timer,
} from "../../world/mod.ts";
import { OverloadedError, PeerUnavailableError } from "./errors.ts";
import { type FrameReader, MAX_BODY_BYTES } from "./frame.ts";
import {
  type Admission,
  type Admit,
  HandshakeRefusedError,
  type Hello,
  type NodeIdentity,
  type Refusal,
} from "./handshake.ts";
import { outgoingBytesMax } from "./frame_queue.ts";
import { RpcConnection } from "./rpc_connection.ts";
import { beginSession } from "./session.ts";

/** A connection and its handshake must each be done by then. */
export const CONNECT_TIMEOUT_MS = 2000;
/** Pause after the first failed attempt; it doubles, and half of it is random. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2000;
/** Calls that may wait for an attempt to succeed; for their bytes see `outgoingBytesMax`. */
const MAX_WAITING_CALLS = 1024;

/** What all links of a node share. */
export interface LinkOptions {
  clock: Clock;
  random: Random;
  network: Network;
  logger: Logger;
  /** Asked for at every handshake: it changes when a node joins. */
  self: () => NodeIdentity;
  admit: Admit;
  /** A sign of life from this peer. */
  onHeard: (nodeId: number) => void;
  /** The peer, or whoever listens at its address, does not want this node. */
  onRefused?: (nodeId: number, refusal: Refusal) => void;
  /** Largest body of a message; all nodes of a cluster need the same. */
  maxBodyBytes?: number | undefined;
}

interface WaitingCall {
  method: number;
  body: Uint8Array;
  deadlineMs: number;
  timer: Timer;
  resolve: (answer: Uint8Array | Promise<Uint8Array>) => void;
  reject: (error: Error) => void;
}

/**
 * Connects at once and for ever, with growing pauses, until closed. While an attempt is under way calls
 * wait for it, in order; in the pauses between attempts they fail at once.
 */
export class PeerLink {
  readonly nodeId: number;
  readonly address: Address;
  /** What the peer said at the last handshake. */
  hello: Hello | undefined;
  readonly #options: LinkOptions;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #connection: RpcConnection | null = null;
  #isAttempting = true;
  #failures = 0;
  /** Ends the pause between two attempts; null while there is none that may be cut short. */
  #endPause: AbortController | null = null;
  #lastError = "no attempt has been made";
  #lastLoggedError = "";
  #waiting: WaitingCall[] = [];
  #waitingBytes = 0;

  constructor(peer: { nodeId: number; address: Address }, options: LinkOptions) {
    this.nodeId = peer.nodeId;
    this.address = peer.address;
    this.#options = options;
    this.#logger = options.logger.child({
      peer: peer.nodeId,
      peerAddress: formatAddress(peer.address),
    });
    this.#keepConnected();
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** See `RpcConnection.call`. */
  call(method: number, body: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array> {
    if (this.#connection) return this.#connection.call(method, body, options);
    if (!this.#isAttempting) return Promise.reject(this.#unavailable());
    return this.#wait({ method, body: body.slice() }, options.timeoutMs);
  }

  /** See `RpcConnection.send`; false also while there is no connection. */
  send(method: number, body: Uint8Array): boolean {
    return this.#connection?.send(method, body) ?? false;
  }

  /** The peer was heard elsewhere (it connected to us): worth an attempt now. */
  wake(): void {
    this.#endPause?.abort();
  }

  close(reason: string): void {
    this.#stop.abort(new Error(reason));
    this.#lastError = reason;
    this.#connection?.close(reason);
    this.#failWaiting();
  }

  async #keepConnected(): Promise<void> {
    while (!this.#isStopped) {
      const connected = await this.#attempt();
      if (connected) await connected.ended;
      if (!this.#isStopped) await this.#pause();
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** One attempt; null when it failed. */
  async #attempt(): Promise<{ ended: Promise<void> } | null> {
    const { network, clock, self, admit } = this.#options;
    this.#isAttempting = true;
    try {
      const connection = await network.connect(this.address, { timeoutMs: CONNECT_TIMEOUT_MS });
      const { hello, reader } = await beginSession(connection, {
        clock,
        self: self(),
        admit: (hello, side) => this.#admit(hello, () => admit(hello, side)),
        timeoutMs: CONNECT_TIMEOUT_MS,
        maxBodyBytes: this.#options.maxBodyBytes,
        purpose: "stream",
      });
      if (this.#isStopped) {
        connection.close();
        return null;
      }
      this.hello = hello;
      return { ended: this.#adopt(connection, reader) };
    } catch (error) {
      this.#onFailed(error);
      return null;
    }
  }

  /** Whoever listens there must be the node that we look for. */
  #admit(hello: Hello, policy: () => Admission): Admission {
    if (hello.nodeId === this.nodeId) return policy();
    return {
      refuse: `node ${this.nodeId} was looked for at ${formatAddress(this.address)}, ` +
        `but node ${hello.nodeId} is there.`,
    };
  }

  #adopt(connection: Connection, reader: FrameReader): Promise<void> {
    const { clock, onHeard } = this.#options;
    return new Promise((resolve) => {
      const rpc = new RpcConnection(connection, reader, {
        clock,
        onHeard: () => onHeard(this.nodeId),
        onClosed: (reason) => {
          this.#connection = null;
          this.#lastError = reason;
          if (!this.#isStopped) this.#logger.log("warn", "Connection to peer lost", { reason });
          resolve();
        },
      });
      this.#connection = rpc;
      this.#isAttempting = false;
      this.#failures = 0;
      this.#lastLoggedError = "";
      this.#logger.log("info", "Connected to peer");
      onHeard(this.nodeId);
      rpc.start();
      this.#sendWaiting(rpc);
    });
  }

  #onFailed(error: unknown): void {
    this.#isAttempting = false;
    this.#failures++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    this.#failWaiting();
    if (this.#isStopped) return;
    const refusal = error instanceof HandshakeRefusedError ? error.byOther : null;
    if (refusal !== null) this.#options.onRefused?.(this.nodeId, refusal);
    if (this.#isStopped || this.#lastError === this.#lastLoggedError) return;
    // The same reason again and again is one line.
    this.#lastLoggedError = this.#lastError;
    this.#logger.log("warn", "Can't reach peer, will try again", { reason: this.#lastError });
  }

  async #pause(): Promise<void> {
    const { clock, random } = this.#options;
    const longestMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failures);
    // Half of it is random: nodes that lost each other at once don't come back at once.
    const pauseMs = longestMs / 2 * (1 + random.nextU32() / 2 ** 32);
    this.#endPause = new AbortController();
    const signal = AbortSignal.any([this.#endPause.signal, this.#stop.signal]);
    await sleep(clock, pauseMs, signal).catch(() => {});
    this.#endPause = null;
  }

  #wait(call: Omit<WaitingCall, "timer" | "deadlineMs" | "resolve" | "reject">, timeoutMs: number) {
    const { clock, maxBodyBytes = MAX_BODY_BYTES } = this.#options;
    if (
      this.#waiting.length >= MAX_WAITING_CALLS ||
      this.#waitingBytes + call.body.length > outgoingBytesMax(maxBodyBytes)
    ) {
      return Promise.reject(
        new OverloadedError(
          `${this.#waiting.length} calls wait for a connection to node ${this.nodeId} already: ` +
            `try again later.`,
        ),
      );
    }
    this.#waitingBytes += call.body.length;
    return new Promise<Uint8Array>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        this.#waitingBytes -= call.body.length;
        reject(this.#unavailable(`no connection within ${timeoutMs} ms`));
      });
      const deadlineMs = clock.nowMs() + timeoutMs;
      const waiting: WaitingCall = { ...call, deadlineMs, timer, resolve, reject };
      this.#waiting.push(waiting);
    });
  }

  /** Before any later call, so that calls keep their order. */
  #sendWaiting(rpc: RpcConnection): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { timer, deadlineMs, method, body, resolve } of this.#takeWaiting()) {
      timer.cancel();
      resolve(rpc.call(method, body, { timeoutMs: deadlineMs - nowMs }));
    }
  }

  #failWaiting(): void {
    for (const { timer, reject } of this.#takeWaiting()) {
      timer.cancel();
      reject(this.#unavailable());
    }
  }

  #takeWaiting(): WaitingCall[] {
    this.#waitingBytes = 0;
    return this.#waiting.splice(0);
  }

  #unavailable(reason = this.#lastError): PeerUnavailableError {
    return new PeerUnavailableError(
      `Node ${this.nodeId} at ${formatAddress(this.address)} can't be reached: ${reason}`,
    );
  }
}
