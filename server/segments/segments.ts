/**
 * The segments of one node: which it leads, which it holds.
 *
 * @module
 */

import type { Log } from "../../storage/mod.ts";
import type { Timer } from "../../world/mod.ts";
import { READ_BYTES_MAX, REQUEST_TIMEOUT_MS } from "../config.ts";
import { openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";
import type { Fences } from "./fences.ts";
import { OpenSegment, type SegmentContext, type SegmentTarget, wallStamp } from "./open_segment.ts";
import type { Replicas } from "./replicas.ts";
import { firstKept } from "./retention.ts";
import { emitterOf, type SegmentEmitter } from "./segment_events.ts";
import { openSegmentLog, segmentLogName } from "./segment_name.ts";

/**
 * How often time limits of appends and memory of open segments are looked at while there is something in
 * them, milliseconds.
 */
const TIDY_MS = 250;

/** One per node. Follows metadata: what it says this run leads gets an {@link OpenSegment}. */
export class Segments {
  readonly replicas: Replicas;
  readonly #context: SegmentContext;
  readonly #fences: Fences;
  readonly #led: Map<string, OpenSegment> = new Map();
  /** Topics whose open segment is being opened here. */
  readonly #opening: Set<string> = new Set();
  #timer: Timer | null = null;
  #isHandingOver = false;
  #isStopped = false;

  constructor(context: SegmentContext, parts: { replicas: Replicas; fences: Fences }) {
    this.#context = context;
    this.replicas = parts.replicas;
    this.#fences = parts.fences;
  }

  /** Begins to follow metadata, from what it says now. */
  start(): void {
    this.metadataChanged();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.replicas.stop();
    for (const segment of this.#led.values()) segment.end("this node stops");
    this.#led.clear();
  }

  /** The open segment of the topic, if this node leads it and is ready to. */
  led(topic: string): OpenSegment | undefined {
    return this.#led.get(topic);
  }

  /** How many open segments this node leads. */
  get ledCount(): number {
    return this.#led.size;
  }

  /** Records that other replicas lack of what this node leads: {node: the most of any segment}. */
  get replicationLag(): Record<number, number> {
    const lag: Record<number, number> = {};
    for (const { replicas, writer } of this.#led.values()) {
      for (const id of replicas) {
        if (id !== this.#context.nodeId) lag[id] = Math.max(lag[id] ?? 0, writer.lagOf(id));
      }
    }
    return lag;
  }

  /** Bytes of records in one answer to another replica; more where one append is longer. */
  get messageBytes(): number {
    return this.#context.limits.messageBytes ?? READ_BYTES_MAX;
  }

  /** This node's replica of a segment, if it holds one. */
  replica(topic: string, segment: number): Log | undefined {
    return this.#context.store.get(segmentLogName(topic, segment));
  }

  /** For whoever reads a segment's replica here: tells of it; absent where nobody listens. */
  emitterOf(target: SegmentTarget): SegmentEmitter {
    return emitterOf(this.#context.events, target);
  }

  /** Anything may have changed: look at all topics. */
  metadataChanged(): void {
    const { topics } = this.#context.metadata.state;
    // ⛔ A snapshot tells of no deletion: a topic that it lacks is found only by what is led here.
    for (const name of [...this.#led.keys()]) if (!topics.has(name)) this.topicChanged(name, null);
    for (const name of topics.keys()) this.topicChanged(name, null);
  }

  /** Metadata of one of the topic's segments changed; `null`: of any. */
  topicChanged(name: string, segment: number | null): void {
    const topic = this.#context.metadata.state.topics.get(name);
    if (!topic) {
      this.#led.get(name)?.end("its topic was deleted");
      this.#led.delete(name);
      return;
    }
    const open = openSegmentOf(topic);
    const led = this.#led.get(name);
    if (led && (led.number !== open.number || !this.#isMine(open))) {
      this.#led.delete(name);
      led.end("its seal was begun elsewhere");
      // It may have appended since the seal was learnt here.
      this.replicas.lookAgain(topic, led.number);
    }
    this.replicas.topicChanged(topic, segment);
    if (this.#led.has(name) || this.#opening.has(name) || !this.#isMine(open)) return;
    this.#opening.add(name);
    this.#open(topic);
  }

  /**
   * For the monitor loop: opens what failed to open, begins seals that were not begun, and rolls over what
   * `shouldMove` says is on the wrong nodes: the next segment gets better ones.
   */
  check(shouldMove: (topic: TopicInfo, replicas: readonly number[]) => boolean): void {
    this.metadataChanged();
    for (const [name, segment] of this.#led) {
      segment.check();
      const topic = this.#context.metadata.state.topics.get(name)!;
      if (shouldMove(topic, segment.replicas)) segment.seal();
      this.#maybeTrim(topic, segment);
    }
  }

  /** Has the cluster forget what the topic need not keep any longer. */
  async #maybeTrim(topic: TopicInfo, { writer }: OpenSegment): Promise<void> {
    const { clock, logger, metadata } = this.#context;
    const firstSegment = firstKept(topic, {
      openBytes: writer.log.payloadBytes,
      openEntries: writer.committedOffset,
      wallMs: wallStamp(clock),
    });
    if (firstSegment <= topic.segments[0]!.number) return;
    try {
      const trim = { kind: "trimTopic" as const, topic: topic.name, firstSegment };
      await metadata.propose(trim, { timeoutMs: REQUEST_TIMEOUT_MS });
    } catch (error) {
      logger.log("warn", "could not trim a topic, the next check tries again", {
        topic: topic.name,
        reason: (error as Error).message,
      });
    }
  }

  /** A fence of this node: the segment's writer, should it be here, acknowledges nothing more. */
  fenced(topic: string, segment: number): void {
    const led = this.#led.get(topic);
    if (led?.number === segment) led.end("it was fenced by a recovery");
  }

  /**
   * Seals what is led, and from here on whatever this node is still given, and so hands it to others. (Another
   * node that rolls a segment over doesn't know yet that this one stops. Left alone, the new segment would take
   * nothing until its leader is gone and a failover has found out.)
   */
  async handOver(): Promise<void> {
    this.#isHandingOver = true;
    await Promise.all([...this.#led.values()].map((segment) => segment.seal()));
  }

  /** ⛔ Only the very run that metadata names, and not after a fence. */
  #isMine(open: SegmentInfo): boolean {
    const { nodeId, runId } = this.#context;
    return open.leader === nodeId && open.leaderRun === runId && !open.isSealing;
  }

  async #open(topic: TopicInfo): Promise<void> {
    const { store, logger } = this.#context;
    const info = openSegmentOf(topic);
    const target = { topic: topic.name, segment: info.number };
    try {
      if (this.#fences.has(target) || !this.#mayWrite(target)) return;
      const log = openSegmentLog(store, target, topic.durability);
      const segment = await OpenSegment.open(this.#context, topic, {
        log,
        onBusy: () => this.#armTidying(),
      });
      this.#led.set(topic.name, segment);
      this.#emitOpened(target, segment);
      if (this.#isHandingOver) segment.seal();
    } catch (error) {
      logger.log("error", "can't open a segment that this node leads", {
        ...target,
        reason: (error as Error).message,
      });
    } finally {
      this.#opening.delete(topic.name);
    }
    // Metadata, or a fence, may have overtaken the opening; a snapshot, with another object for the topic.
    if (this.#fences.has(target)) this.fenced(topic.name, info.number);
    const now = this.#context.metadata.state.topics.get(topic.name);
    if (!now || openSegmentOf(now) !== info || !this.#isMine(info)) {
      this.topicChanged(topic.name, null);
    }
  }

  /**
   * ⛔ An uncertain replica accepts no append, the writer's own included. A node that doesn't know yet waits until it
   * does. Only a segment that it holds alone can be its to write and uncertain: sealed by a recovery, it says
   * that it may have lost something, where a writer that resumed would be silent about it.
   */
  #mayWrite(target: SegmentTarget): boolean {
    const certainty = this.replicas.certaintyOf(target);
    if (certainty === "uncertain") this.#askForRecovery(target);
    return certainty === "certain";
  }

  async #askForRecovery(target: SegmentTarget): Promise<void> {
    const { events, logger, metadata } = this.#context;
    emitterOf(events, target)?.({ kind: "startRecovery" });
    try {
      const timeoutMs = REQUEST_TIMEOUT_MS;
      await metadata.propose({ kind: "beginSeal", ...target }, { timeoutMs });
    } catch (error) {
      logger.log("warn", "could not ask for a recovery", {
        ...target,
        reason: (error as Error).message,
      });
    }
  }

  /** Not where metadata or a fence has overtaken the opening: then it is ended in this same turn. */
  #emitOpened(target: SegmentTarget, segment: OpenSegment): void {
    const { events, metadata } = this.#context;
    const topic = metadata.state.topics.get(target.topic);
    const open = topic && openSegmentOf(topic);
    if (open?.number !== target.segment || !this.#isMine(open) || this.#fences.has(target)) return;
    const length = segment.writer.log.endPosition;
    emitterOf(events, target)?.({ kind: "openWriter", length });
  }

  /** From the first append into a segment at rest until all are at rest again. */
  #armTidying(): void {
    if (this.#timer !== null || this.#isStopped) return;
    this.#timer = this.#context.clock.after(TIDY_MS, () => {
      this.#timer = null;
      const nowMs = this.#context.clock.nowMs();
      let isAtRest = true;
      for (const segment of this.#led.values()) isAtRest = segment.tidy(nowMs) && isAtRest;
      if (!isAtRest) this.#armTidying();
    });
  }
}
