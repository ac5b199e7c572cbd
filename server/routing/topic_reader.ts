/**
 * Reads a topic's committed entries in order, from whichever node holds them, a chunk ahead.
 *
 * @module
 */

import { type Log, RecordReader } from "../../storage/mod.ts";
import { assert } from "../../world/mod.ts";
import { READ_BYTES_MAX, REQUEST_TIMEOUT_MS } from "../config.ts";
import { UnavailableError } from "../errors.ts";
import {
  type FetchRequest,
  METHOD,
  readReadReply,
  type ReadRequest,
  writeRead,
} from "../messages.ts";
import { segmentAt, type SegmentInfo } from "../metadata/mod.ts";
import {
  type Entries,
  entriesOf,
  type EntrySource,
  type PlacedBatch,
  readWhole,
  type Segments,
} from "../segments/mod.ts";
import type { ReadBuffers } from "./read_buffers.ts";
import type { Routes } from "./routes.ts";

/** Bytes that a reader fetches ahead where it reads on in order. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Entries that were fetched and not handed out yet. */
interface Chunk {
  reader: RecordReader;
  /** Offset in the topic of the entry that `reader.next()` brings. */
  nextOffset: number;
  left: number;
}

/** One reader of one topic, which mostly reads on where it stopped. One read at a time. */
export class TopicReader implements EntrySource {
  readonly #routes: Routes;
  readonly #topic: string;
  #chunk: Chunk | null = null;

  constructor(routes: Routes, topic: string) {
    this.#routes = routes;
    this.#topic = topic;
  }

  async read(offset: number, limits: { count: number; maxBytes: number }): Promise<Entries> {
    if (this.#chunk?.nextOffset !== offset || this.#chunk.left === 0) {
      this.#chunk = await this.#fetch(offset, limits.count);
    }
    return handOut(this.#chunk, limits);
  }

  async #fetch(offset: number, count: number): Promise<Chunk> {
    const topic = await this.#routes.mustFindTopic(this.#topic);
    const segment = segmentAt(topic, offset);
    const request = {
      topic: this.#topic,
      segment: segment.number,
      offset: offset - segment.baseOffset,
      // A sealed segment may be read ahead; of the open one only what the caller knows is committed.
      count: segment.count === null ? count : segment.count - (offset - segment.baseOffset),
      maxBytes: READ_AHEAD_BYTES,
    };
    const { buffers } = this.#routes;
    const entries = await readSealed(this.#routes, segment, request, buffers);
    assert(entries.count > 0, "a read of committed entries brings at least one");
    // What is kept for a while keeps no more memory than it needs.
    const bytes = entries.release === undefined ? entries.bytes : entries.bytes.slice();
    entries.release?.();
    return { reader: new RecordReader(bytes), nextOffset: offset, left: entries.count };
  }
}

/** From this node's replica where there is a whole one, else from whoever answers first in turn. */
export async function readSealed(
  routes: Routes,
  segment: SegmentInfo,
  request: ReadRequest,
  buffers?: ReadBuffers,
): Promise<Entries> {
  const { nodeId, peers, segments } = routes;
  // Those whose connection is up first: a host that is switched off answers nothing until the time is over.
  const others = segment.replicas.filter((id) => id !== nodeId)
    .sort((a, b) => Number(peers.isConnected(b)) - Number(peers.isConnected(a)));
  let failure: unknown = null;
  if (segment.replicas.includes(nodeId)) {
    try {
      return await readReplica(segments, request, buffers);
    } catch (error) {
      failure = error;
    }
  }
  for (const holder of others) {
    try {
      const timeoutMs = REQUEST_TIMEOUT_MS;
      return readReadReply(
        await peers.call(holder, METHOD.read, writeRead(request), { timeoutMs }),
      );
    } catch (error) {
      failure = error;
    }
  }
  throw new UnavailableError(
    `segment ${segment.number} of ${request.topic} is held by node ${
      segment.replicas.join(", ")
    }, ` +
      `and can't be read now: ${(failure as Error).message}`,
  );
}

/**
 * Reads entries of this node's replica; the request stays within what is committed.
 *
 * @throws {UnavailableError} where the replica does not reach that far, or there is none.
 */
export async function readReplica(
  segments: Segments,
  request: ReadRequest,
  buffers?: ReadBuffers,
): Promise<Entries> {
  const log = mustHold(segments, request);
  if (log.endOffset <= request.offset) {
    throw new UnavailableError(
      `this node's replica of ${request.topic}/${request.segment} has ${log.endOffset} entries so far`,
    );
  }
  const { count, offset } = request;
  const maxBytes = Math.min(request.maxBytes, READ_BYTES_MAX);
  const entries = await readEntries(log, offset, { count, maxBytes, buffers });
  if (entries.count > 0) {
    const known = offset + count;
    segments.emitterOf(request)?.({ kind: "read", offset, known, batch: entries });
    return entries;
  }
  // A majority of others may have committed what this node's disk has not written yet.
  entries.release?.();
  throw new UnavailableError(
    `entry ${offset} of ${request.topic}/${request.segment} is on its way to this node's disk`,
  );
}

/**
 * Entries of a log from an offset on that it holds; at least one, else within the limits (packed bytes). With
 * `buffers` they are the caller's only until it releases them.
 */
export async function readEntries(
  log: Log,
  offset: number,
  limits: { count: number; maxBytes: number; buffers?: ReadBuffers | undefined },
): Promise<Entries> {
  const { buffers } = limits;
  const turn = buffers?.begin();
  if (turn !== undefined) await turn;
  try {
    return await readInTurn(log, offset, limits);
  } finally {
    buffers?.end();
  }
}

async function readInTurn(
  log: Log,
  offset: number,
  { count, maxBytes, buffers }: Parameters<typeof readEntries>[2],
): Promise<Entries> {
  const window = buffers?.take(maxBytes);
  // Where a log has no control records, its positions are its offsets.
  const isPlain = log.endPosition === log.endOffset;
  const position = isPlain ? offset : await log.positionOfOffset(offset);
  const run = await log.read(position, window === undefined ? { maxBytes } : { maxBytes, window });
  const release = window && (() => buffers!.give(window));
  // What stands in the log is what is sent, unless control records or too many entries are among it.
  if (run.count === run.entryCount && run.count <= count) {
    return { bytes: run.bytes, count: run.count, release };
  }
  const entries = entriesOf(run.bytes, { skip: 0, count, maxBytes });
  release?.();
  return entries;
}

/** Reads records of both kinds, for a replica on another node that lacks them. */
export async function readRecords(segments: Segments, request: FetchRequest): Promise<PlacedBatch> {
  const { target, position, end } = request;
  const log = mustHold(segments, target);
  const batch = await readWhole(log, position, {
    maxBytes: segments.messageBytes,
    maxRecords: end - position,
  });
  return { position, batch };
}

function mustHold(segments: Segments, target: { topic: string; segment: number }): Log {
  const log = segments.replica(target.topic, target.segment);
  if (log) return log;
  throw new UnavailableError(`no replica of ${target.topic}/${target.segment} is held here`);
}

function handOut(chunk: Chunk, limits: { count: number; maxBytes: number }): Entries {
  const { reader } = chunk;
  const start = reader.end;
  let end = start, count = 0;
  while (count < limits.count && count < chunk.left) {
    reader.next();
    if (count > 0 && reader.end - start > limits.maxBytes) {
      reader.rewind(end);
      break;
    }
    end = reader.end;
    count++;
  }
  chunk.nextOffset += count;
  chunk.left -= count;
  return { bytes: reader.bytes.subarray(start, end), count };
}
