/**
 * All replicas that this node holds and does not write, and the rules of DESIGN.md §6 for them: who may
 * append, what a fence means, who is certain, and what happens when a seal is learnt.
 *
 * @module
 */

import type { Crc32c, LogStore } from "../../storage/mod.ts";
import type { Clock, Logger } from "../../world/mod.ts";
import { sleep } from "../../world/mod.ts";
import { COMPLETE_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "../config.ts";
import { UnavailableError } from "../errors.ts";
import {
  type Cursor,
  type MetadataState,
  openSegmentOf,
  type SegmentInfo,
  segmentOf,
  type TopicInfo,
} from "../metadata/mod.ts";
import { decodeCursors, sharedOffset } from "./control_record.ts";
import { type Digest, digestOf } from "./digest.ts";
import type { Fences } from "./fences.ts";
import { type PlacedBatch, Replica, type ReplicaExtent, type StreamedBatch } from "./replica.ts";
import { emitterOf, type SegmentEvents } from "./segment_events.ts";
import { isSegmentLogName, parseSegmentLogName, segmentLogName } from "./segment_name.ts";

/** How long to wait before a missing tail is asked for again, milliseconds. */
const COMPLETE_RETRY_MS = 200;

/** Logs that are deleted at the same time. */
const DELETES_MAX = 256;

/**
 * How long a copy is kept that metadata does not count, milliseconds: until whoever had it made has compared it
 * and has had it counted, or has given up. Else it would be counted and gone.
 */
const COPY_KEPT_MS = COMPLETE_TIMEOUT_MS + 2 * REQUEST_TIMEOUT_MS;

/** What a replica answers to its writer: how far it is, or that it answers nothing any more. */
export type ReplicateAnswer = ReplicaExtent | "silent";

/** What a fenced replica answers to a recovery. */
export interface FenceAnswer {
  /** Durable records. */
  length: number;
  /** Entries among them. */
  entries: number;
  /** Payload bytes of the records. */
  bytes: number;
  /** ⛔ False where acknowledged records or a fence may have been forgotten: data, but no vote. */
  isCertain: boolean;
  /** Of the last control record among them, if there is one. */
  cursors: readonly Cursor[] | null;
}

/** Fetches records of a segment from another node. */
export type FetchRecords = (
  from: number,
  request: { topic: string; segment: number; position: number; end: number },
) => Promise<PlacedBatch>;

/** What the replicas of one node share. */
export interface ReplicasParts {
  nodeId: number;
  store: LogStore;
  fences: Fences;
  metadata: () => MetadataState;
  fetch: FetchRecords;
  digestAt: (node: number, target: { topic: string; segment: number }) => Promise<Digest>;
  crc32c: Crc32c;
  /** ⛔ Told at once, before the fence is durable: this node's own writer of the segment must stop. */
  onFenced: (topic: string, segment: number) => void;
  clock: Clock;
  logger: Logger;
  events?: SegmentEvents | undefined;
}

/** One per node. */
export class Replicas {
  readonly #parts: ReplicasParts;
  /** Replicas of segments that are not sealed, and of sealed ones that are being cut or completed. */
  readonly #live: Map<string, Replica> = new Map();
  /**
   * What may be a copy that a repair makes here and that metadata does not count yet: how many make it, and until when it
   * is kept once they have ended.
   */
  readonly #copies: Map<string, { running: number; untilMs: number }> = new Map();
  /** And what a process before this one may have made: names of logs, as few bytes as there can be of them. */
  #oldCopies: readonly string[];
  readonly #oldCopiesUntilMs: number;
  /** Logs that are being deleted. */
  readonly #deletions: Map<string, Promise<void>> = new Map();
  /** ⛔ Nothing is accepted, and no answer is certain, before it is known what may have been forgotten. */
  #isReady = false;
  /** Sealed segments that were looked at, and who held them then. */
  readonly #seen: WeakMap<SegmentInfo, readonly number[]> = new WeakMap();
  #isStopped = false;

  constructor(parts: ReplicasParts) {
    this.#parts = parts;
    // ⛔ A process before this one may have made a copy that is about to be counted: which those are is forgotten.
    this.#oldCopies = parts.store.list().map(({ name }) => name);
    this.#oldCopiesUntilMs = parts.clock.nowMs() + COPY_KEPT_MS;
  }

  /** What may have been forgotten stands in the fences: from here on all else is accepted. */
  start(): void {
    this.#isReady = true;
  }

  /** Whether this node may have forgotten something of the segment; `unknown` before it has found out. */
  certaintyOf(target: { topic: string; segment: number }): "certain" | "uncertain" | "unknown" {
    if (!this.#isReady) return "unknown";
    return this.#isCertain(target) ? "certain" : "uncertain";
  }

  /** Replicas on this node's disk. */
  get heldCount(): number {
    let count = 0;
    for (const { name } of this.#parts.store.list()) if (isSegmentLogName(name)) count++;
    return count;
  }

  /** Completions give up. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Appends for the segment's writer. ⛔ Silent unless `from` leads the segment, it is open as far as this
   * node knows, and neither fenced nor uncertain here; looked at again when the batch is durable.
   */
  async append(
    from: number,
    target: { topic: string; segment: number },
    streamed: StreamedBatch,
  ): Promise<ReplicateAnswer> {
    if (!this.#mayFollow(from, target)) return "silent";
    const replica = this.#replicaOf(target);
    replica.learnCommitted(streamed.committed);
    // Without records it only tells how much is committed.
    const extent = streamed.batch.count === 0 ? replica.extent : await replica.append(streamed);
    return this.#acknowledge(from, target, extent);
  }

  /** Entries of an open segment that may be read here: committed, as far as its writer has said. */
  committedEntries(target: { topic: string; segment: number }): number {
    const name = segmentLogName(target.topic, target.segment);
    return this.#live.get(name)?.committedEntries ?? 0;
  }

  /** How far the replica is, for a writer that begins to stream. */
  async probe(from: number, target: { topic: string; segment: number }): Promise<ReplicateAnswer> {
    if (!this.#mayFollow(from, target)) return "silent";
    const extent = await this.#replicaOf(target).settle();
    return this.#acknowledge(from, target, extent);
  }

  /** ⛔ Fences the segment for ever, durably, and then says how far the replica is. */
  async fence(target: { topic: string; segment: number }): Promise<FenceAnswer> {
    this.#mustNotBeGone(target);
    const durable = this.#parts.fences.add(target);
    this.#parts.onFenced(target.topic, target.segment);
    await durable;
    const replica = this.#replicaOf(target);
    const emit = emitterOf(this.#parts.events, target);
    emit?.({ kind: "fence" });
    return await replica.repair(async () => {
      const { durable } = await replica.settle();
      const record = await replica.log?.lastControl() ?? null;
      this.#mustNotBeGone(target);
      const answer = {
        length: durable,
        entries: replica.entries,
        bytes: replica.log?.payloadBytes ?? 0,
        isCertain: this.#isCertain(target),
        cursors: record && decodeCursors(record.payload),
      };
      emit?.({
        kind: "answerFence",
        length: answer.length,
        entries: answer.entries,
        isCertain: answer.isCertain,
        cursor: answer.cursors && sharedOffset(answer.cursors),
      });
      return answer;
    });
  }

  /** Copies what a fenced replica lacks up to `end` from another node (recovery, step 4). */
  async complete(
    target: { topic: string; segment: number },
    options: { from: number; end: number },
  ): Promise<void> {
    this.#mustNotBeGone(target);
    const name = segmentLogName(target.topic, target.segment);
    const copy = this.#copies.get(name) ?? { running: 0, untilMs: 0 };
    this.#copies.set(name, copy);
    copy.running++;
    try {
      await this.#deletions.get(name)?.catch(() => {}); // not into a log that goes
      const replica = this.#replicaOf(target);
      await replica.repair(() => this.#fetchUpTo(replica, options));
    } finally {
      copy.running--;
      copy.untilMs = this.#parts.clock.nowMs() + COPY_KEPT_MS;
    }
  }

  /** A segment changed, or, with `null`, all may have: replicas of those that are sealed now are cut or completed. */
  topicChanged(topic: TopicInfo, segment: number | null): void {
    const changed = segment === null ? topic.segments : [segmentOf(topic, segment)];
    for (const info of changed) if (info) this.#look(topic, info);
  }

  /** The segment's replica here has changed behind its seal, and is brought into line. */
  lookAgain(topic: TopicInfo, segment: number): void {
    const info = segmentOf(topic, segment);
    if (!info) return;
    this.#seen.delete(info);
    this.#look(topic, info);
  }

  #look(topic: TopicInfo, info: SegmentInfo): void {
    if (info.count === null || this.#seen.get(info) === info.replicas) return;
    this.#seen.set(info, info.replicas);
    const target = { topic: topic.name, segment: info.number };
    if (info.replicas.includes(this.#parts.nodeId)) this.#conform(target, info);
    else this.#live.delete(segmentLogName(target.topic, target.segment));
  }

  /**
   * Segments of the topic, or, with `null`, of any, are there no more: their replicas are deleted, whatever is going
   * on with them. Says of an old view of metadata nothing wrong: who is gone once is gone for ever.
   */
  async topicShrank(topic: string | null): Promise<void> {
    const { logger, metadata, store } = this.#parts;
    const prefix = topic === null ? "" : segmentLogName(topic, "");
    const gone = store.list().map(({ name }) => name).filter((name) => {
      const target = name.startsWith(prefix) ? parseSegmentLogName(name) : null;
      return target !== null && metadata().isGone(target);
    });
    for (const name of gone) this.#live.delete(name);
    try {
      // They share syncs.
      for (let i = 0; i < gone.length; i += DELETES_MAX) {
        await Promise.all(gone.slice(i, i + DELETES_MAX).map((name) => this.#delete(name)));
      }
    } catch (error) {
      // What was refused is gone for this process, and the next cycle that finds room notes it; a crash before that
      // brings it back for the next collection: at a start, or when a topic shrinks again. So do those wait that
      // were not tried.
      logger.log("warn", "can't delete trimmed segments yet", {
        topic,
        reason: (error as Error).message,
      });
    }
  }

  /**
   * What stands in this node's replica of a sealed segment, to be compared with others'. ⛔ Durably: another node's
   * replica is dropped, or its own copied anew, on the word of this one, which may be on its way to the disk still.
   */
  async digest(target: { topic: string; segment: number }): Promise<Digest> {
    const log = this.#parts.store.get(segmentLogName(target.topic, target.segment));
    if (log === undefined) return { length: 0, entries: 0, checksum: 0 };
    const digest = await digestOf(log, this.#parts.crc32c);
    await log.sync();
    return digest;
  }

  /**
   * Deletes replicas that metadata no longer counts on this node. ⛔ Only right when metadata was brought up
   * to date a moment ago: an old view may not know yet that this node was given a segment.
   */
  async collectGarbage(): Promise<void> {
    const { clock, store, metadata, logger } = this.#parts;
    for (const [name, { running, untilMs }] of this.#copies) {
      if (running > 0 || untilMs > clock.nowMs()) continue;
      this.#copies.delete(name);
      // Nobody has had it counted, and nothing else has it looked at any more.
      if (this.#isElsewhere(parseSegmentLogName(name)!)) this.#live.delete(name);
    }
    if (this.#oldCopiesUntilMs <= clock.nowMs()) this.#oldCopies = [];
    // A fence that was asked for just before may have made it anew, without a log.
    for (const [name, { topic, segment }] of this.#live) {
      if (metadata().isGone({ topic, segment })) this.#live.delete(name);
    }
    const oldCopies = new Set(this.#oldCopies);
    for (const { name } of store.list()) {
      const target = parseSegmentLogName(name);
      if (target === null) continue;
      if (metadata().isGone(target)) {
        await this.#delete(name);
        continue;
      }
      if (this.#live.has(name) || this.#copies.has(name) || oldCopies.has(name)) continue;
      if (!this.#isElsewhere(target)) continue;
      await this.#delete(name);
      logger.log("info", "deleted a replica that others hold now", { ...target });
    }
  }

  /** A sealed segment that others hold, and this node does not. */
  #isElsewhere(target: { topic: string; segment: number }): boolean {
    const info = this.#infoOf(target);
    return info !== undefined && info.count !== null &&
      !info.replicas.includes(this.#parts.nodeId);
  }

  #delete(name: string): Promise<void> {
    const deletion = this.#deleteNow(name).finally(() => this.#deletions.delete(name));
    this.#deletions.set(name, deletion);
    return deletion;
  }

  async #deleteNow(name: string): Promise<void> {
    const emit = emitterOf(this.#parts.events, parseSegmentLogName(name)!);
    emit?.({ kind: "delete" });
    await this.#parts.store.delete(name);
    emit?.({ kind: "deleted" });
  }

  #infoOf(target: { topic: string; segment: number }): SegmentInfo | undefined {
    const topic = this.#parts.metadata().topics.get(target.topic);
    return topic && segmentOf(topic, target.segment);
  }

  /** A request that was long on its way must not make anew what was deleted. */
  #mustNotBeGone(target: { topic: string; segment: number }): void {
    if (!this.#parts.metadata().isGone(target)) return;
    throw new UnavailableError(`${target.topic}/${target.segment} was trimmed or deleted`);
  }

  /**
   * For the monitor loop: a frame that was found rotten when it was read, long after its segment's seal, is no
   * change of metadata that would have the replica looked at.
   */
  mendRotten(): void {
    const { store, nodeId } = this.#parts;
    for (const { name, damage } of store.list()) {
      const target = damage.length > 0 ? parseSegmentLogName(name) : null;
      if (target === null || this.#live.has(name)) continue;
      const info = this.#infoOf(target);
      if (!info || info.count === null || !info.replicas.includes(nodeId)) continue;
      this.#conform(target, info);
    }
  }

  /**
   * Brings a replica of a sealed segment to exactly its sealed length. Again and again, until it is so, or
   * the node stops.
   */
  async #conform(target: { topic: string; segment: number }, info: SegmentInfo): Promise<void> {
    const { clock, logger, nodeId, store } = this.#parts;
    const name = segmentLogName(target.topic, target.segment);
    const held = store.get(name);
    const isWhole = (held?.endPosition ?? 0) === info.length && !held?.damage.length;
    if (isWhole && !this.#live.has(name)) return;
    const replica = this.#replicaOf(target);
    const others = info.replicas.filter((id) => id !== nodeId);
    // Until then it is this very object's: a segment that went to other nodes is none of its business.
    for (let attempt = 0; !this.#isStopped && this.#live.get(name) === replica; attempt++) {
      try {
        await replica.repair(async () => {
          const from = others[attempt % others.length];
          await replica.cut(info.length!);
          if (from !== undefined) await this.#replaceIfRotten(replica, { from, end: info.length! });
          if (from !== undefined) await this.#fetchUpTo(replica, { from, end: info.length! });
        });
        if (replica.extent.end > info.length!) throw new Error("its writer lived until just now");
        if (this.#live.get(name) === replica) this.#live.delete(name);
        return;
      } catch (error) {
        logger.log("debug", "a sealed replica is not complete yet", {
          topic: replica.topic,
          segment: replica.segment,
          reason: (error as Error).message,
        });
        await sleep(clock, COMPLETE_RETRY_MS);
      }
    }
  }

  /** A sealed replica with a rotten frame is copied anew, once it is sure that `from` has it whole. */
  async #replaceIfRotten(replica: Replica, options: { from: number; end: number }): Promise<void> {
    const { digestAt, logger } = this.#parts;
    if (!replica.log?.damage.length) return;
    const { topic, segment } = replica;
    const theirs = await digestAt(options.from, { topic, segment });
    if (theirs.length !== options.end) {
      throw new Error(`node ${options.from} does not hold it whole`);
    }
    logger.log("warn", "a corrupt replica is copied anew", { topic, segment, from: options.from });
    await replica.discard();
  }

  /** ⛔ Never beyond a seal that is known here: a recovery that came second may want a larger count. */
  async #fetchUpTo(replica: Replica, options: { from: number; end: number }): Promise<void> {
    const { topic, segment } = replica;
    await replica.settle();
    while (replica.extent.end < options.end) {
      const position = replica.extent.end;
      const placed = await this.#parts.fetch(options.from, {
        topic,
        segment,
        position,
        end: options.end,
      });
      if (placed.position !== position || placed.batch.count === 0) {
        throw new Error(
          `node ${options.from} does not hold ${topic}/${segment} from ${position} on`,
        );
      }
      this.#mustNotBeGone(replica);
      const sealed = this.#sealedLength(replica);
      if (sealed !== null && position + placed.batch.count > sealed) {
        throw new UnavailableError(`${topic}/${segment} is sealed at ${sealed} records already`);
      }
      await replica.append(placed, { copiedFrom: options.from });
    }
    this.#mustNotBeGone(replica);
    const { end } = options;
    emitterOf(this.#parts.events, replica)?.({ kind: "sync", length: end });
  }

  /** ⛔ Looked at again when the records are durable: meanwhile a fence may have come. */
  #acknowledge(
    from: number,
    target: { topic: string; segment: number },
    extent: ReplicaExtent,
  ): ReplicateAnswer {
    if (!this.#mayFollow(from, target)) return "silent";
    emitterOf(this.#parts.events, target)?.({ kind: "acknowledge", length: extent.durable });
    return extent;
  }

  #sealedLength(target: { topic: string; segment: number }): number | null {
    return this.#infoOf(target)?.length ?? null;
  }

  #mayFollow(from: number, target: { topic: string; segment: number }): boolean {
    const { fences, metadata, nodeId } = this.#parts;
    const topic = metadata().topics.get(target.topic);
    const info = topic && openSegmentOf(topic);
    return info !== undefined && info.number === target.segment && !info.isSealing &&
      info.leader === from && info.replicas.includes(nodeId) &&
      this.#isCertain(target) && !fences.has(target);
  }

  #isCertain(target: { topic: string; segment: number }): boolean {
    const log = this.#parts.store.get(segmentLogName(target.topic, target.segment));
    return this.#isReady && !this.#parts.fences.isUncertain(target) && (log?.certain ?? true);
  }

  #replicaOf(target: { topic: string; segment: number }): Replica {
    const name = segmentLogName(target.topic, target.segment);
    const known = this.#live.get(name);
    if (known) return known;
    const durability = this.#parts.metadata().topics.get(target.topic)?.durability ?? null;
    const emit = emitterOf(this.#parts.events, target);
    const replica = new Replica(this.#parts.store, { ...target, durability, emit });
    this.#live.set(name, replica);
    return replica;
  }
}
