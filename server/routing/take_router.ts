/**
 * Brings takes of the shared cursor to whoever leads the topic's open segment.
 *
 * @module
 */

import { TAKE_ENTRIES_MAX } from "../config.ts";
import { NotLeaderError, SegmentClosedError } from "../errors.ts";
import { METHOD, readTakeReply, writeTake } from "../messages.ts";
import type { Taken } from "../segments/mod.ts";
import type { Routes } from "./routes.ts";

/** Takes up to `count` entries; fewer, with `isExhausted` false, where the answer was full. */
export function routeTake(routes: Routes, topic: string, count: number): Promise<Taken> {
  const wanted = Math.min(count, TAKE_ENTRIES_MAX);
  return routes.ask(topic, async (segment, timeoutMs) => {
    if (segment.leader === routes.nodeId) {
      return await takeHere(routes, topic, segment.number, wanted);
    }
    const body = writeTake({ topic, segment: segment.number, count: wanted });
    return readTakeReply(await routes.peers.call(segment.leader, METHOD.take, body, { timeoutMs }));
  });
}

/** Takes from the cursor that this node owns, for its own clients and for other nodes. */
export async function takeHere(
  routes: Routes,
  topic: string,
  segment: number,
  count: number,
): Promise<Taken | null> {
  const led = routes.segments.led(topic);
  if (led === undefined || led.number !== segment) return null;
  try {
    return await led.cursor.take(Math.min(count, TAKE_ENTRIES_MAX));
  } catch (error) {
    if (error instanceof NotLeaderError || error instanceof SegmentClosedError) return null;
    throw error;
  }
}
