/**
 * Byte streams between named hosts, with the faults that real ones have.
 *
 * What is modelled is what a program sees of TCP: bytes come once and in order or not at all; a cut link
 * delays them (TCP sends again) until it heals or a side gives up; the sender learns nothing of a cut
 * except that its window fills; a crashed machine answers nothing, a crashed process resets.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Clock, Timer } from "../clock.ts";
import {
  type Address,
  type Connection,
  formatAddress,
  type Listener,
  type Network,
  NetworkError,
} from "../network.ts";
import type { Random } from "../random.ts";
import { Pipe } from "./pipe.ts";

/** How the simulated wires behave. */
export interface SimNetworkOptions {
  /** One-way delay of each chunk, drawn uniformly. */
  latencyMsMin?: number;
  latencyMsMax?: number;
  /** A chunk is cut in pieces at random places, as TCP may, with this probability. */
  splitProbability?: number;
  /** Bytes under way or unread in one direction before `write` waits. */
  windowBytes?: number;
  /** A connection whose bytes found no way for so long is reset, as TCP gives up in the end. */
  giveUpMs?: number;
}

const DEFAULTS: Required<SimNetworkOptions> = {
  latencyMsMin: 0.05,
  latencyMsMax: 0.5,
  splitProbability: 0.1,
  windowBytes: 256 * 1024,
  giveUpMs: 60_000,
};

const FIRST_EPHEMERAL_PORT = 49152;

/** The wires of a simulated cluster. `host(name)` is what one machine sees: its {@link Network}. */
export class SimNetwork {
  readonly options: Required<SimNetworkOptions>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Map<string, SimListener>();
  readonly #streams = new Set<SimStream>();
  /** Directed links `from>to` on which nothing passes. */
  readonly #cuts = new Set<string>();
  /** Directed links `from>to` that pass nothing before that time. */
  readonly #stalledUntilMs = new Map<string, number>();
  readonly #hosts = new Set<string>();
  /** Machines that are off: nobody answers for them. */
  readonly #dark = new Set<string>();
  #nextPort = FIRST_EPHEMERAL_PORT;

  constructor(clock: Clock, random: Random, options: SimNetworkOptions = {}) {
    this.#clock = clock;
    this.#random = random;
    this.options = { ...DEFAULTS, ...options };
    assert(this.options.latencyMsMin <= this.options.latencyMsMax, "latency has min ≤ max");
  }

  /** The network as one machine sees it. Others reach it under that name. */
  host(name: string): Network {
    this.#hosts.add(name);
    return {
      listen: (address) => this.#listen(name, address),
      connect: (address, options) => this.#connect(name, { address, timeoutMs: options.timeoutMs }),
    };
  }

  /** Nothing passes from `from` to `to` any more; the other direction is not touched. */
  cut(from: string, to: string): void {
    this.#cuts.add(linkName(from, to));
  }

  /** Cuts both directions between every host of `left` and every host of `right`. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  /** Ends one cut; what TCP kept for it goes on its way. */
  heal(from: string, to: string): void {
    this.#cuts.delete(linkName(from, to));
    this.#wake();
  }

  /** Ends all cuts and stalls. */
  healAll(): void {
    this.#cuts.clear();
    this.#stalledUntilMs.clear();
    this.#wake();
  }

  /** From now on and for `durationMs` nothing passes from `from` to `to`; then all of it does. */
  stall(from: string, to: string, durationMs: number): void {
    this.#stalledUntilMs.set(linkName(from, to), this.#clock.nowMs() + durationMs);
    this.#clock.after(durationMs, () => this.#wake());
  }

