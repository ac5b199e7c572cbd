/**
 * Accepts client connections, and keeps what they may cost within bounds.
 *
 * @module
 */

import type { Clock, Connection, Listener, Logger, Timer } from "../../world/mod.ts";
import type { ClientService } from "../controller.ts";
import { BufferBudget, type SessionBudgets } from "./buffer_budget.ts";
import { ClientSession } from "./client_session.ts";

/** Connections at the same time; one more is told so and closed. */
export const CLIENT_CONNECTIONS_MAX = 20_000;
/** Bytes in all sessions' buffers together; over it, the largest sessions are closed. */
export const CLIENT_BUFFER_BYTES_MAX = 512 * 1024 * 1024;
/** Of these, what read buffers keep while they are empty. */
export const RETAINED_BUFFER_BYTES_MAX = 64 * 1024 * 1024;
/** Large answers that wait to be taken by their clients; with more, answers are cut to small ones. */
export const LARGE_ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** A client that owes the rest of a frame, or to read its answers, for two sweeps is closed, milliseconds. */
export const SWEEP_MS = 30_000;
/** How often buffers are added up, milliseconds. */
const BUFFER_CHECK_MS = 250;

interface ServedSession {
  /** What the last sweep saw. */
  progress: number;
  connection: Connection;
  ended: Promise<void>;
}

/** One per node. */
export class ClientListener {
  readonly #listener: Listener;
  readonly #parts: {
    service: () => ClientService;
    clock: Clock;
    logger: Logger;
    maxFrameBytes: number;
  };
  readonly #budgets: SessionBudgets = {
    reads: new BufferBudget(RETAINED_BUFFER_BYTES_MAX),
    answers: new BufferBudget(LARGE_ANSWER_BYTES_MAX),
  };
  readonly #sessions: Map<ClientSession, ServedSession> = new Map();
  #timers: Timer[] = [];
  #shedding: Timer | null = null;
  #isClosed = false;

  constructor(
    listener: Listener,
    parts: { service: () => ClientService; clock: Clock; logger: Logger; maxFrameBytes: number },
  ) {
    this.#listener = listener;
    this.#parts = parts;
  }

  /** Accepts until `close`. */
  start(): void {
    this.#acceptAll();
    this.#every(SWEEP_MS, () => this.#sweep());
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Accepts nothing more; resolves when every session has answered what it had read, or at the limit. */
  async drain(limitMs: number): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    for (const session of this.#sessions.keys()) session.finish();
    const ended = Promise.all([...this.#sessions.values()].map(({ ended }) => ended));
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(limitMs, resolve);
    });
    await Promise.race([ended, limit]);
    timer?.cancel();
  }

  /** Accepts nothing more and ends every session. */
  close(): void {
    this.#isClosed = true;
    this.#listener.close();
    for (const timer of this.#timers) timer.cancel();
    this.#shedding?.cancel();
    for (const { connection } of this.#sessions.values()) connection.close();
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept().catch((error) => {
        this.#parts.logger.log("warn", "can't accept a client", { reason: error.message });
        return undefined;
      });
      if (connection === null || this.#isClosed) return connection?.close();
      if (connection) this.#serve(connection);
    }
  }

  #serve(connection: Connection): void {
    const { service, maxFrameBytes } = this.#parts;
    const session = new ClientSession(connection, service, {
      maxFrameBytes,
      budgets: this.#budgets,
    });
    if (this.#sessions.size >= CLIENT_CONNECTIONS_MAX) {
      return session.end(`this node serves ${CLIENT_CONNECTIONS_MAX} connections already`);
    }
    const ended = session.run().finally(() => this.#sessions.delete(session));
    this.#sessions.set(session, { progress: 0, connection, ended });
    this.#armShedding();
  }

  /** As long as there is a session. */
  #armShedding(): void {
    if (this.#shedding !== null || this.#isClosed || this.#sessions.size === 0) return;
    this.#shedding = this.#parts.clock.after(BUFFER_CHECK_MS, () => {
      this.#shedding = null;
      this.#shedBuffers();
      this.#armShedding();
    });
  }

  #every(intervalMs: number, task: () => void): void {
    const index = this.#timers.length;
    const arm = () => {
      this.#timers[index] = this.#parts.clock.after(intervalMs, () => {
        task();
        arm();
      });
    };
    arm();
  }

  /** Ends sessions whose client kept us waiting since the last sweep. Idle ones may stay for ever. */
  #sweep(): void {
    for (const [session, seen] of this.#sessions) {
      if (session.isOwed && session.progress === seen.progress) {
        session.end(`nothing arrived for ${SWEEP_MS} ms within a frame, or answers are not read`);
      }
      seen.progress = session.progress;
    }
  }

  #shedBuffers(): void {
    let bytes = 0;
    for (const session of this.#sessions.keys()) bytes += session.bufferedBytes;
    if (bytes <= CLIENT_BUFFER_BYTES_MAX) return;
    const largest = [...this.#sessions.keys()].sort((a, b) => b.bufferedBytes - a.bufferedBytes);
    for (const session of largest) {
      if (bytes <= CLIENT_BUFFER_BYTES_MAX) return;
      bytes -= session.bufferedBytes;
      session.end("too many bytes of unfinished frames wait on this node: try again later");
    }
  }
}
