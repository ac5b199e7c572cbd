/**
 * A log store in memory for tests of the driver: appends become durable when the test says so, and a
 * crash loses those that were not.
 *
 * @module
 */

import { type RecordBatch, RecordBatchBuilder, RecordReader } from "../../storage/record_batch.ts";
import type { Log, LogOptions, LogStore, ReadResult } from "../../storage/types.ts";

interface Pending {
  readonly endPosition: number;
  resolve(position: number): void;
  reject(error: Error): void;
  readonly start: number;
}

/** As much of a log as the Raft driver uses. */
type UsedLog = Pick<
  Log,
  | "name"
  | "startPosition"
  | "endPosition"
  | "durablePosition"
  | "damage"
  | "certain"
  | "payloadBytes"
  | "append"
  | "read"
  | "trimHead"
>;

/** One log; `records` is what a restart would find up to `durablePosition`. */
export class MemoryLog implements UsedLog {
  readonly damage = [];
  readonly certain = true;
  startPosition = 0;
  durablePosition = 0;
  records: Uint8Array[] = [];
  pending: Pending[] = [];
  payloadBytes = 0;
  appends = 0;
  /** Set: the next appends are rejected with it. */
  failure: Error | null = null;

  constructor(readonly name: string, private readonly store: MemoryLogStore) {}

  get endPosition(): number {
    return this.startPosition + this.records.length;
  }

  append(batch: RecordBatch): Promise<number> {
    if (this.failure) return Promise.reject(this.failure);
    const start = this.endPosition;
    const reader = new RecordReader(batch.bytes);
    while (reader.next()) this.records.push(reader.payload().slice());
    this.appends++;
    return new Promise((resolve, reject) => {
      this.pending.push({ start, endPosition: this.endPosition, resolve, reject });
      if (!this.store.manual) queueMicrotask(() => this.syncAll());
    });
  }

  /** Everything that was appended is durable. */
  syncAll(): void {
    const pending = this.pending;
    this.pending = [];
    for (const { endPosition, start, resolve } of pending) {
      this.durablePosition = endPosition;
      resolve(start);
    }
  }

  /** What was not durable is lost, and its appends never answered. */
  crash(): void {
    this.records.length = this.durablePosition - this.startPosition;
    this.pending = [];
  }

  /** As a full disk does: what is not durable is rejected and gone. */
  rejectPending(error: Error): void {
    const pending = this.pending;
    this.records.length = this.durablePosition - this.startPosition;
    this.pending = [];
    for (const { reject } of pending) reject(error);
  }

  read(position: number, limits: { maxBytes: number }): Promise<ReadResult> {
    const builder = new RecordBatchBuilder();
    for (let at = position; at < this.endPosition; at++) {
      const record = this.records[at - this.startPosition]!;
      if (builder.count > 0 && builder.lengthBytes + record.length > limits.maxBytes) break;
      builder.add(record);
    }
    return Promise.resolve({
      ...builder.copy(),
      firstPosition: position,
      firstOffset: position,
      goesOn: false,
    });
  }
  trimHead(position: number): Promise<void> {
    this.records.splice(0, position - this.startPosition);
    this.startPosition = position;
    return Promise.resolve();
  }
}

/** As much of a store as the Raft driver uses. */
export class MemoryLogStore {
  logs = new Map<string, MemoryLog>();
  /** True: nothing becomes durable before `syncAll`. */
  manual = false;

  get(name: string): MemoryLog | undefined {
    return this.logs.get(name);
  }
  create(name: string, _options?: LogOptions): MemoryLog {
    const log = new MemoryLog(name, this);
    this.logs.set(name, log);
    return log;
  }
  crash(): void {
    for (const log of this.logs.values()) log.crash();
  }
  /** For the driver, which uses no more than this. */
  asLogStore(): LogStore {
    return this as unknown as LogStore;
  }
}