  /** Resets all connections between two hosts (a middle box that restarts, say). */
  resetBetween(a: string, b: string): void {
    for (const stream of [...this.#streams]) {
      if (stream.joins(a, b)) stream.reset("reset by the network");
    }
  }

  /**
   * The process on `host` is killed: its listeners are gone, its connections are reset and the other sides
   * learn it after the latency, where the link is open.
   */
  killProcess(host: string): void {
    this.#closeListeners(host);
    for (const stream of [...this.#streams]) stream.abandon(host, { tellPeer: true });
  }

  /** The machine loses power: as {@link killProcess}, but nobody is told (half-open connections). */
  powerOff(host: string): void {
    this.#dark.add(host);
    this.#closeListeners(host);
    for (const stream of [...this.#streams]) stream.abandon(host, { tellPeer: false });
  }

  /** The machine runs again. What is sent on a connection from before is answered with a reset. */
  powerOn(host: string): void {
    this.#dark.delete(host);
    this.#wake();
  }

  /** Connections that at least one side holds open. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Whether a chunk may start from `from` to `to` now. */
  passes(from: string, to: string): boolean {
    if (this.#cuts.has(linkName(from, to))) return false;
    if (this.#dark.has(from) || this.#dark.has(to)) return false;
    return (this.#stalledUntilMs.get(linkName(from, to)) ?? 0) <= this.#clock.nowMs();
  }

  #closeListeners(host: string): void {
    for (const [key, listener] of [...this.#listeners]) {
      if (listener.host === host) {
        listener.end();
        this.#listeners.delete(key);
      }
    }
  }

  #wake(): void {
    for (const stream of [...this.#streams]) stream.wake();
  }

  #drawLatencyMs(): number {
    const { latencyMsMin, latencyMsMax } = this.options;
    return latencyMsMin + (latencyMsMax - latencyMsMin) * (this.#random.nextU32() / 2 ** 32);
  }

  #makePipe(from: string, to: string): Pipe {
    return new Pipe({
      clock: this.#clock,
      random: this.#random,
      windowBytes: this.options.windowBytes,
      splitProbability: this.options.splitProbability,
      giveUpMs: this.options.giveUpMs,
      latencyMs: () => this.#drawLatencyMs(),
      passes: () => this.passes(from, to),
      passesBack: () => this.passes(to, from),
    });
  }

  // deno-lint-ignore require-await -- failures must be rejections, as the interface says
  async #listen(host: string, address: Address): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    const key = `${host}:${port}`;
    if (this.#listeners.has(key)) {
      throw new NetworkError(
        "AddressInUse",
        `Can't listen on ${key}: the port is in use by another process. ` +
          `Stop that one or choose another port.`,
      );
    }
    const listener = new SimListener(host, port, () => {
      // Only itself: after a kill the port may belong to the next process.
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
    });
    this.#listeners.set(key, listener);
    return listener;
  }

  #connect(from: string, target: { address: Address; timeoutMs: number }): Promise<Connection> {
    const { address, timeoutMs } = target;
    const to = address.host;
    const action = `Can't connect to ${formatAddress(address)}`;
    if (!this.#hosts.has(to)) {
      return Promise.reject(
        new NetworkError("AddressNotAvailable", `${action}: the host name is unknown.`),
      );
    }
    return new Promise((resolve, reject) => {
      let over = false;
      const deadline: Timer = this.#clock.after(timeoutMs, () => {
        over = true;
        reject(new NetworkError("Timeout", `${action}: no answer within ${timeoutMs} ms.`));
      });
      const answer = (act: () => void) => {
        // A SYN or its answer that finds a cut is lost; the caller's deadline ends the attempt.
        if (!this.passes(to, from)) return;
        this.#clock.after(this.#drawLatencyMs(), () => {
          if (over || this.#dark.has(from)) return;
          deadline.cancel();
          act();
        });
      };
      if (!this.passes(from, to)) return;
      this.#clock.after(this.#drawLatencyMs(), () => {
        if (over || this.#dark.has(to)) return;
        const listener = this.#listeners.get(`${to}:${address.port}`);
        if (listener === undefined) {
          const message = `${action}: refused, nothing listens there.`;
          answer(() => reject(new NetworkError("Refused", message)));
          return;
        }
        const stream = this.#open(from, { to, port: address.port });
        listener.offer(stream.serverEnd);
        answer(() => resolve(stream.clientEnd));
      });
    });
  }

  #open(from: string, target: { to: string; port: number }): SimStream {
    const stream = new SimStream({
      client: from,
      server: target.to,
      clientRemote: `${target.to}:${target.port}`,
      serverRemote: `${from}:${this.#nextPort++}`,
      toServer: this.#makePipe(from, target.to),
      toClient: this.#makePipe(target.to, from),
      onGone: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
    return stream;
  }
}

function linkName(from: string, to: string): string {
  return `${from}>${to}`;
}

class SimListener implements Listener {
  readonly address: Address;
  readonly host: string;
  readonly #onClose: () => void;
  #backlog: Connection[] = [];
  #waiting: ((connection: Connection | null) => void)[] = [];
  #closed = false;

  constructor(host: string, port: number, onClose: () => void) {
    this.host = host;
    this.address = { host, port };
    this.#onClose = onClose;
  }

  offer(connection: Connection): void {
    const waiter = this.#waiting.shift();
    if (waiter) waiter(connection);
    else this.#backlog.push(connection);
  }

  accept(): Promise<Connection | null> {
    if (this.#closed) return Promise.resolve(null);
    const connection = this.#backlog.shift();
    if (connection) return Promise.resolve(connection);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    if (this.#closed) return;
    this.#onClose();
    this.end();
  }

  /** As close, for the network, which has taken it from its table itself. */
  end(): void {
    this.#closed = true;
    for (const connection of this.#backlog.splice(0)) connection.close();
    for (const waiter of this.#waiting.splice(0)) waiter(null);
  }
}

interface SimStreamParts {
  client: string;
  server: string;
  clientRemote: string;
  serverRemote: string;
  toServer: Pipe;
  toClient: Pipe;
  onGone: () => void;
}

/** One connection: two pipes and the two ends that the programs hold. */
class SimStream {
  readonly #parts: SimStreamParts;
  readonly clientEnd: SimConnection;
  readonly serverEnd: SimConnection;

  constructor(parts: SimStreamParts) {
    this.#parts = parts;
    const { toServer, toClient, clientRemote, serverRemote } = parts;
    const onClose = () => this.#maybeGone();
    this.clientEnd = new SimConnection(clientRemote, { out: toServer, in: toClient, onClose });
    this.serverEnd = new SimConnection(serverRemote, { out: toClient, in: toServer, onClose });
    // A reset in one direction is one in both.
    toServer.onReset = (reason) => {
      toClient.reset(reason);
      parts.onGone();
    };
    toClient.onReset = (reason) => toServer.reset(reason);
  }

  joins(a: string, b: string): boolean {
    const { client, server } = this.#parts;
    return (client === a && server === b) || (client === b && server === a);
  }

  reset(reason: string): void {
    this.#parts.toServer.reset(reason);
  }

  wake(): void {
    this.#parts.toServer.wake();
    this.#parts.toClient.wake();
  }

  /** The program at `host` is gone without a close. */
  abandon(host: string, options: { tellPeer: boolean }): void {
    const { client, server, toServer, toClient } = this.#parts;
    if (client !== host && server !== host) return;
    const outgoing = client === host ? toServer : toClient;
    const incoming = client === host ? toClient : toServer;
    incoming.abandonReader();
    outgoing.abandonWriter(options);
    (client === host ? this.clientEnd : this.serverEnd).closed = true;
    this.#maybeGone();
  }

  #maybeGone(): void {
    if (this.clientEnd.closed && this.serverEnd.closed) this.#parts.onGone();
  }
}

class SimConnection implements Connection {
  readonly remote: string;
  readonly #pipes: { out: Pipe; in: Pipe; onClose: () => void };
  closed = false;

  constructor(remote: string, pipes: { out: Pipe; in: Pipe; onClose: () => void }) {
    this.remote = remote;
    this.#pipes = pipes;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.closed ? Promise.resolve(null) : this.#pipes.in.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.closed) {
      return Promise.reject(
        new NetworkError("Other", `Connection with ${this.remote} broke: it is closed.`),
      );
    }
    return this.#pipes.out.write(bytes);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#pipes.in.abandonReader();
    this.#pipes.out.end();
    this.#pipes.onClose();
  }
}
