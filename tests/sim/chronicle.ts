/**
 * What really happened, from what nodes do: each command of the metadata log once, in its order, and every record
 * that any writer appended. It is what clients' answers are held against once entries are trimmed and topics deleted,
 * and can't be read any more.
 *
 * A topic that is deleted and made again under its name has several _lives_; the number of its first segment tells
 * one from another.
 *
 * @module
 */

import {
  type Change,
  firstOffsetOf,
  MetadataState,
  type SegmentInfo,
  type TopicInfo,
} from "../../server/metadata/mod.ts";
import { recordOfEntry, type TraceEvent } from "../../server/segments/segment_trace.ts";

/** One segment, from when it was opened on. */
export interface SegmentStory {
  readonly topic: string;
  readonly number: number;
  /** The number of the first segment of the life that it belongs to. */
  readonly born: number;
  readonly baseOffset: number;
  /** What its writer appended, by position: entries are positive, moves of cursors are not. */
  readonly records: number[];
  /** Of these, so many are committed, and so many of them are entries. */
  readonly committed: { length: number; entries: number };
  /** Entries; `null` while it is not sealed. */
  count: number | null;
  /** When it was sealed, by the clock of whoever did it; 0 before. */
  sealedMs: number;
  /** Its seal says that acknowledged entries may be missing. */
  mayHaveLost: boolean;
}

/** Where an entry was appended: as entry `index` of the segment. */
export interface Place {
  readonly segment: SegmentStory;
  readonly index: number;
}

/** A topic from its registration to its deletion. */
export interface Life {
  readonly topic: string;
  readonly born: number;
  /** In order of their numbers. */
  readonly segments: SegmentStory[];
  /** It is the one that is there now. */
  isCurrent: boolean;
}

/** A topic has lost its oldest segments. */
export interface TrimStory {
  readonly topic: TopicInfo;
  readonly firstOffset: number;
  readonly removed: readonly SegmentStory[];
}

/** Told as it happens. */
export interface ChronicleOptions {
  onTrim: (trim: TrimStory) => void;
  onFailure: (message: string) => void;
}

/** One per simulation. */
export class Chronicle {
  /** As of the last command that any node has applied. */
  readonly state = new MetadataState();
  readonly #lives = new Map<string, Life[]>();
  readonly #segments = new Map<string, SegmentStory>();
  readonly #options: ChronicleOptions;
  /** Of each topic, the number of the first segment that is left. ⛔ Never falls. */
  readonly #firstLeft = new Map<string, number>();
  #index = 0;
  #trimmed = 0;
  #deleted = 0;

  constructor(options: ChronicleOptions) {
    this.#options = options;
  }

  /** Segments that were trimmed so far. */
  get trimmed(): number {
    return this.#trimmed;
  }

  /** Topics that were deleted so far. */
  get deleted(): number {
    return this.#deleted;
  }

  /** Shows one thing that a node did. */
  onEvent(event: TraceEvent): void {
    switch (event.kind) {
      case "learn":
        return this.#learn(event);
      case "append":
        return this.#append(event);
      case "commit":
        return this.#commit(event);
      case "openWriter":
        return this.#openWriter(event);
    }
  }

  /** All lives of a topic, in their order. */
  livesOf(topic: string): readonly Life[] {
    return this.#lives.get(topic) ?? [];
  }

  /** The life that is there, if any is. */
  currentOf(topic: string): Life | undefined {
    return this.livesOf(topic).findLast((life) => life.isCurrent);
  }

  /** One past the last entry of a topic that was ever committed. */
  committedEndOf(topic: string): number {
    const open = this.currentOf(topic)?.segments.at(-1);
    return open ? open.baseOffset + open.committed.entries : 0;
  }

  /** The segment as it was opened; with the number of one that never was, nothing. */
  segment(topic: string, number: number): SegmentStory | undefined {
    return this.#segments.get(`${topic}/${number}`);
  }

  /** Where each record of an entry was appended, in any life of the topic. */
  placesOf(topic: string): Map<number, Place> {
    const places = new Map<number, Place>();
    for (const { segments } of this.livesOf(topic)) {
      for (const segment of segments) {
        let index = 0;
        for (const record of segment.records) {
          if (record > 0) places.set(record, { segment, index: index++ });
        }
      }
    }
    return places;
  }

