/**
 * Byte streams between addresses, as a thing that is handed in.
 *
 * @module
 */

/** Where to listen or to connect to. */
export interface Address {
  host: string;
  /** 0 lets the system choose when listening. */
  port: number;
}

/** One established byte stream. One reader and one writer at a time. */
export interface Connection {
  /** The other side, for logs: `host:port`. */
  readonly remote: string;
  /** Fills a prefix of `into`; the number of bytes, or `null` at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
  /** Resolves when all of `bytes` was handed to the system; `bytes` may be reused then, not before. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both directions at once; pending reads and writes end. Harmless when repeated. */
  close(): void;
}

/** A listening socket. */
export interface Listener {
  /** What it really listens on (the port that the system chose). */
  readonly address: Address;
  /** The next connection, or `null` once closed. */
  accept(): Promise<Connection | null>;
  close(): void;
}

/** The only way to other processes. Twins: `RealNetwork` (TCP), `SimNetwork`. */
export interface Network {
  /** @throws {NetworkError} with what went wrong: port in use, address not available … */
  listen(address: Address): Promise<Listener>;
  /** @throws {NetworkError} when refused, unreachable, or not established within `timeoutMs`. */
  connect(address: Address, options: { timeoutMs: number }): Promise<Connection>;
}

/** A listen or connect that failed; `code` is what a program asks for, `message` what a person reads. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  constructor(
    readonly code: "AddressInUse" | "AddressNotAvailable" | "Refused" | "Timeout" | "Other",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** `HOST:PORT` for messages; an IPv6 host gets its brackets. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Reads `HOST:PORT` or `[IPV6]:PORT`; `undefined` when it is neither. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  return { host: (match[1] ?? match[2])!, port };
}
