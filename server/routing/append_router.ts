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
import { METHOD, readAppendReply, writeAppend } from "../messages.ts";
import type { Routes } from "./routes.ts";

/** What became of a batch: so many entries from its front are committed, the rest failed with `error`. */
export interface AppendResult {
  committed: number;
  /** Set when `committed` is less than the batch. */
  error: unknown;
}

/** Appends all of the batch, over as many segments as it takes. Never rejects. */
export async function routeAppend(
  routes: Routes,
  topic: string,
  batch: RecordBatch,
): Promise<AppendResult> {
  let committed = 0;
  try {
    while (committed < batch.entryCount) {
      const rest = committed === 0 ? batch : suffixOf(batch, committed);
      committed += await routes.ask(
        topic,
        (segment, timeoutMs) => appendTo(routes, { topic, segment, batch: rest, timeoutMs }),
      );
    }
    return { committed, error: null };
  } catch (error) {
    return { committed, error };
  }
}

/** How many entries were committed, or `null` where the asked node doesn't lead the segment (any more). */
async function appendTo(
  routes: Routes,
  request: { topic: string; segment: SegmentInfo; batch: RecordBatch; timeoutMs: number },
): Promise<number | null> {
  const { topic, segment, batch, timeoutMs } = request;
  if (segment.leader === routes.nodeId) {
    return await appendHere(routes, topic, segment.number, batch);
  }
  const body = writeAppend({ topic, segment: segment.number, batch });
  return readAppendReply(
    await routes.peers.call(segment.leader, METHOD.append, body, { timeoutMs }),
  );
}

/** Appends to the open segment that this node leads, for its own clients and for other nodes. */
export async function appendHere(
  routes: Routes,
  topic: string,
  segment: number,
  batch: RecordBatch,
): Promise<number | null> {
  const led = routes.segments.led(topic);
  if (led === undefined || led.number !== segment) return null;
  try {
    return await led.writer.append(batch);
  } catch (error) {
    if (error instanceof NotLeaderError || error instanceof SegmentClosedError) return null;
    throw error;
  }
}

/** What is left behind the first `count` entries: a view. */
function suffixOf(batch: RecordBatch, count: number): RecordBatch {
  const reader = new RecordReader(batch.bytes);
  for (let i = 0; i < count; i++) reader.next();
  const left = batch.entryCount - count;
  return { bytes: batch.bytes.subarray(reader.end), count: left, entryCount: left };
}
