/**
 * Events of segments as plain values, which can be kept, written as JSON lines, and checked elsewhere. A record is
 * a number, as in `spec/Walrus.tla`: an entry is positive (a hash of its payload), a move of the shared
 * cursor to offset k is −(k + 1).
 *
 * @module
 */

import { RecordReader } from "../../storage/mod.ts";
import { decodeCursors, sharedOffset } from "./control_record.ts";
import type { SegmentEvent, SegmentEvents } from "./segment_events.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

type Plain<E> = E extends { batch: unknown } ? Omit<E, "batch"> & { records: number[] } : E;

/** One event of one node. */
export type TraceEvent =
  & { node: number }
  & (Plain<SegmentEvent> | { /** Only from whoever killed it. */ kind: "crash" });

/** Makes events plain and hands them on. */
export class SegmentTrace implements SegmentEvents {
  readonly #node: number;
  readonly #sink: (event: TraceEvent) => void;

  constructor(node: number, sink: (event: TraceEvent) => void) {
    this.#node = node;
    this.#sink = sink;
  }

  emit(event: SegmentEvent): void {
    if (!("batch" in event)) return this.#sink({ ...event, node: this.#node });
    const { batch, ...rest } = event;
    this.#sink({ ...rest, node: this.#node, records: recordsOf(batch.bytes) } as TraceEvent);
  }
}

function recordsOf(bytes: Uint8Array): number[] {
  const records: number[] = [];
  const reader = new RecordReader(bytes);
  while (reader.next()) {
    if (reader.isControl) records.push(-1 - sharedOffset(decodeCursors(reader.payload())));
    else records.push(recordOfEntry(bytes, reader.start, reader.end));
  }
  return records;
}

/** The number that stands for an entry with this payload. */
export function recordOfEntry(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return 1 + (hash >>> 0);
}
