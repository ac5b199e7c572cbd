/**
 * Fetches of committed entries by their offset, at any node: sealed segments from a replica here or elsewhere, the
 * open one from a replica here as far as it is known to be committed, else from its leader.
 *
 * @module
 */

import { NotLeaderError, OffsetOutOfRangeError, SegmentClosedError } from "../errors.ts";
import { METHOD } from "../messages.ts";
import {
  type OpenEntries,
  type ReadOpenRequest,
  readReadOpenReply,
  writeReadOpen,
} from "../read_open_messages.ts";
import {
  firstOffsetOf,
  openSegmentOf,
  segmentAt,
  type SegmentInfo,
  type TopicInfo,
} from "../metadata/mod.ts";
import type { Entries, OpenSegment } from "../segments/mod.ts";
import type { Routes } from "./routes.ts";
import { readEntries, readReplica, readSealed } from "./topic_reader.ts";

/** From where, and how much at most; at least one entry comes where there is one. */
export interface FetchSpec {
  offset: number;
  count: number;
  /** Packed. */
  maxBytes: number;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Entries from an offset on, as many as one segment and the limits give; none where the offset is the next one to
 * come.
 *
 * @throws {OffsetOutOfRangeError | UnknownTopicError | UnavailableError}
 */
export async function routeFetch(
  routes: Routes,
  topic: string,
  spec: FetchSpec,
): Promise<Entries> {
  for (;;) {
    const known = await routes.mustFindTopic(topic);
    mustNotBeTrimmed(known, spec.offset);
    const segment = segmentAt(known, spec.offset);
    if (segment.count !== null) return await fetchSealed(routes, topic, { segment, spec });
    const near = await fetchReplica(routes, topic, { segment, spec });
    if (near !== null) return near;
    const fetched = await routes.ask<Entries | "sealed">(topic, async (open, timeoutMs) => {
      // Meanwhile the entries may have been sealed.
      if (open !== segment) return "sealed";
      return await fetchOpen(routes, { topic, segment: open.number, ...spec, waitMs: 0 }, {
        leader: open.leader,
        timeoutMs,
      });
    }, { isRead: true });
    if (fetched !== "sealed") return fetched;
  }
}

/** What this node's replica of an open segment holds and knows to be committed; `null` where that is nothing. */
async function fetchReplica(
  routes: Routes,
  topic: string,
  { segment, spec }: { segment: SegmentInfo; spec: FetchSpec },
): Promise<Entries | null> {
  const { segments } = routes;
  const target = { topic, segment: segment.number };
  const offset = spec.offset - segment.baseOffset;
  const count = Math.min(spec.count, segments.replicas.committedEntries(target) - offset);
  if (count <= 0) return null;
  try {
    const request = { ...target, offset, count, maxBytes: spec.maxBytes };
    const entries = await readReplica(segments, request, routes.buffers);
    return entries.count > 0 ? entries : null;
  } catch {
    return null; // its leader can tell
  }
}

function mustNotBeTrimmed(topic: TopicInfo, offset: number): void {
  const first = firstOffsetOf(topic);
  if (offset >= first) return;
  throw new OffsetOutOfRangeError(
    `${offset} is before ${first}, which is the first that is left in ${topic.name}`,
  );
}

/** The offset behind the topic's last committed entry. */
export async function routeEnd(routes: Routes, topic: string): Promise<number> {
  const { end } = await routes.ask(topic, (open, timeoutMs) => {
    const nothing = { offset: open.baseOffset, count: 0, maxBytes: 0, waitMs: 0 };
    const request = { topic, segment: open.number, ...nothing };
    return fetchOpen(routes, request, { leader: open.leader, timeoutMs });
  }, { isRead: true });
  return end;
}

/**
 * Reads of the open segment that this node leads, for its own clients and for other nodes; `null` where it does
 * not (any more), or can't tell: entries that are there may be read whatever became of the lease, for they stay
 * committed, but where the topic ends only a leader with a lease knows, and only while it takes appends.
 *
 * @throws {OffsetOutOfRangeError}
 */
export async function fetchHere(
  routes: Routes,
  request: ReadOpenRequest,
): Promise<OpenEntries | null> {
  const { topic, offset, waitMs } = request;
  const led = ledBy(routes, request);
  if (led === null) return null;
  const isNothingYet = offset === led.readableEnd;
  if ((isNothingYet || request.count === 0) && !led.writer.isEnd) return null;
  if (isNothingYet && waitMs > 0) {
    await routes.tails.wait(topic, offset, waitMs).done;
    return await fetchHere(routes, { ...request, waitMs: 0 });
  }
  // What is beyond the end here may be in a next segment that this node has not heard of.
  if (offset > led.readableEnd) {
    await routes.refresh(`offset ${offset} of ${topic} is not known here`);
    if (ledBy(routes, request) !== led || !isLeading(led)) return null;
  }
  return await readOpen(led, request, routes);
}

async function fetchOpen(
  routes: Routes,
  request: ReadOpenRequest,
  { leader, timeoutMs }: { leader: number; timeoutMs: number },
): Promise<OpenEntries | null> {
  if (leader === routes.nodeId) return await fetchHere(routes, request);
  const body = writeReadOpen(request);
  return readReadOpenReply(await routes.peers.call(leader, METHOD.readOpen, body, { timeoutMs }));
}

async function fetchSealed(
  routes: Routes,
  topic: string,
  { segment, spec }: { segment: SegmentInfo; spec: FetchSpec },
): Promise<Entries> {
  const offset = spec.offset - segment.baseOffset;
  const request = {
    topic,
    segment: segment.number,
    offset,
    count: Math.min(spec.count, segment.count! - offset),
    maxBytes: spec.maxBytes,
  };
  try {
    return await readSealed(routes, segment, request, routes.buffers);
  } catch (error) {
    // It may have been trimmed under the read's hands: then that is what is to be said.
    const now = routes.topicNow(topic);
    if (now !== undefined) mustNotBeTrimmed(now, spec.offset);
    throw error;
  }
}

/** Only what is committed: behind it the log may hold what a recovery will cut. */
async function readOpen(
  led: OpenSegment,
  request: ReadOpenRequest,
  { buffers, segments }: Routes,
): Promise<OpenEntries> {
  const { offset, count, maxBytes } = request;
  const end = led.readableEnd;
  if (offset > end) {
    throw new OffsetOutOfRangeError(
      `${offset} is beyond ${end}, which is the next one to come in ${request.topic}`,
    );
  }
  const wanted = Math.min(count, end - offset);
  if (wanted === 0) return { end, bytes: NO_BYTES, count: 0 };
  const first = offset - led.baseOffset;
  const limits = { count: wanted, maxBytes, buffers };
  const entries = await readEntries(led.writer.log, first, limits);
  const known = end - led.baseOffset;
  segments.emitterOf(request)?.({ kind: "read", offset: first, known, batch: entries });
  return { end, ...entries };
}

function isLeading(led: OpenSegment): boolean {
  try {
    led.writer.mustAccept();
    return true;
  } catch (error) {
    if (error instanceof NotLeaderError || error instanceof SegmentClosedError) return false;
    throw error;
  }
}

function ledBy(routes: Routes, request: ReadOpenRequest): OpenSegment | null {
  const led = routes.segments.led(request.topic);
  if (led?.number !== request.segment) return null;
  const known = routes.topicNow(request.topic);
  return known && openSegmentOf(known).number === request.segment ? led : null;
}
