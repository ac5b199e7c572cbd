/**
 * TCP through `node:net`, which Deno and Node both have.
 *
 * @module
 */

import { connect as connectSocket, type Socket } from "node:net";
import {
  type Address,
  type Connection,
  formatAddress,
  type Network,
  NetworkError,
} from "../world/network.ts";

/** Bytes that may have arrived without being read; then the sender is made to wait. */
const UNREAD_BYTES_MAX = 256 * 1024;

/** The connecting half of a {@link Network}. */
export class NodeNetwork implements Pick<Network, "connect"> {
  connect(address: Address, options: { timeoutMs: number }): Promise<Connection> {
    const action = `Can't connect to ${formatAddress(address)}`;
    return new Promise((resolve, reject) => {
      const socket = connectSocket({ host: address.host, port: address.port, noDelay: true });
      socket.setTimeout(options.timeoutMs, () => {
        socket.destroy();
        reject(new NetworkError("Timeout", `${action}: no answer within ${options.timeoutMs} ms.`));
      });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        reject(networkErrorFrom(error, action));
      });
      socket.once("connect", () => {
        socket.setTimeout(0);
        resolve(new NodeConnection(socket, formatAddress(address)));
      });
    });
  }
}

function networkErrorFrom(error: NodeJS.ErrnoException, action: string): NetworkError {
  if (error.code === "ECONNREFUSED") {
    return new NetworkError("Refused", `${action}: connection refused. Is a node running there?`);
  }
  return new NetworkError("Other", `${action}: ${error.message || error.code}.`, { cause: error });
}

class NodeConnection implements Connection {
  readonly remote: string;
  readonly #socket: Socket;
  #chunks: Uint8Array[] = [];
  #unreadBytes = 0;
  #failure: Error | null = null;
  #isEnded = false;
  #wakeReader: (() => void) | null = null;

  constructor(socket: Socket, remote: string) {
    this.remote = remote;
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#unreadBytes += chunk.length;
      if (this.#unreadBytes > UNREAD_BYTES_MAX) socket.pause();
      this.#wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#failure = networkErrorFrom(error, `Connection to ${remote} broke`);
      this.#wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#isEnded = true;
        this.#wake();
      });
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const chunk = this.#chunks[0]!;
    const count = Math.min(chunk.length, into.length);
    into.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#unreadBytes -= count;
    if (this.#unreadBytes === 0 && this.#socket.isPaused()) this.#socket.resume();
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(networkErrorFrom(error, `Can't write to ${this.remote}`));
        else resolve();
      });
    });
  }

  close(): void {
    this.#isEnded = true;
    this.#socket.destroy();
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = null;
  }
}
