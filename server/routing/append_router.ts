/**
 * Brings appends to whoever leads the topic's open segment.
 *
 * A batch is refused whole or in its tail while a segment is closed and the next one not known yet; then
 * it waits for metadata and is routed anew, in its order. Callers keep order by having one batch of
 * a topic on its way at a time.
 *
 * @module
 */

import { type RecordBatch, RecordReader } from "../../storage/mod.ts";
import { NotLeaderError, SegmentClosedError } from "../errors.ts";
import type { SegmentInfo } from "../metadata/mod.ts";
import type { Accepted } from "../segments/mod.ts";
import type { Routes } from "./routes.ts";

/** What became of a batch: so many entries from its front are committed, the rest failed with `error`. */
export interface AppendResult {
  committed: number;
  /** Set when `committed` is less than the batch. */
  error: unknown;
  /** Where the committed entries stand, in order; only told of batches with `ends`. */
  runs: readonly CommittedRun[];
}

/** Entries of a batch that stand one behind the other in the topic. */
export interface CommittedRun {
  /** Offset of the first in the topic. */
  firstOffset: number;
  entries: number;
}

/**
 * Appends all of the batch, over as many segments as it takes. Never rejects.
 *
 * @param ends Where the batch may be divided between segments (see `SegmentWriter.append`); `null`: anywhere.
 */
export async function routeAppend(
  routes: Routes,
  topic: string,
  batch: RecordBatch,
  ends: readonly number[] | null = null,
): Promise<AppendResult> {
  const runs: CommittedRun[] = [];
  let committed = 0;
  try {
    while (committed < batch.entryCount) {
      const rest = committed === 0 ? { batch, ends } : suffixOf(batch, ends, committed);
      const run = await routes.ask(
        topic,
        (segment, timeoutMs) => appendTo(routes, { topic, segment, ...rest, timeoutMs }),
      );
      committed += run.entries;
      runs.push(run);
    }
    return { committed, error: null, runs };
  } catch (error) {
    return { committed, error, runs };
  }
}

/** What was committed, or `null` where the asked node doesn't lead the segment (any more). */
async function appendTo(
  routes: Routes,
  request: {
    topic: string;
    segment: SegmentInfo;
    batch: RecordBatch;
    ends: readonly number[] | null;
    timeoutMs: number;
  },
): Promise<CommittedRun | null> {
  const { topic, segment: { number: segment, leader, baseOffset }, batch, ends, timeoutMs } =
    request;
  const accepted = leader === routes.nodeId
    ? await appendHere(routes, { topic, segment, batch, ends })
    : await routes.forwarding.append({ topic, segment, leader, batch, ends, timeoutMs });
  if (accepted === null) return null;
  return { entries: accepted.entries, firstOffset: baseOffset + accepted.firstOffset };
}

/** Appends to the open segment that this node leads, for its own clients and for other nodes. */
export async function appendHere(
  routes: Routes,
  request: { topic: string; segment: number; batch: RecordBatch; ends: readonly number[] | null },
): Promise<Accepted | null> {
  const led = routes.segments.led(request.topic);
  if (led === undefined || led.number !== request.segment) return null;
  try {
    return await led.writer.append(request.batch, request.ends);
  } catch (error) {
    if (error instanceof NotLeaderError || error instanceof SegmentClosedError) return null;
    throw error;
  }
}

/** What is left behind the first `count` entries: a view. */
function suffixOf(
  batch: RecordBatch,
  ends: readonly number[] | null,
  count: number,
): { batch: RecordBatch; ends: readonly number[] | null } {
  const reader = new RecordReader(batch.bytes);
  for (let i = 0; i < count; i++) reader.next();
  const left = batch.entryCount - count;
  return {
    batch: { bytes: batch.bytes.subarray(reader.end), count: left, entryCount: left },
    ends: ends && ends.filter((end) => end > count).map((end) => end - count),
  };
}
