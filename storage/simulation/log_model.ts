/**
 * What a log should hold, kept naively: a list in memory, and what a crash may leave of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Log, type RecordKind, RecordReader } from "../mod.ts";

/** One record of the model. */
export interface ModelRecord {
  kind: RecordKind;
  payload: Uint8Array;
}

/** A structural change that was asked for and not answered yet. */
export type OpenChange =
  | { kind: "truncate"; position: number }
  | { kind: "trim"; position: number }
  | { kind: "delete" };

/** What a full disk refused, and where: it may stand there all the same. */
interface Refusal {
  /** A cut was: these had been taken. */
  isCut: boolean;
  position: number;
  records: ModelRecord[];
  batchEnds: number[];
}

/** One log of the model. */
export class LogModel {
  readonly name: string;
  /** Everything that was appended, by position; what was trimmed stays here. */
  records: ModelRecord[] = [];
  /** Positions at which a batch ends: where a log may end after a crash. */
  batchEnds = new Set<number>([0]);
  start = 0;
  /** Answered as appended. */
  acknowledged = 0;
  /** Answered as appended and known to be synced. */
  durable = 0;
  /** It said that something may be missing: that does not come back. */
  isUncertain = false;
  /** Known to be created durably. */
  isDurable = false;
  isEach: boolean;
  change: OpenChange | null = null;
  /** Since the store was last seen to have room. */
  refusals: Refusal[] = [];

  constructor(name: string, { isEach }: { isEach: boolean }) {
    this.name = name;
    this.isEach = isEach;
  }

  get end(): number {
    return this.records.length;
  }

  offsetAt(position: number): number {
    let offset = 0;
    for (let at = 0; at < position; at++) if (this.records[at]!.kind === "entry") offset++;
    return offset;
  }

  append(batch: ModelRecord[]): void {
    this.records.push(...batch);
    this.batchEnds.add(this.records.length);
  }

  /** All from `position` on was refused, or its cut: the disk was full. */
  refuse(position: number, { isCut = false } = {}): void {
    const batchEnds = [...this.batchEnds].filter((end) => end > position);
    this.refusals.push({ isCut, position, records: this.records.slice(position), batchEnds });
    this.cut(position);
  }

  /** Something was taken. A cut that was refused is noted with it, and durable if that is. */
  forgetRefusals({ isSynced }: { isSynced: boolean }): void {
    this.refusals = isSynced ? [] : this.refusals.filter(({ isCut }) => isCut);
  }

  /** Where what is there was refused and nothing was taken since, it is what the log has. */
  maybeTakeBack(found: ModelRecord[]): void {
    const end = found.length;
    // Nothing is found of what was trimmed.
    const isSame = (record: ModelRecord | undefined, at: number) =>
      record !== undefined && (found[at] === undefined || areSame(record, found[at]));
    const hasOwn = end <= this.end && this.records.slice(0, end).every(isSame);
    if (hasOwn && this.batchEnds.has(end)) return;
    const back = this.refusals.find(({ position, records, batchEnds }) =>
      position < end && batchEnds.includes(end) &&
      records.slice(0, end - position).every((record, at) => isSame(record, position + at))
    );
    if (back === undefined) return;
    this.cut(back.position);
    this.records.push(...back.records.slice(0, end - back.position));
    for (const batchEnd of back.batchEnds) this.batchEnds.add(batchEnd);
  }

  cut(position: number): void {
    this.records.length = position;
    this.acknowledged = Math.min(this.acknowledged, position);
    this.durable = Math.min(this.durable, position);
    this.batchEnds = new Set([...this.batchEnds].filter((end) => end < position));
    this.batchEnds.add(position);
  }
}

/** What a log holds, by position; nothing at those before its start. */
export async function recordsOf(log: Log): Promise<ModelRecord[]> {
  const records: ModelRecord[] = [];
  records.length = log.startPosition;
  while (records.length < log.endPosition) {
    const run = await log.read(records.length, { maxBytes: 2000 });
    const reader = new RecordReader(run.bytes);
    while (reader.next()) {
      const kind = reader.isControl ? "control" : "entry";
      records.push({ kind, payload: reader.payload().slice() });
    }
  }
  return records;
}

/** Whether two records hold the same. */
export function areSame(a: ModelRecord, b: ModelRecord): boolean {
  return a.kind === b.kind && Buffer.compare(a.payload, b.payload) === 0;
}

/** @throws {AssertionError} where a run is not what the model has there. */
export function compareRun(
  model: LogModel,
  run: { bytes: Uint8Array; firstPosition: number },
): void {
  const reader = new RecordReader(run.bytes);
  for (let position = run.firstPosition; reader.next(); position++) {
    const record = model.records[position];
    assert(record !== undefined, `${model.name}: a record at ${position} that nobody appended`);
    const kind = reader.isControl ? "control" : "entry";
    const isSame = areSame(record, { kind, payload: reader.payload() });
    assert(isSame, `${model.name}: another record than appended at ${position}`);
  }
}
