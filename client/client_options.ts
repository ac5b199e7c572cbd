/**
 * What a client and its fetches can be told.
 *
 * @module
 */

import type { Clock } from "../world/clock.ts";
import type { Network } from "../world/network.ts";

/** Where and how to connect. All have defaults. */
export interface ClientOptions {
  /** How long a request may take, from the call to the answer, milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** How long connecting to one address may take, milliseconds. Default 2,000. */
  connectTimeoutMs?: number;
  /** Requests that may be sent without an answer yet. Default 1,024. */
  maxInFlight?: number;
  /** Requests that may wait to be sent; more are refused. Default 65,536. */
  maxWaiting?: number;
  /** The longest request that the node takes, bytes; its `--max-frame-bytes`. Default 16 MiB. */
  maxFrameBytes?: number;
  /** How connections are made. Default: TCP through `node:net`. */
  network?: Pick<Network, "connect">;
  /** Default: the machine's. */
  clock?: Clock;
}

/** Limits of one fetch. */
export interface FetchOptions {
  /** Entries at most. Default and bound: 100,000. */
  maxEntries?: number;
  /** Packed bytes at most (each entry and 4 more), except that one entry always comes. Default 1 MiB, bound 4 MiB. */
  maxBytes?: number;
  /**
   * How long to wait at the node for the first entry, milliseconds. Default 0, bound 60,000. A fetch that may
   * wait goes over a connection of its own, so that nothing else waits for it.
   */
  waitMs?: number;
  /** Gives the fetch up: it rejects with the signal's reason. Only looked at where the fetch may wait. */
  signal?: AbortSignal;
}
