/**
 * Frames on their way out of one connection.
 *
 * @module
 */

import type { Connection } from "../../world/mod.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, writeFrame } from "./frame.ts";

/** Bytes of frames that may wait for one connection, where bodies have the usual bound. */
const MAX_OUTGOING_BYTES = 64 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 64 * 1024;
/** A buffer that grew beyond this is not kept. */
const RETAINED_BUFFER_BYTES = 2 * 1024 * 1024;

/** Bytes of frames that may wait for one connection: at least two of the largest. */
export function outgoingBytesMax(maxBodyBytes: number): number {
  return Math.max(MAX_OUTGOING_BYTES, 2 * (maxBodyBytes + FRAME_HEADER_BYTES));
}

interface Buffer {
  bytes: Uint8Array;
  view: DataView;
  at: number;
}

/**
 * Copies frames into one buffer while another is being written: all that are queued during a write go
 * out in the next one, however many they are.
 */
export class FrameQueue {
  readonly #connection: Connection;
  readonly #maxBytes: number;
  readonly #onBroken: (error: unknown) => void;
  #filling = makeBuffer(FIRST_BUFFER_BYTES);
  #writing = makeBuffer(FIRST_BUFFER_BYTES);
  #isBusy = false;
  #isClosed = false;
  #drainWaiters: { belowBytes: number; resolve: () => void }[] = [];

  constructor(
    connection: Connection,
    options: { maxBytes: number; onBroken: (error: unknown) => void },
  ) {
    this.#connection = connection;
    this.#maxBytes = options.maxBytes;
    this.#onBroken = options.onBroken;
  }

  /** Bytes that wait or are being written. */
  get queuedBytes(): number {
    return this.#filling.at + this.#writing.at;
  }

  /** Copies the frame; false when it would exceed the bound or the connection is closed. */
  push(header: FrameHeader, body: Uint8Array): boolean {
    const frameBytes = FRAME_HEADER_BYTES + body.length;
    if (this.#isClosed || this.queuedBytes + frameBytes > this.#maxBytes) return false;
    this.#reserve(frameBytes);
    this.#filling.at = writeFrame(this.#filling, { header, body });
    if (!this.#isBusy) {
      this.#isBusy = true;
      // What is queued in the same turn goes with it.
      queueMicrotask(() => this.#writeAll());
    }
    return true;
  }

  /** Resolves when less than `belowBytes` wait, or the queue is closed. */
  drained(belowBytes: number): Promise<void> {
    if (this.#isClosed || this.queuedBytes < belowBytes) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push({ belowBytes, resolve }));
  }

  /** Drops what waits. */
  close(): void {
    this.#isClosed = true;
    this.#filling.at = 0;
    this.#wakeDrainWaiters();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#filling.at > 0 && !this.#isClosed) {
        const full = this.#filling;
        this.#filling = this.#writing;
        this.#writing = full;
        await this.#connection.write(full.bytes.subarray(0, full.at));
        full.at = 0;
        if (full.bytes.length > RETAINED_BUFFER_BYTES) {
          this.#writing = makeBuffer(FIRST_BUFFER_BYTES);
        }
        if (this.#drainWaiters.length > 0) this.#wakeDrainWaiters();
      }
      this.#isBusy = false;
    } catch (error) {
      this.close();
      this.#onBroken(error);
    }
  }

  #reserve(frameBytes: number): void {
    const { bytes, at } = this.#filling;
    if (at + frameBytes <= bytes.length) return;
    const grown = makeBuffer(Math.max(at + frameBytes, bytes.length * 2));
    grown.bytes.set(bytes.subarray(0, at));
    grown.at = at;
    this.#filling = grown;
  }

  #wakeDrainWaiters(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const waiter of waiters) {
      if (this.#isClosed || this.queuedBytes < waiter.belowBytes) waiter.resolve();
      else this.#drainWaiters.push(waiter);
    }
  }
}

function makeBuffer(capacityBytes: number): Buffer {
  const bytes = new Uint8Array(capacityBytes);
  return { bytes, view: new DataView(bytes.buffer), at: 0 };
}
