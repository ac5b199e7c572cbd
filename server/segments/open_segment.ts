/**
 * An open segment on its leader: its writer, its streams to the other replicas, its cursor, and the way to
 * its planned seal.
 *
 * @module
 */

import type { Log, LogStore } from "../../storage/mod.ts";
import { assert, type Clock, type Logger, sleep } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { firstOffsetOf, openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";
import type { Metadata } from "../metadata/mod.ts";
import type { AppendMeter } from "./append_meter.ts";
import { decodeCursors, sharedOffset } from "./control_record.ts";
import type { EntrySource } from "./entry_source.ts";
import type { Leases } from "./leases.ts";
import type { StreamedBatch } from "./replica.ts";
import { ReplicaFeed } from "./replica_feed.ts";
import type { ReplicateAnswer } from "./replicas.ts";
import { emitterOf, type SegmentEmitter, type SegmentEvents } from "./segment_events.ts";
import { SegmentWriter } from "./segment_writer.ts";
import { SharedCursor } from "./shared_cursor.ts";
import { TailBuffer } from "./tail_buffer.ts";

/** How long to wait before a seal that failed is proposed again, milliseconds. */
const SEAL_RETRY_MS = 50;
/** The newest bytes of each open segment that are kept for its replicas. */
const TAIL_BYTES = 4 * 1024 * 1024;

/** The leader's way to the replicas on other nodes. */
export interface ReplicaLink {
  probe: (node: number, target: SegmentTarget) => Promise<ReplicateAnswer>;
  send: (
    node: number,
    target: SegmentTarget,
    streamed: StreamedBatch,
  ) => Promise<ReplicateAnswer>;
}

/** Which segment. */
export interface SegmentTarget {
  topic: string;
  segment: number;
}

/** Where a segment is: its leader, and all nodes that hold it. */
export interface Placement {
  leader: number;
  replicas: number[];
}

/** What the segments of one node share. */
export interface SegmentContext {
  nodeId: number;
  runId: string;
  store: LogStore;
  leases: Leases;
  metadata: Metadata;
  clock: Clock;
  logger: Logger;
  meter: AppendMeter;
  /** `messageBytes`: see `NodeBounds`. */
  limits: { entries: number; bytes: number; messageBytes?: number | undefined };
  link: ReplicaLink;
  /** Who leads and holds the topic's next segment. */
  placeNext: (topic: TopicInfo) => Placement;
  sourceOf: (topic: string) => EntrySource;
  /** Entries of the topic up to this offset are committed, and can be read here. */
  onReadable: (topic: string, endOffset: number) => void;
  events?: SegmentEvents | undefined;
}

/** Made when metadata names this run of this node as the leader of an open segment. */
export class OpenSegment {
  readonly writer: SegmentWriter;
  readonly cursor: SharedCursor;
  readonly #context: SegmentContext;
  readonly #topic: string;
  readonly #info: SegmentInfo;
  readonly #tail: TailBuffer;
  readonly #feeds: ReplicaFeed[];
  readonly #onBusy: () => void;
  readonly #emit: SegmentEmitter;
  #sealing: Promise<void> | null = null;
  #isEnded = false;

  private constructor(context: SegmentContext, topic: string, opened: OpenedReplica) {
    this.#context = context;
    this.#onBusy = opened.onBusy;
    this.#topic = topic;
    this.#info = opened.info;
    this.#emit = emitterOf(context.events, this.#target);
    this.#tail = new TailBuffer(opened.log.endPosition, { capacityBytes: TAIL_BYTES });
    this.writer = this.#makeWriter(opened.log);
    this.#feeds = this.#makeFeeds();
    this.cursor = new SharedCursor({
      writer: this.writer,
      source: context.sourceOf(topic),
      baseOffset: this.#info.baseOffset,
      position: opened.cursorPosition,
      emit: this.#emit,
      firstOffset: () => {
        const known = context.metadata.state.topics.get(topic);
        return known ? firstOffsetOf(known) : 0;
      },
    });
    for (const feed of this.#feeds) feed.start();
  }

  /**
   * Opens this node's replica of the topic's open segment for writing.
   *
   * ⛔ Metadata has named this very run as the leader: only a replica set of one can hold records of a former
   * run (DESIGN.md §6, "A writer never resumes"), and nobody else can hold others at their positions.
   */
  static async open(
    context: SegmentContext,
    topic: TopicInfo,
    own: { log: Log; onBusy: () => void },
  ): Promise<OpenSegment> {
    const { log, onBusy } = own;
    // ⛔ Looked up before the first wait: by its end the topic may have gone on to another segment, which has a
    // log of its own.
    const info = openSegmentOf(topic);
    const inherited = topic.cursors;
    assert(info.leaderRun === context.runId, "only the run that metadata names may write");
    assert(log.endPosition === 0 || info.replicas.length === 1, "a shared segment begins empty");
    // What recovery found in the page cache becomes durable before it counts as committed.
    if (log.endPosition > log.startPosition) await log.sync();
    const record = await log.lastControl();
    const cursors = record === null ? inherited : decodeCursors(record.payload);
    return new OpenSegment(context, topic.name, {
      info,
      log,
      cursorPosition: sharedOffset(cursors),
      onBusy,
    });
  }

  /** The segment's number. */
  get number(): number {
    return this.#info.number;
  }

  /** Offset of the segment's first entry in the topic. */
  get baseOffset(): number {
    return this.#info.baseOffset;
  }

  /** One past the last committed entry that can be read here, counted from the topic's first. */
  get readableEnd(): number {
    return this.#info.baseOffset + this.writer.readableOffset;
  }

  get replicas(): readonly number[] {
    return this.#info.replicas;
  }

  /**
   * Planned rollover (DESIGN.md §6): close, wait until all that was accepted is committed or refused,
   * then have exactly the committed count sealed. Repeats itself until metadata shows the seal.
   */
  seal(): Promise<void> {
    this.#sealing ??= this.#seal();
    return this.#sealing;
  }

  /** For the monitor loop: what should have been begun before, and was not. */
  check(): void {
    if (this.writer.isAbandoned && !this.#isTaken()) this.#askForRecovery();
    // A replica that has become uncertain takes part again in the next segment.
    else if (this.writer.isFull || this.#feeds.some((feed) => feed.isSilent)) this.seal();
  }

  /**
   * Several times a second: appends that waited too long, memory that nobody needs any more. True where there
   * is nothing more to look after: everything is committed, and on its way to everybody.
   */
  tidy(nowMs: number): boolean {
    this.writer.expire(nowMs);
    const { endPosition } = this.writer.log;
    const needed = Math.min(...this.#feeds.map((feed) => feed.next ?? endPosition), endPosition);
    this.#tail.trim(needed);
    const areTold = this.#feeds.map((feed) => feed.tell()).every((isTold) => isTold);
    return areTold && this.writer.committedPosition === endPosition && needed === endPosition &&
      this.#feeds.every((feed) => feed.next !== null || feed.isSilent);
  }

  /** ⛔ Not this node's to write any more: nothing is acknowledged from here on. */
  end(reason: string): void {
    this.#isEnded = true;
    this.writer.abandon(reason);
    for (const feed of this.#feeds) feed.stop();
  }

  async #seal(): Promise<void> {
    const { clock, logger } = this.#context;
    try {
      await this.writer.close();
    } catch {
      return; // abandoned: a recovery seals it
    }
    await this.cursor.settled();
    // A recovery that fenced this very node takes the count, though its seal isn't known here yet.
    while (!this.#isTaken() && !this.writer.isAbandoned) {
      try {
        await this.#proposeSeal();
      } catch (error) {
        if (this.#isTaken()) break;
        logger.log("warn", "seal was not committed, trying again", {
          topic: this.#topic,
          segment: this.number,
          reason: (error as Error).message,
        });
        await sleep(clock, SEAL_RETRY_MS);
      }
    }
  }

  #proposeSeal(): Promise<void> {
    const { clock, metadata, placeNext, runId } = this.#context;
    const next = placeNext(metadata.state.topics.get(this.#topic)!);
    this.#emit?.({
      kind: "takeCount",
      count: this.writer.committedOffset,
      length: this.writer.committedPosition,
      cursor: this.cursor.committed,
    });
    return metadata.propose({
      kind: "sealSegment",
      topic: this.#topic,
      segment: this.number,
      expectedRun: runId,
      count: this.writer.committedOffset,
      length: this.writer.committedPosition,
      bytes: this.writer.log.payloadBytes,
      mayHaveLost: false,
      cursors: [{ name: "", offset: this.cursor.committed }],
      nextLeader: next.leader,
      nextReplicas: next.replicas,
      sealedMs: wallStamp(clock),
    }, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  get #target(): SegmentTarget {
    return { topic: this.#topic, segment: this.number };
  }

  async #askForRecovery(): Promise<void> {
    const { logger, metadata } = this.#context;
    try {
      const begin = { kind: "beginSeal" as const, ...this.#target };
      this.#emit?.({ kind: "startRecovery" });
      await metadata.propose(begin, { timeoutMs: REQUEST_TIMEOUT_MS });
    } catch (error) {
      logger.log("warn", "could not ask for a recovery", {
        ...this.#target,
        reason: (error as Error).message,
      });
    }
  }

  /** Sealed, or a recovery has begun to. */
  #isTaken(): boolean {
    const topic = this.#context.metadata.state.topics.get(this.#topic);
    if (topic === undefined) return true;
    const open = openSegmentOf(topic);
    return open.number > this.number || open.isSealing;
  }

  #makeWriter(log: Log): SegmentWriter {
    const { clock, leases, limits, logger, meter, nodeId, store } = this.#context;
    return new SegmentWriter({
      name: `${this.#topic}/${this.number}`,
      nodeId,
      replicas: this.#info.replicas,
      log,
      store,
      leases,
      clock,
      meter,
      limits,
      onAppended: (position, batch) => {
        this.#onBusy();
        if (this.#feeds.length === 0) return;
        this.#tail.append(position, batch);
        for (const feed of this.#feeds) feed.notify();
      },
      // A stream that reads from the log, because memory has too little, waits for what is written.
      onDurable: () => {
        for (const feed of this.#feeds) feed.notify();
      },
      onReadable: (offset) => this.#context.onReadable(this.#topic, this.#info.baseOffset + offset),
      onFull: () => this.seal(),
      onAbandoned: (reason) => {
        if (this.#isEnded || this.#isTaken()) return;
        logger.log("warn", "this node gives up a segment that it leads", {
          ...this.#target,
          reason: reason.message,
        });
        this.#askForRecovery();
      },
      emit: this.#emit,
    });
  }

  #makeFeeds(): ReplicaFeed[] {
    const { clock, link, nodeId } = this.#context;
    const target = this.#target;
    const others = this.#info.replicas.filter((id) => id !== nodeId);
    return others.map((node) =>
      new ReplicaFeed({
        log: this.writer.log,
        tail: this.#tail,
        clock,
        messageBytes: this.#context.limits.messageBytes,
        probe: () => link.probe(node, target),
        send: (streamed) => link.send(node, target, streamed),
        committed: () => this.writer.committedOffset,
        onDurable: (position) => this.writer.acknowledge(node, position),
      })
    );
  }
}

/** What a seal is stamped with: milliseconds since 1970. */
export function wallStamp(clock: Clock): number {
  return Math.max(0, Math.round(clock.wallMs()));
}

interface OpenedReplica {
  info: SegmentInfo;
  log: Log;
  cursorPosition: number;
  onBusy: () => void;
}
