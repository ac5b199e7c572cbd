/**
 * All other nodes as seen by one: an address book, a connection to each, and who is alive.
 *
 * @module
 */

import { type Address, formatAddress } from "../../world/mod.ts";
import { PeerUnavailableError } from "./errors.ts";
import type { Hello } from "./handshake.ts";
import { CONNECT_TIMEOUT_MS, type LinkOptions, PeerLink } from "./peer_link.ts";
import { DEAD_AFTER_MS, RpcConnection } from "./rpc_connection.ts";
import { beginSession } from "./session.ts";

/** What a node's {@link Peers} are made of. */
export type PeersOptions = Omit<LinkOptions, "onHeard">;

/**
 * One outgoing connection for each node in the address book, kept without being asked. Errors of calls are
 * in `errors.ts`; each says whether the call may have had its effect.
 */
export class Peers {
  readonly #options: LinkOptions;
  readonly #links = new Map<number, PeerLink>();
  readonly #lastHeardMs = new Map<number, number>();
  readonly #visits = new Set<{ close(): void }>();
  #isClosed = false;

  constructor(options: PeersOptions) {
    this.#options = { ...options, onHeard: (nodeId) => this.#noteHeard(nodeId) };
  }

  /** Tells where a node is; a connection is made at once, and moved when the address is another. */
  setAddress(nodeId: number, address: Address): void {
    if (this.#isClosed) return;
    const known = this.#links.get(nodeId);
    if (known && formatAddress(known.address) === formatAddress(address)) return;
    known?.close(`Node ${nodeId} has moved to ${formatAddress(address)}.`);
    this.#links.set(nodeId, new PeerLink({ nodeId, address }, this.#options));
  }

  /** Forgets a node that was removed. */
  remove(nodeId: number): void {
    this.#links.get(nodeId)?.close(`Node ${nodeId} was removed.`);
    this.#links.delete(nodeId);
    this.#lastHeardMs.delete(nodeId);
  }

  /** The nodes in the address book. */
  nodeIds(): number[] {
    return [...this.#links.keys()];
  }

  addressOf(nodeId: number): Address | undefined {
    return this.#links.get(nodeId)?.address;
  }

  /** What the node said of itself when we last connected to it. */
  helloOf(nodeId: number): Hello | undefined {
    return this.#links.get(nodeId)?.hello;
  }

  isConnected(nodeId: number): boolean {
    return this.#links.get(nodeId)?.isConnected ?? false;
  }

  /** Whether the present connection to the node is with that very run of it. */
  isConnectedTo(nodeId: number, run: string): boolean {
    return this.isConnected(nodeId) && this.helloOf(nodeId)?.runId === run;
  }

  /**
   * Calls a node and resolves with the answer, which is the caller's own. `body` is copied before this
   * returns. Calls to one node leave in the order in which they were made. A call made while a connection
   * is being established waits for it, within its time; otherwise it fails at once.
   *
   * @throws as rejections: {PeerUnavailableError | OverloadedError} not sent; {CallTimeoutError |
   * ConnectionLostError} outcome unknown; {RemoteError} refused there.
   */
  call(
    nodeId: number,
    method: number,
    body: Uint8Array,
    options: { timeoutMs: number },
  ): Promise<Uint8Array> {
    const link = this.#links.get(nodeId);
    if (link) return link.call(method, body, options);
    return Promise.reject(new PeerUnavailableError(`The address of node ${nodeId} is not known.`));
  }

  /** Sends without an answer; false when it was dropped: not connected, or too much waits already. */
  send(nodeId: number, method: number, body: Uint8Array): boolean {
    return this.#links.get(nodeId)?.send(method, body) ?? false;
  }

  /**
   * Calls whoever listens at an address, by a connection of its own: for joining, before ids are known.
   * Fails as `call` does; {HandshakeRefusedError} when either side does not want the other.
   */
  async callAddress(
    address: Address,
    method: number,
    body: Uint8Array,
    options: { timeoutMs: number },
  ): Promise<Uint8Array> {
    const { network, clock, self, admit } = this.#options;
    const deadlineMs = clock.nowMs() + options.timeoutMs;
    const ownBody = body.slice();
    const timeLeft = () => Math.max(1, deadlineMs - clock.nowMs());
    const connection = await network.connect(address, {
      timeoutMs: Math.min(timeLeft(), CONNECT_TIMEOUT_MS),
    }).catch((error) => {
      throw new PeerUnavailableError(error.message, { cause: error });
    });
    this.#visits.add(connection);
    try {
      const { reader } = await beginSession(connection, {
        clock,
        self: self(),
        admit,
        timeoutMs: Math.min(timeLeft(), CONNECT_TIMEOUT_MS),
        maxBodyBytes: this.#options.maxBodyBytes,
        purpose: "visit",
      });
      const rpc = new RpcConnection(connection, reader, {
        clock,
        onHeard: () => {},
        onClosed: () => {},
      });
      rpc.start();
      try {
        return await rpc.call(method, ownBody, { timeoutMs: timeLeft() });
      } finally {
        rpc.close("The visit is over.");
      }
    } finally {
      this.#visits.delete(connection);
      connection.close();
    }
  }

  /** For the server's side: a node was heard on a connection that it made to us. */
  onHeard(nodeId: number): void {
    this.#noteHeard(nodeId);
    this.#links.get(nodeId)?.wake();
  }

  /**
   * When the node was last heard, on either side's connection, by this node's clock; −Infinity for never.
   * Idle connections ping every 250 ms, so a healthy node was heard within that.
   */
  lastHeardMs(nodeId: number): number {
    return this.#lastHeardMs.get(nodeId) ?? -Infinity;
  }

  /** Whether the node was heard within `withinMs`. */
  isAlive(nodeId: number, withinMs: number = DEAD_AFTER_MS): boolean {
    return this.#options.clock.nowMs() - this.lastHeardMs(nodeId) < withinMs;
  }

  /** Ends all connections; what waits is rejected. */
  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close("This node is stopping.");
    for (const visit of this.#visits) visit.close();
    this.#links.clear();
  }

  #noteHeard(nodeId: number): void {
    this.#lastHeardMs.set(nodeId, this.#options.clock.nowMs());
  }
}
