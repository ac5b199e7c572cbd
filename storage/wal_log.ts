/**
 * A log as callers see it: a face of its state and of the store that it belongs to.
 *
 * @module
 */

import { type LogState, toDamagedRange } from "./log_state.ts";
import type { RecordBatch } from "./record_batch.ts";
import type { DamagedRange, Log, ReadLimits, ReadResult } from "./types.ts";

/** What a log asks its store for. */
export interface LogHost {
  append(log: LogState, batch: RecordBatch): Promise<number>;
  read(log: LogState, position: number, limits: ReadLimits): Promise<ReadResult>;
  lastControl(log: LogState): Promise<{ position: number; payload: Uint8Array } | null>;
  positionOfOffset(log: LogState, offset: number): Promise<number>;
  truncateTail(log: LogState, position: number): Promise<void>;
  trimHead(log: LogState, position: number): Promise<void>;
  sync(log: LogState): Promise<void>;
}

/** {@link Log} of a store on a disk. */
export class WalLog implements Log {
  /** For the store. */
  readonly state: LogState;
  readonly #host: LogHost;

  constructor(state: LogState, host: LogHost) {
    this.state = state;
    this.#host = host;
  }

  get name(): string {
    return this.state.name;
  }
  get startPosition(): number {
    return this.state.start.position;
  }
  get startOffset(): number {
    return this.state.start.offset;
  }
  get endPosition(): number {
    return this.state.end.position;
  }
  get endOffset(): number {
    return this.state.end.offset;
  }
  get durablePosition(): number {
    return this.state.synced.position;
  }
  get durableOffset(): number {
    return this.state.synced.offset;
  }
  get payloadBytes(): number {
    return this.state.end.payload - this.state.start.payload;
  }
  get damage(): readonly DamagedRange[] {
    return this.state.damage.map(toDamagedRange);
  }
  get certain(): boolean {
    return !this.state.isUncertain;
  }

  append(batch: RecordBatch): Promise<number> {
    return this.#host.append(this.state, batch);
  }
  read(position: number, limits: ReadLimits): Promise<ReadResult> {
    return this.#host.read(this.state, position, limits);
  }
  lastControl(): Promise<{ position: number; payload: Uint8Array } | null> {
    return this.#host.lastControl(this.state);
  }
  positionOfOffset(offset: number): Promise<number> {
    return this.#host.positionOfOffset(this.state, offset);
  }
  truncateTail(position: number): Promise<void> {
    return this.#host.truncateTail(this.state, position);
  }
  trimHead(position: number): Promise<void> {
    return this.#host.trimHead(this.state, position);
  }
  sync(): Promise<void> {
    return this.#host.sync(this.state);
  }
}
