/**
 * What the replicas of a cluster may look like, by comparing what all nodes know and hold.
 *
 * @module
 */

import {
  encodeSnapshot,
  type MetadataState,
  openSegmentOf,
  type SegmentInfo,
  type TopicInfo,
} from "../../server/metadata/mod.ts";
import { parseSegmentLogName, segmentLogName } from "../../server/segments/segment_name.ts";
import { type Log, RecordReader } from "../../storage/mod.ts";
import { Losses, type SealSeen } from "./losses.ts";
import type { Machine } from "./machine.ts";

const READ_BYTES = 1024 * 1024;

/** A sealed segment as it was first seen. ⛔ It never changes. */
interface Seal {
  count: number;
  length: number;
  seenBy: string;
}

/** Compares what nodes know with what any of them knew before. One per simulation. */
export class MetadataChecker {
  readonly #seals = new Map<string, Seal>();
  readonly #writers = new Map<string, string>();
  /** By topic, life and name: as of the newest seal that was seen. */
  readonly #cursors = new Map<string, { segment: number; offset: number }>();
  readonly #onFailure: (message: string) => void;
  readonly #nowMs: () => number;
  /** By topic, in the order in which they were seen. */
  readonly #seen = new Map<string, SealSeen[]>();
  #alarms = 0;

  constructor(nowMs: () => number, onFailure: (message: string) => void) {
    this.#nowMs = nowMs;
    this.#onFailure = onFailure;
  }

  /** What of a topic may be missing, as its seals say. */
  lossesOf(topic: string): Losses {
    return new Losses(this.#seen.get(topic) ?? []);
  }

  /** Segments that were sealed as ones that may have lost acknowledged entries. */
  get alarms(): number {
    return this.#alarms;
  }

  /** Segments seen sealed so far. */
  get sealed(): number {
    return this.#seals.size;
  }

  check(machine: Machine): void {
    if (!machine.node) return;
    for (const topic of machine.node.inspect().metadata.topics.values()) {
      // Only the newest seals can be new; the older ones are compared at the end.
      for (const segment of topic.segments.slice(-3)) this.#checkSegment(machine, topic, segment);
    }
  }

  checkAll(machine: Machine): void {
    if (!machine.node) return;
    for (const topic of machine.node.inspect().metadata.topics.values()) {
      for (const segment of topic.segments) this.#checkSegment(machine, topic, segment);
    }
  }

  #checkSegment(machine: Machine, topic: TopicInfo, segment: SegmentInfo): void {
    const name = `${topic.name}/${segment.number}`;
    if (segment.replicas.length > 1) {
      const writer = this.#writers.get(name) ?? segment.leaderRun;
      this.#writers.set(name, writer);
      if (writer !== segment.leaderRun) this.#onFailure(`${name} has two writers in metadata`);
    }
    if (segment.count === null || segment.length === null) return;
    const { count, length } = segment;
    const seal = this.#seals.get(name) ?? { count, length, seenBy: machine.host };
    if (seal.count !== count || seal.length !== length) {
      this.#onFailure(
        `${name} is sealed at ${count}/${length} for ${machine.host}, ` +
          `at ${seal.count}/${seal.length} for ${seal.seenBy}`,
      );
    }
    if (!this.#seals.has(name)) this.#checkNewSeal(topic, segment);
    this.#seals.set(name, seal);
  }

  #checkNewSeal(topic: TopicInfo, segment: SegmentInfo): void {
    if (segment.mayHaveLost) this.#alarms++;
    const { number, mayHaveLost } = segment;
    const seen = this.#seen.get(topic.name) ?? [];
    seen.push({ number, mayHaveLost, atMs: this.#nowMs() });
    this.#seen.set(topic.name, seen);
    if (segment.number !== openSegmentOf(topic).number - 1) return;
    for (const { name, offset } of topic.cursors) {
      const key = `${topic.name} ${segment.number} ${name}`;
      const life = `${topic.name} ${topic.bornSegment} ${name}`;
      const newest = this.#cursors.get(life) ?? { segment: 0, offset: 0 };
      // A node that learns late shows an older seal after a newer one.
      const isOlder = segment.number < newest.segment;
      if (isOlder ? offset > newest.offset : offset < newest.offset) {
        this.#onFailure(
          `cursor ${key} is at ${offset}, and at ${newest.offset} in segment ${newest.segment}`,
        );
      }
      if (offset > segment.baseOffset + segment.count!) {
        this.#onFailure(`cursor ${key} at ${offset} is beyond what was committed`);
      }
      if (!isOlder) {
        this.#cursors.set(life, { segment: segment.number, offset });
      }
    }
  }
}

