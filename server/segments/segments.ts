/**
 * The segments of one node: which it leads, which it holds.
 *
 * @module
 */

import type { Log } from "../../storage/mod.ts";
import { openSegmentOf, type TopicInfo } from "../metadata/mod.ts";
import { OpenSegment, type SegmentContext } from "./open_segment.ts";
import { segmentLogName } from "./segment_name.ts";

/** One per node. Follows metadata: whoever is named leader of an open segment gets an {@link OpenSegment}. */
export class Segments {
  readonly #context: SegmentContext;
  readonly #led: Map<string, OpenSegment> = new Map();
  /** Topics whose open segment is being opened here. */
  readonly #opening: Map<string, Promise<void>> = new Map();
  #isStopped = false;

  constructor(context: SegmentContext) {
    this.#context = context;
  }

  /** Begins to follow metadata, from what it says now. */
  start(): void {
    for (const topic of this.#context.metadata.state.topics.values()) this.topicChanged(topic.name);
  }

  /** The open segment of the topic, if this node leads it and is ready to. */
  led(topic: string): OpenSegment | undefined {
    return this.#led.get(topic);
  }

  /** All open segments that this node leads. */
  allLed(): Iterable<OpenSegment> {
    return this.#led.values();
  }

  /** This node's replica of a segment, if it holds one. */
  replica(topic: string, segment: number): Log | undefined {
    return this.#context.store.get(segmentLogName(topic, segment));
  }

  /** Metadata of the topic changed. */
  topicChanged(name: string): void {
    const topic = this.#context.metadata.state.topics.get(name);
    const open = topic && openSegmentOf(topic);
    const led = this.#led.get(name);
    if (led && led.number !== open?.number) this.#led.delete(name);
    if (!topic || open!.leader !== this.#context.nodeId || this.#isStopped) return;
    if (this.#led.has(name) || this.#opening.has(name)) return;
    this.#opening.set(name, this.#open(topic).finally(() => this.#opening.delete(name)));
  }

  /** For the monitor loop: opens what failed to open, seals what is full and is not being sealed. */
  check(): void {
    this.start();
    for (const segment of this.#led.values()) segment.maybeSeal();
  }

  /** No new segment is opened here; those that are led are sealed, and so handed to others. */
  async handOver(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#led.values()].map((segment) => segment.seal()));
  }

  async #open(topic: TopicInfo): Promise<void> {
    const { store, logger } = this.#context;
    const info = openSegmentOf(topic);
    const name = segmentLogName(topic.name, info.number);
    try {
      const segment = await OpenSegment.open(
        this.#context,
        topic,
        store.get(name) ?? store.create(name),
      );
      this.#led.set(topic.name, segment);
      segment.maybeSeal();
    } catch (error) {
      logger.log("error", "can't open a segment that this node leads", {
        topic: topic.name,
        segment: info.number,
        reason: (error as Error).message,
      });
    }
  }
}
