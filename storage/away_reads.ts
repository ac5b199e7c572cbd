/**
 * Reads of what is in the journal and not at home yet: from memory, at once.
 *
 * @module
 */

import type { AwayFrame } from "./journal.ts";
import type { LogState } from "./log_state.ts";
import { ReadBuilder } from "./read_builder.ts";
import { RecordReader } from "./record_batch.ts";
import type { ReadLimits, ReadResult } from "./types.ts";

/** Records from a position on that is away. The bytes are copied: those in memory are used again. */
export function readAway(log: LogState, position: number, limits: ReadLimits): ReadResult {
  const out = new ReadBuilder(position, limits);
  const { away } = log;
  const reach = log.written.position;
  for (let index = frameAt(away, position); index < away.length && !out.isFull; index++) {
    const frame = away[index]!;
    const { count, entryCount, offset } = frame;
    const at = { position: frame.position, offset, payload: 0 };
    out.take({ count, entryCount, body: bodyOf(frame), goesOn: false }, { at, reach });
  }
  const run = out.finish({ mayMove: false });
  return { ...run, bytes: run.bytes.slice() };
}

/** The position of an entry that is away. */
export function positionAway(log: LogState, offset: number): number {
  const frame = log.away.findLast((frame) => frame.offset <= offset && frame.entryCount > 0)!;
  const reader = new RecordReader(bodyOf(frame));
  let at = frame.offset;
  for (let position = frame.position; reader.next(); position++) {
    if (!reader.isControl && at++ === offset) return position;
  }
  return frame.position;
}

/** The last control record, if it is away. */
export function lastControlAway(
  log: LogState,
): { position: number; payload: Uint8Array } | null {
  const frame = log.away.findLast(({ count, entryCount }) => count > entryCount);
  if (frame === undefined) return null;
  const reader = new RecordReader(bodyOf(frame));
  let found: { position: number; payload: Uint8Array } | null = null;
  for (let position = frame.position; reader.next(); position++) {
    if (!reader.isControl || position < log.start.position) continue;
    found = { position, payload: reader.payload().slice() };
  }
  return found;
}

function bodyOf({ chunk, bodyStart, end }: AwayFrame): Uint8Array {
  return chunk.bytes.subarray(bodyStart, end);
}

/** Index of the frame that holds a position. */
function frameAt(away: readonly AwayFrame[], position: number): number {
  let low = 0, high = away.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (away[middle]!.position <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
