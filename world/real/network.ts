/**
 * Byte streams over this machine's TCP.
 *
 * @module
 */

import {
  type Address,
  type Connection,
  formatAddress,
  type Listener,
  type Network,
  NetworkError,
} from "../network.ts";

/** {@link Network} over the system's TCP, without Nagle's delay. */
export class RealNetwork implements Network {
  // deno-lint-ignore require-await -- failures must be rejections, as the interface says
  async listen(address: Address): Promise<Listener> {
    try {
      const listener = Deno.listen({ hostname: address.host, port: address.port });
      return new RealListener(listener, address.host);
    } catch (error) {
      throw networkErrorFrom(error, `Can't listen on ${formatAddress(address)}`);
    }
  }

  async connect(address: Address, options: { timeoutMs: number }): Promise<Connection> {
    const action = `Can't connect to ${formatAddress(address)}`;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), options.timeoutMs);
    try {
      const conn = await Deno.connect({
        hostname: address.host,
        port: address.port,
        signal: deadline.signal,
      });
      return new RealConnection(conn);
    } catch (error) {
      if (deadline.signal.aborted) {
        throw new NetworkError("Timeout", `${action}: no answer within ${options.timeoutMs} ms.`, {
          cause: error,
        });
      }
      if (error instanceof Deno.errors.ConnectionReset) { // a listener that is just closing
        throw new NetworkError("Refused", `${action}: refused, nothing listens there.`, {
          cause: error,
        });
      }
      throw networkErrorFrom(error, action);
    } finally {
      clearTimeout(timer);
    }
  }
}

class RealListener implements Listener {
  readonly address: Address;
  #listener: Deno.TcpListener;

  constructor(listener: Deno.TcpListener, host: string) {
    this.#listener = listener;
    this.address = { host, port: listener.addr.port };
  }

  async accept(): Promise<Connection | null> {
    while (true) {
      try {
        return new RealConnection(await this.#listener.accept());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return null;
        if (error instanceof Deno.errors.Interrupted) return null;
        // The client was gone before we took it: that is its affair, the listener is well.
        if (error instanceof Deno.errors.ConnectionAborted) continue;
        if (error instanceof Deno.errors.ConnectionReset) continue;
        throw networkErrorFrom(error, `Can't accept on ${formatAddress(this.address)}`);
      }
    }
  }

  close(): void {
    try {
      this.#listener.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

class RealConnection implements Connection {
  readonly remote: string;
  #conn: Deno.TcpConn;
  #closed = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.remote = formatAddress({ host: conn.remoteAddr.hostname, port: conn.remoteAddr.port });
    try {
      conn.setNoDelay(true);
    } catch {
      // The other side is gone already; the first read will say so.
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) return null;
    try {
      return await this.#conn.read(into);
    } catch (error) {
      if (this.#closed) return null;
      throw networkErrorFrom(error, `Connection with ${this.remote} broke`);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let written = await this.#conn.write(bytes);
      while (written < bytes.length) written += await this.#conn.write(bytes.subarray(written));
    } catch (error) {
      throw networkErrorFrom(error, `Connection with ${this.remote} broke`);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#conn.close();
    } catch {
      // Closed by the system first: what we wanted.
    }
  }
}

function networkErrorFrom(error: unknown, action: string): NetworkError {
  const options = { cause: error };
  const { errors } = Deno;
  if (error instanceof errors.AddrInUse) {
    return new NetworkError(
      "AddressInUse",
      `${action}: the port is in use by another process. Stop that one or choose another port.`,
      options,
    );
  }
  if (error instanceof errors.AddrNotAvailable) {
    return new NetworkError(
      "AddressNotAvailable",
      `${action}: this machine has no such address.`,
      options,
    );
  }
  if (error instanceof errors.ConnectionRefused) {
    return new NetworkError("Refused", `${action}: refused, nothing listens there.`, options);
  }
  if (error instanceof errors.TimedOut) {
    return new NetworkError("Timeout", `${action}: no answer.`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (reason.includes("lookup address information")) {
    return new NetworkError("AddressNotAvailable", `${action}: the host name is unknown.`, options);
  }
  return new NetworkError("Other", `${action}: ${reason.replace(/\.$/, "")}.`, options);
}
