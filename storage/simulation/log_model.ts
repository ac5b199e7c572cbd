/**
 * What a log should hold, kept naively: a list in memory, and what a crash may leave of it.
 *
 * @module
 */

import type { RecordKind } from "../mod.ts";

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

  cut(position: number): void {
    this.records.length = position;
    this.acknowledged = Math.min(this.acknowledged, position);
    this.durable = Math.min(this.durable, position);
    this.batchEnds = new Set([...this.batchEnds].filter((end) => end < position));
    this.batchEnds.add(position);
  }
}