/** The first replica on these machines that is not exactly as long as its segment was sealed; `null`: none. */
export function findPartialReplica(machines: readonly Machine[]): string | null {
  for (const { host, node, nodeId } of machines) {
    if (!node) return `${host} does not run`;
    const { metadata, store } = node.inspect();
    for (const topic of metadata.topics.values()) {
      for (const { length, number, replicas } of topic.segments) {
        if (length === null || !replicas.includes(nodeId)) continue;
        const end = store.get(segmentLogName(topic.name, number))?.endPosition ?? 0;
        if (end === length) continue;
        return `${host} holds ${end} of ${length} records of ${topic.name}/${number}`;
      }
    }
  }
  return null;
}

/** Reads all sealed replicas of a machine; `null`, or the first one that can't be read. */
export async function findRottenReplica(machine: Machine): Promise<string | null> {
  if (!machine.node) return `${machine.host} does not run`;
  const { metadata, store } = machine.node.inspect();
  let rotten: string | null = null; // all are read: each is mended once it was
  for (const topic of metadata.topics.values()) {
    for (const { length, number, replicas } of topic.segments) {
      if (length === null || !replicas.includes(machine.nodeId)) continue;
      const log = store.get(segmentLogName(topic.name, number));
      if (log === undefined) continue; // not made yet, or copied anew just now
      try {
        await readAll(log);
      } catch (error) {
        rotten ??= `${topic.name}/${number} on ${machine.host}: ${(error as Error).message}`;
      }
    }
  }
  return rotten;
}

/** What a topic holds in the end, and what is wrong with its replicas. */
export interface TopicContent {
  entries: string[];
  problems: string[];
}

/**
 * Reads what is left of a topic from all its replicas, and compares them byte by byte. `machines` are those that run.
 */
export async function readTopic(
  machines: readonly Machine[],
  topic: TopicInfo,
): Promise<TopicContent> {
  const problems: string[] = [];
  const entries: string[] = [];
  const { name } = topic;
  for (const segment of topic.segments) {
    const content = await readSegment(machines, { topic: name, segment, problems });
    if (segment.count !== null && content.length !== segment.count) {
      problems.push(
        `${name}/${segment.number} holds ${content.length} entries, sealed at ${segment.count}`,
      );
    }
    entries.push(...content);
  }
  return { entries, problems };
}

/** The first replica on these machines of a segment that is there no more; `null`: none. */
export function findLeftover(machines: readonly Machine[], state: MetadataState): string | null {
  for (const { host, node } of machines) {
    if (!node) return `${host} does not run`;
    for (const { name } of node.inspect().store.list()) {
      const target = parseSegmentLogName(name);
      if (target !== null && state.isGone(target)) return `${host} still has ${name}`;
    }
  }
  return null;
}

/** The first machine whose metadata is not the same, to the byte; `null`: all have it. */
export function findOtherMetadata(
  machines: readonly Machine[],
  state: MetadataState,
): string | null {
  const expected = encodeSnapshot(state);
  for (const { host, node } of machines) {
    if (!node) return `${host} does not run`;
    const found = encodeSnapshot(node.inspect().metadata);
    if (found.length !== expected.length || found.some((byte, at) => byte !== expected[at])) {
      return `${host} knows other metadata than was committed`;
    }
  }
  return null;
}

async function readSegment(
  machines: readonly Machine[],
  target: { topic: string; segment: SegmentInfo; problems: string[] },
): Promise<string[]> {
  const { topic, segment, problems } = target;
  const label = `${topic}/${segment.number}`;
  let best: { host: string; bytes: Uint8Array } | null = null;
  for (const machine of machines) {
    if (!segment.replicas.includes(machine.nodeId)) continue;
    const log = machine.node!.inspect().store.get(segmentLogName(topic, segment.number));
    // What rotted in an open segment is mended behind its seal.
    if (machine.isRotten && segment.count === null) continue;
    const bytes = log ? await readAll(log) : new Uint8Array(0);
    const end = log?.endPosition ?? 0;
    if (segment.length !== null && end !== segment.length) {
      problems.push(`${label} has ${end} records on ${machine.host}, sealed at ${segment.length}`);
    }
    if (best) {
      const shorter = Math.min(bytes.length, best.bytes.length);
      const at = bytes.subarray(0, shorter).findIndex((byte, i) => byte !== best!.bytes[i]);
      if (at >= 0) problems.push(`${label} differs at byte ${at}: ${best.host}, ${machine.host}`);
    }
    if (!best || bytes.length > best.bytes.length) best = { host: machine.host, bytes };
  }
  return best ? textsOf(best.bytes) : [];
}

async function readAll(log: Log): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let position = log.startPosition; position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: READ_BYTES });
    if (run.count === 0) break;
    parts.push(run.bytes.slice());
    position += run.count;
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function textsOf(bytes: Uint8Array): string[] {
  const texts: string[] = [];
  const decoder = new TextDecoder();
  const reader = new RecordReader(bytes);
  while (reader.next()) if (!reader.isControl) texts.push(decoder.decode(reader.payload()));
  return texts;
}
