/**
 * A client from the protocol's text alone (DESIGN.md §8). It shares no line with `client/` and `server/`,
 * so that a misreading that both have in common is seen.
 *
 * @module
 */

const ANSWER_TIMEOUT_MS = 20_000;
const LENGTH_BYTES = 4;

/** One connection: frames out, frames in. */
export class RawClient {
  readonly #conn: Deno.TcpConn;
  #held = new Uint8Array(0);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends any bytes, with no frame around them. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
  }

  /** Sends one request. */
  send(request: string | Uint8Array): Promise<void> {
    return this.sendBytes(frame(request));
  }

  /** The next answer's bytes, or `null` when the connection has ended. Throws when nothing comes. */
  async receiveBytes(timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<Uint8Array | null> {
    const head = await this.#take(LENGTH_BYTES, timeoutMs);
    if (head === null) return null;
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
    return await this.#take(length, timeoutMs);
  }

  /** The next answer as text; "(closed)" when the connection has ended. */
  async receive(timeoutMs?: number): Promise<string> {
    const bytes = await this.receiveBytes(timeoutMs);
    return bytes === null ? "(closed)" : new TextDecoder().decode(bytes);
  }

  /** Sends a request and waits for its answer. */
  async ask(request: string | Uint8Array): Promise<string> {
    await this.send(request);
    return await this.receive();
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // Closed by the other side.
    }
  }

  async #take(count: number, timeoutMs: number): Promise<Uint8Array | null> {
    const deadlineMs = Date.now() + timeoutMs;
    const chunk = new Uint8Array(64 * 1024);
    while (this.#held.length < count) {
      const got = await this.#readBefore(chunk, deadlineMs);
      if (got === null) return null;
      const grown = new Uint8Array(this.#held.length + got);
      grown.set(this.#held);
      grown.set(chunk.subarray(0, got), this.#held.length);
      this.#held = grown;
    }
    const taken = this.#held.slice(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #readBefore(into: Uint8Array, deadlineMs: number): Promise<number | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error("No answer came in time."));
        this.close();
      }, Math.max(1, deadlineMs - Date.now()));
    });
    try {
      return await Promise.race([this.#conn.read(into), timeout]);
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return null;
      if (error instanceof Deno.errors.BrokenPipe) return null;
      if (error instanceof Deno.errors.BadResource) return null;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A request or answer with its length before it. */
export function frame(content: string | Uint8Array): Uint8Array {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const bytes = new Uint8Array(LENGTH_BYTES + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length, true);
  bytes.set(body, LENGTH_BYTES);
  return bytes;
}

/** One request on a connection of its own. */
export async function askOnce(port: number, request: string | Uint8Array): Promise<string> {
  const client = await RawClient.connect(port);
  try {
    return await client.ask(request);
  } finally {
    client.close();
  }
}