  #learn({ index, command, isDone }: TraceEvent & { kind: "learn" }): void {
    // Whoever is second to tell of a command tells the same: tests/conformance holds them to that.
    if (index <= this.#index) return;
    this.#index = index;
    const changes: Change[] = [];
    const { ok } = this.state.apply(command, changes);
    if (ok !== isDone) {
      this.#options.onFailure(`command ${index} was ${isDone ? "done" : "refused"} by a node only`);
    }
    for (const change of changes) if (change.kind === "topic") this.#look(change.topic);
  }

  #look(name: string): void {
    const lives = this.#lives.get(name) ?? [];
    this.#lives.set(name, lives);
    const topic = this.state.topics.get(name);
    const current = lives.findLast(({ isCurrent }) => isCurrent);
    if (current && current.born !== topic?.bornSegment) {
      current.isCurrent = false;
      this.#deleted++;
    }
    if (topic === undefined) return;
    let life = this.currentOf(name);
    if (life === undefined) {
      life = { topic: name, born: topic.bornSegment, segments: [], isCurrent: true };
      lives.push(life);
    }
    // All but the last two were looked at when they changed.
    for (const info of topic.segments.slice(-2)) this.#lookAt(life, info);
    this.#lookAtFirst(topic);
  }

  #lookAt(life: Life, info: SegmentInfo): void {
    const key = `${life.topic}/${info.number}`;
    let segment = this.#segments.get(key);
    if (segment === undefined) {
      segment = {
        topic: life.topic,
        number: info.number,
        born: life.born,
        baseOffset: info.baseOffset,
        records: [],
        committed: { length: 0, entries: 0 },
        count: null,
        sealedMs: 0,
        mayHaveLost: false,
      };
      this.#segments.set(key, segment);
      life.segments.push(segment);
    }
    segment.count = info.count;
    segment.sealedMs = info.sealedMs;
    segment.mayHaveLost = info.mayHaveLost;
  }

  #lookAtFirst(topic: TopicInfo): void {
    const first = topic.segments[0]!.number;
    const before = this.#firstLeft.get(topic.name) ?? topic.bornSegment;
    this.#firstLeft.set(topic.name, first);
    if (first < before) {
      this.#options.onFailure(
        `${topic.name} begins at segment ${first}, and had been trimmed up to ${before}`,
      );
    }
    const from = Math.max(before, topic.bornSegment);
    if (first <= from) return;
    this.#trimmed += first - from;
    const removed = this.currentOf(topic.name)!.segments.slice(
      from - topic.bornSegment,
      first - topic.bornSegment,
    );
    this.#options.onTrim({ topic, firstOffset: firstOffsetOf(topic), removed });
  }

  #append(event: TraceEvent & { kind: "append" }): void {
    const segment = this.segment(event.topic, event.segment);
    if (segment === undefined) {
      return this.#options.onFailure(
        `${event.topic}/${event.segment} is appended to, and nobody has opened it`,
      );
    }
    const { records } = segment;
    // A writer that resumes alone begins where its disk ends.
    if (event.position < records.length) records.length = event.position;
    for (const record of event.records) records.push(record);
  }

  /** What a disk that failed was told to take back may be there all the same: how much is shows when it is read anew. */
  #openWriter(event: TraceEvent & { kind: "openWriter" }): void {
    const segment = this.segment(event.topic, event.segment);
    if (segment === undefined) return;
    if (event.length < segment.records.length) segment.records.length = event.length;
    // Whoever holds it alone has committed what it has.
    this.#commit(event);
  }

  #commit({ topic, segment: number, length }: { topic: string; segment: number; length: number }) {
    const { committed, records } = this.segment(topic, number)!;
    for (; committed.length < length; committed.length++) {
      if (records[committed.length]! > 0) committed.entries++;
    }
  }
}

/** What stands for an entry in a {@link SegmentStory}. */
export function recordOf(value: string): number {
  const bytes = new TextEncoder().encode(value);
  return recordOfEntry(bytes, 0, bytes.length);
}

/** Offset of an entry in its topic. */
export function offsetOf({ segment, index }: Place): number {
  return segment.baseOffset + index;
}
