/**
 * Reads of a segment's log for another replica.
 *
 * ⛔ They end where an append ended. A client's batch is appended whole, so a replica that is only ever given
 * whole appends holds whole batches at every moment, and so does whatever a recovery seals: the length of one
 * of them. Were a batch sent in two messages, its leader could die between them and half of it be sealed.
 *
 * @module
 */

import type { Log, RecordBatch } from "../../storage/mod.ts";

/**
 * Records of both kinds from `position` on: about `maxBytes` of them, more where one append is longer; none
 * where the log ends. `maxRecords` is a bound that is itself the end of an append.
 */
export async function readWhole(
  log: Log,
  position: number,
  limits: { maxBytes: number; maxRecords?: number },
): Promise<RecordBatch> {
  const maxRecords = limits.maxRecords ?? Infinity;
  let run = await log.read(position, { ...limits, wholeFrames: true });
  if (!run.goesOn) return run;
  const parts: RecordBatch[] = [run];
  let count = run.count;
  while (run.goesOn && count < maxRecords) {
    // One frame at a time: what stands behind the batch's end may begin a batch that goes on in turn.
    const rest = { maxBytes: 1, maxRecords: maxRecords - count, wholeFrames: true };
    run = await log.read(position + count, rest);
    if (run.count === 0) break;
    parts.push(run);
    count += run.count;
  }
  return joined(parts);
}

function joined(parts: readonly RecordBatch[]): RecordBatch {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let at = 0, count = 0, entryCount = 0;
  for (const part of parts) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
    count += part.count;
    entryCount += part.entryCount;
  }
  return { bytes, count, entryCount };
}
