/**
 * The smallest network between the member processes: Raft messages over TCP, lost when the other side is
 * away. Not the server's: these tests are about Raft alone.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 4 | length of the message, little-endian |
 * | 4 | sender's id |
 * | n | message |
 *
 * @module
 */

const HEAD_BYTES = 8;
/** What waits for one peer at most; more is lost. */
const OUTBOX_BYTES_MAX = 16 * 1024 * 1024;
const RECONNECT_MS = 50;

/** Accepts messages until the process ends. */
export async function receiveFrames(
  port: number,
  onMessage: (from: number, message: Uint8Array) => void,
): Promise<void> {
  for await (const conn of Deno.listen({ hostname: "127.0.0.1", port })) {
    conn.setNoDelay(true);
    readFrames(conn, onMessage).catch(() => {});
  }
}

async function readFrames(
  conn: Deno.Conn,
  onMessage: (from: number, message: Uint8Array) => void,
): Promise<void> {
  let held = new Uint8Array(0);
  const chunk = new Uint8Array(256 * 1024);
  while (true) {
    const got = await conn.read(chunk);
    if (got === null) return;
    const bytes = new Uint8Array(held.length + got);
    bytes.set(held);
    bytes.set(chunk.subarray(0, got), held.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const end = at + HEAD_BYTES + view.getUint32(at, true);
      if (end > bytes.length) break;
      onMessage(view.getUint32(at + 4, true), bytes.slice(at + HEAD_BYTES, end));
      at = end;
    }
    held = bytes.slice(at);
  }
}

/** Sends to one peer, in order, while it is there. */
export class PeerWire {
  readonly #port: number;
  readonly #from: number;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #wake: () => void = () => {};

  constructor(port: number, from: number) {
    this.#port = port;
    this.#from = from;
    void this.#run();
  }

  send(message: Uint8Array): void {
    if (this.#outboxBytes + message.length > OUTBOX_BYTES_MAX) return;
    const frame = new Uint8Array(HEAD_BYTES + message.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, message.length, true);
    view.setUint32(4, this.#from, true);
    frame.set(message, HEAD_BYTES);
    this.#outbox.push(frame);
    this.#outboxBytes += message.length;
    this.#wake();
  }

  async #run(): Promise<never> {
    while (true) {
      try {
        await this.#serve(await Deno.connect({ hostname: "127.0.0.1", port: this.#port }));
      } catch {
        // Refused or reset: what waits is lost.
      }
      this.#outbox = [];
      this.#outboxBytes = 0;
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  /** Writes what comes until the connection breaks. */
  async #serve(conn: Deno.TcpConn): Promise<void> {
    conn.setNoDelay(true);
    let isOpen = true;
    // Nothing comes back; the end of the stream tells that the other side is gone.
    conn.read(new Uint8Array(1)).catch(() => {}).finally(() => {
      isOpen = false;
      this.#wake();
    });
    try {
      while (isOpen) {
        if (this.#outbox.length === 0) {
          await new Promise<void>((resolve) => this.#wake = resolve);
          continue;
        }
        const whole = join(this.#outbox);
        this.#outbox = [];
        this.#outboxBytes = 0;
        for (let rest = whole; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
      }
    } finally {
      conn.close();
    }
  }
}

function join(frames: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}
