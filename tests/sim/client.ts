/**
 * Clients of the simulated cluster: one connection, requests and answers in order.
 *
 * @module
 */

import { FrameReader, RequestWriter } from "../../client/wire.ts";
import type { Connection } from "../../world/mod.ts";
import type { SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { CLIENT_PORT } from "./machine.ts";

const CONNECT_TIMEOUT_MS = 1000;
/** A client that waits for an answer longer gives its connection up. */
const ANSWER_TIMEOUT_MS = 12_000;

/** The connection ended: the request may or may not have been done. */
export class ConnectionEndedError extends Error {
  override readonly name = "ConnectionEndedError";
}

interface Waiter {
  resolve: (answer: Uint8Array) => void;
  reject: (error: Error) => void;
}

/** One client connection. */
export class SimClient {
  /** Of the node that it talks to. */
  readonly host: string;
  readonly #connection: Connection;
  readonly #clock: SimClock;
  readonly #waiting: Waiter[] = [];
  #isClosed = false;

  private constructor(connection: Connection, clock: SimClock, host: string) {
    this.host = host;
    this.#connection = connection;
    this.#clock = clock;
    this.#receiveAll();
  }

  static async connect(
    parts: { clock: SimClock; network: SimNetwork },
    from: string,
    to: string,
  ): Promise<SimClient> {
    const address = { host: to, port: CLIENT_PORT };
    const network = parts.network.host(from);
    return new SimClient(
      await network.connect(address, { timeoutMs: CONNECT_TIMEOUT_MS }),
      parts.clock,
      to,
    );
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends what `write` adds: one request. Gives its answer as text. @throws {ConnectionEndedError} */
  async ask(write: (writer: RequestWriter) => void): Promise<string> {
    return new TextDecoder().decode(await this.askForBytes(write));
  }

  /** The same; the answer is the caller's. @throws {ConnectionEndedError} */
  askForBytes(write: (writer: RequestWriter) => void): Promise<Uint8Array> {
    if (this.#isClosed) return Promise.reject(new ConnectionEndedError("closed before"));
    const writer = new RequestWriter();
    write(writer);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ANSWER_TIMEOUT_MS, () => this.close());
      this.#waiting.push({
        resolve: (answer) => {
          timer.cancel();
          resolve(answer);
        },
        reject: (error) => {
          timer.cancel();
          reject(error);
        },
      });
      this.#connection.write(writer.bytes).catch(() => this.close());
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new ConnectionEndedError("ended"));
  }

  async #receiveAll(): Promise<void> {
    const reader = new FrameReader();
    try {
      for (;;) {
        const count = await this.#connection.read(reader.space());
        if (count === null) break;
        reader.filled(count);
        while (reader.next() === "frame") {
          this.#waiting.shift()?.resolve(reader.bytes.slice(reader.start, reader.end));
        }
      }
    } catch {
      // Broken: as ended.
    }
    this.close();
  }
}
