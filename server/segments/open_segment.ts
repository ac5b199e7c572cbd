/**
 * An open segment on its leader: its writer, its cursor, and the way to its seal.
 *
 * @module
 */

import type { Log, LogStore } from "../../storage/mod.ts";
import type { Clock, Logger } from "../../world/mod.ts";
import { sleep } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";
import type { Metadata } from "../metadata/mod.ts";
import { decodeCursors } from "./control_record.ts";
import type { EntrySource } from "./entry_source.ts";
import type { Leases } from "./leases.ts";
import { SegmentWriter } from "./segment_writer.ts";
import { SharedCursor } from "./shared_cursor.ts";

/** How long to wait before a seal that failed is proposed again, milliseconds. */
const SEAL_RETRY_MS = 50;

/** What the segments of one node share. */
export interface SegmentContext {
  nodeId: number;
  store: LogStore;
  leases: Leases;
  metadata: Metadata;
  clock: Clock;
  logger: Logger;
  limits: { entries: number; bytes: number };
  /** The node that leads a topic's next segment, and the nodes that hold it. */
  placeNext: (topic: TopicInfo) => { leader: number; replicas: number[] };
  sourceOf: (topic: string) => EntrySource;
}

/** Made when metadata names this node as the leader of an open segment, dropped when it is sealed. */
export class OpenSegment {
  readonly writer: SegmentWriter;
  readonly cursor: SharedCursor;
  readonly #context: SegmentContext;
  readonly #topic: string;
  readonly #info: SegmentInfo;
  #sealing: Promise<void> | null = null;

  private constructor(context: SegmentContext, topic: TopicInfo, parts: OpenedReplica) {
    this.#context = context;
    this.#topic = topic.name;
    this.#info = openSegmentOf(topic);
    this.writer = new SegmentWriter({
      name: `${topic.name}/${this.#info.number}`,
      nodeId: context.nodeId,
      replicas: this.#info.replicas,
      log: parts.log,
      store: context.store,
      leases: context.leases,
      limits: context.limits,
      onFull: () => this.seal(),
    });
    this.cursor = new SharedCursor({
      writer: this.writer,
      source: context.sourceOf(topic.name),
      baseOffset: this.#info.baseOffset,
      position: parts.cursorPosition,
    });
  }

  /**
   * Opens this node's replica of the topic's open segment for writing.
   *
   * ⛔ Resuming where a former process of this node stopped is right only for a replica set of one
   * (DESIGN.md §6, "A writer never resumes"): nobody else can hold a different record at a position.
   */
  static async open(context: SegmentContext, topic: TopicInfo, log: Log): Promise<OpenSegment> {
    // What recovery found in the page cache becomes durable before it counts as committed.
    if (log.endPosition > log.startPosition) await log.sync();
    const record = await log.lastControl();
    const cursors = record === null ? topic.cursors : decodeCursors(record.payload);
    const cursorPosition = cursors.find((cursor) => cursor.name === "")?.offset ?? 0;
    return new OpenSegment(context, topic, { log, cursorPosition });
  }

  /** The segment's number. */
  get number(): number {
    return this.#info.number;
  }

  /** For the monitor loop: seals the segment if it is full and nobody has begun to. */
  maybeSeal(): void {
    if (this.writer.isFull) this.seal();
  }

  /**
   * Planned rollover (DESIGN.md §6): close, wait until all that was accepted is committed or refused,
   * then have exactly the committed count sealed. Repeats itself until metadata shows the seal.
   */
  seal(): Promise<void> {
    this.#sealing ??= this.#seal();
    return this.#sealing;
  }

  async #seal(): Promise<void> {
    const { clock, logger, metadata } = this.#context;
    await this.writer.close();
    while (!this.#isSealed()) {
      try {
        await this.#proposeSeal();
      } catch (error) {
        if (this.#isSealed()) break;
        logger.log("warn", "seal was not committed, trying again", {
          topic: this.#topic,
          segment: this.number,
          reason: (error as Error).message,
        });
        await sleep(clock, SEAL_RETRY_MS);
      }
    }
    logger.log("info", "segment sealed", {
      topic: this.#topic,
      segment: this.number,
      entries: this.writer.committedOffset,
      nextLeader: openSegmentOf(metadata.state.topics.get(this.#topic)!).leader,
    });
  }

  #proposeSeal(): Promise<void> {
    const { metadata, nodeId, placeNext } = this.#context;
    const topic = metadata.state.topics.get(this.#topic)!;
    const next = placeNext(topic);
    return metadata.propose({
      kind: "sealSegment",
      topic: this.#topic,
      segment: this.number,
      expectedLeader: nodeId,
      count: this.writer.committedOffset,
      cursors: [{ name: "", offset: this.cursor.committed }],
      nextLeader: next.leader,
      nextReplicas: next.replicas,
    }, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  #isSealed(): boolean {
    const topic = this.#context.metadata.state.topics.get(this.#topic);
    return topic === undefined || openSegmentOf(topic).number > this.number;
  }
}

interface OpenedReplica {
  log: Log;
  cursorPosition: number;
}
