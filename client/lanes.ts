/**
 * Connections for requests that wait at the node. Answers come in the order of requests, so on the connection
 * of everything else such a request would hold up all that is behind it.
 *
 * @module
 */

import type { Dispatcher } from "./dispatcher.ts";
import { ClientClosedError, TooManyRequestsError } from "./errors.ts";

/** Requests of one client that may wait at a node at once, each with a connection of its own. */
export const LANES_MAX = 1024;
/** Connections that are kept for the next such requests. */
const IDLE_LANES_MAX = 4;

/** Lends each request a dispatcher of its own; idle ones are lent again. */
export class Lanes {
  readonly #make: () => Dispatcher;
  readonly #idle: Dispatcher[] = [];
  readonly #busy = new Set<Dispatcher>();

  constructor(make: () => Dispatcher) {
    this.#make = make;
  }

  /** @throws {TooManyRequestsError} */
  take(): Dispatcher {
    if (this.#busy.size >= LANES_MAX) {
      throw new TooManyRequestsError(`${LANES_MAX} requests wait at nodes: await some first.`);
    }
    const lane = this.#idle.pop() ?? this.#make();
    this.#busy.add(lane);
    return lane;
  }

  /** The lane's request is answered, or, where it was not, nobody waits for that any more. */
  giveBack(lane: Dispatcher): void {
    if (!this.#busy.delete(lane)) return;
    if (lane.outstanding === 0 && this.#idle.length < IDLE_LANES_MAX) this.#idle.push(lane);
    else lane.abandon(new ClientClosedError("The request was given up."));
  }

  /** The lane was abandoned. */
  forget(lane: Dispatcher): void {
    this.#busy.delete(lane);
  }

  /** Fails what waits, and ends all connections. */
  close(): void {
    const reason = new ClientClosedError("The client was closed while the request waited.");
    for (const lane of [...this.#busy, ...this.#idle]) lane.abandon(reason);
    this.#busy.clear();
    this.#idle.length = 0;
  }
}
