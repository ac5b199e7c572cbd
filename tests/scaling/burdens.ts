/**
 * Clients that cost a node something without doing anything: idle ones, and those that ask and never read.
 *
 * @module
 */

import { RequestWriter } from "../../client/mod.ts";
import { type Connection, parseAddress } from "../../world/mod.ts";
import { RealNetwork } from "../../world/real/mod.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** What a deaf client asks for: its answers fill every buffer on their way. */
const DEAF_REQUESTS = 2000;

/** Connections that are open until `close()`. */
export class Burden {
  readonly #connections: Connection[] = [];

  /** So many connections that say nothing. */
  static async idle(address: string, count: number): Promise<Burden> {
    const burden = new Burden();
    for (let i = 0; i < count; i++) await burden.#connect(address);
    return burden;
  }

  /** So many that ask for a topic's messages over and over and don't read one answer. */
  static async deaf(address: string, options: { count: number; topic: string }): Promise<Burden> {
    const burden = new Burden();
    const writer = new RequestWriter();
    for (let i = 0; i < DEAF_REQUESTS; i++) writer.addTopicRequest("STATE", options.topic);
    const requests = writer.bytes.slice();
    for (let i = 0; i < options.count; i++) {
      const connection = await burden.#connect(address);
      // It may never end: the node stops reading from who doesn't read. Closing ends it.
      connection.write(requests).catch(() => {});
    }
    return burden;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #connect(address: string): Promise<Connection> {
    const timeout = { timeoutMs: CONNECT_TIMEOUT_MS };
    const connection = await new RealNetwork().connect(parseAddress(address)!, timeout);
    this.#connections.push(connection);
    return connection;
  }
}
