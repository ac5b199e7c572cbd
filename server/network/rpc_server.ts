/**
 * The listening side of node-to-node calls.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  type Connection,
  formatAddress,
  type Listener,
  type Logger,
  type Network,
  sleep,
} from "../../world/mod.ts";
import type { Admit, Hello, NodeIdentity } from "./handshake.ts";
import { HandshakeRefusedError } from "./handshake.ts";
import { type DispatchResult, RpcConnection } from "./rpc_connection.ts";
import { acceptSession, type Session } from "./session.ts";

/** Connections of nodes at once. */
export const MAX_NODE_CONNECTIONS = 256;
/** Of these, connections whose handshake is not over. */
export const MAX_UNFINISHED_HANDSHAKES = 64;
/** A handshake must be over by then. */
export const HANDSHAKE_TIMEOUT_MS = 5000;
/** Pause after a failed accept (out of file descriptors, say), so that it doesn't spin. */
const ACCEPT_PAUSE_MS = 100;

/** Who sent a message. */
export interface Caller extends Hello {
  /** The other end of the connection, for logs. */
  remote: string;
}

/**
 * Handles a call or one-way message, in the order of arrival on its connection. ⚠ `body` is valid until the
 * handler returns or first awaits: copy what is needed after that. Refuse by throwing `RpcRefusal`.
 */
export type RpcHandler = (from: Caller, method: number, body: Uint8Array) => DispatchResult;

/** What an {@link RpcServer} is made of. */
export interface RpcServerOptions {
  clock: Clock;
  network: Network;
  logger: Logger;
  /** Where to listen; port 0 lets the system choose. */
  address: Address;
  self: () => NodeIdentity;
  admit: Admit;
  handler: RpcHandler;
  /** A node was heard: goes to `Peers.onHeard`. */
  onHeard: (nodeId: number) => void;
  /** Largest body of a message; all nodes of a cluster need the same. */
  maxBodyBytes?: number | undefined;
  /** A handler failed with something else than a refusal; the node decides whether it can go on. */
  onHandlerFailed?: (error: unknown, method: number) => void;
}

/** Listens, shakes hands, and hands calls to the handler. */
export class RpcServer {
  readonly address: Address;
  readonly #options: RpcServerOptions;
  readonly #listener: Listener;
  readonly #unfinished = new Set<Connection>();
  readonly #open = new Set<RpcConnection>();
  /** The stream of each node: a newer one replaces it, so that its messages never overtake. */
  readonly #streams = new Map<number, { run: string; rpc: RpcConnection }>();
  #isClosed = false;
  #isFullLogged = false;

  /** @throws {NetworkError} when it can't listen. */
  static async listen(options: RpcServerOptions): Promise<RpcServer> {
    return new RpcServer(options, await options.network.listen(options.address));
  }

  private constructor(options: RpcServerOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.address = listener.address;
    this.#acceptAll();
  }

  /** Connections whose handshake is over. */
  get connections(): number {
    return this.#open.size;
  }

  /** Whether that very run of the node has its stream to this one. */
  hasStreamOf(nodeId: number, run: string): boolean {
    return this.#streams.get(nodeId)?.run === run;
  }

  /** Stops listening and ends all connections. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    for (const connection of [...this.#unfinished]) connection.close();
    for (const rpc of [...this.#open]) rpc.close("This node is stopping.");
  }

  async #acceptAll(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await this.#listener.accept();
        if (connection === null) return;
        if (this.#hasRoom(connection)) this.#serve(connection);
        else connection.close();
      } catch (error) {
        this.#options.logger.log("error", "Can't accept node connections, will try again", {
          address: formatAddress(this.address),
          reason: (error as Error).message,
        });
        await sleep(this.#options.clock, ACCEPT_PAUSE_MS);
      }
    }
  }

  #hasRoom(connection: Connection): boolean {
    const isFull = this.#unfinished.size >= MAX_UNFINISHED_HANDSHAKES ||
      this.#unfinished.size + this.#open.size >= MAX_NODE_CONNECTIONS;
    if (isFull && !this.#isFullLogged) {
      this.#options.logger.log("warn", "Too many node connections: refusing more", {
        remote: connection.remote,
        open: this.#open.size,
        unfinished: this.#unfinished.size,
      });
    }
    this.#isFullLogged = isFull;
    return !isFull;
  }

  async #serve(connection: Connection): Promise<void> {
    const { clock, self, admit, logger } = this.#options;
    this.#unfinished.add(connection);
    try {
      const session = await acceptSession(connection, {
        clock,
        self: self(),
        admit,
        timeoutMs: HANDSHAKE_TIMEOUT_MS,
        maxBodyBytes: this.#options.maxBodyBytes,
      });
      if (this.#isClosed) return connection.close();
      this.#adopt(connection, session);
    } catch (error) {
      if (this.#isClosed) return;
      const level = error instanceof HandshakeRefusedError ? "warn" : "info";
      logger.log(level, "A connection to the node port failed its handshake", {
        remote: connection.remote,
        reason: (error as Error).message,
      });
    } finally {
      this.#unfinished.delete(connection);
    }
  }

  #adopt(connection: Connection, { hello, reader }: Session): void {
    const { clock, handler, onHeard, logger } = this.#options;
    const caller: Caller = { ...hello, remote: connection.remote };
    const isStream = hello.purpose === "stream";
    const rpc = new RpcConnection(connection, reader, {
      clock,
      dispatch: (method, body) => handler(caller, method, body),
      onHeard: () => onHeard(hello.nodeId),
      onClosed: (reason) => {
        this.#open.delete(rpc);
        if (this.#streams.get(hello.nodeId)?.rpc === rpc) this.#streams.delete(hello.nodeId);
        logger.log("debug", "A node's connection ended", {
          peer: hello.nodeId,
          remote: caller.remote,
          reason,
        });
      },
      onHandlerFailed: (error, method) => this.#onHandlerFailed(error, { caller, method }),
    });
    if (isStream) {
      this.#streams.get(hello.nodeId)?.rpc.close(`Node ${hello.nodeId} made a newer connection.`);
      this.#streams.set(hello.nodeId, { run: hello.runId, rpc });
    }
    this.#open.add(rpc);
    logger.log("debug", "A node connected", { peer: hello.nodeId, remote: caller.remote });
    onHeard(hello.nodeId);
    rpc.start();
  }

  #onHandlerFailed(error: unknown, call: { caller: Caller; method: number }): void {
    this.#options.logger.log("error", "A handler failed", {
      peer: call.caller.nodeId,
      method: call.method,
      error: error instanceof Error ? error.stack ?? error.message : String(error),
    });
    this.#options.onHandlerFailed?.(error, call.method);
  }
}
