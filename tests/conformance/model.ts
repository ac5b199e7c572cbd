/**
 * The state of `spec/Walrus.tla`, for any number of topics, nodes and segments, in a form in which a step costs
 * little: what the specification writes as a sequence of records on each replica is one sequence for each
 * segment here, and a length on each replica (no step may make replicas differ, so none needs its own).
 *
 * @module
 */

/** How a record reads: server/segments/segment_trace.ts. */
export const isMove = (record: number): boolean => record < 0;

/** A replica of one segment on one node: the specification's `log`, `durable`, `fence` and `forgot`. */
export interface ReplicaModel {
  length: number;
  /** So much survives a crash for sure. */
  durable: number;
  /** Records up to there were taken back after an error of the disk, and may be there all the same. */
  ghost: number;
  isFenced: boolean;
  /** It may have forgotten something of the segment: no vote, no appends. */
  isUncertain: boolean;
  /** It has forgotten something that it acknowledged, so it must say that it is uncertain. */
  mustDoubt: boolean;
  /** It is on its way to be deleted, because it is rotten or not wanted any more. */
  isGoing: boolean;
}

/** A node: its process (`up`, `barrier`) and what it knows of metadata (`known`). */
export interface NodeModel {
  id: number;
  isUp: boolean;
  run: string;
  incarnation: string;
  /** Raft's index of the last command that it applied. */
  known: number;
  /** It doesn't know yet of which segments it may have forgotten something. */
  isInDoubt: boolean;
  /**
   * The specification's `lease`, for all topics at once: what it leads by metadata up to that index it may append to;
   * −1: nothing.
   */
  leaseAt: number;
  replicas: Map<SegmentModel, ReplicaModel>;
}

/** A seal that somebody proposed: it may be committed at any time from then on. */
export interface Proposal {
  /** The leader's run; `null`: a recovery. */
  run: string | null;
  count: number;
  length: number;
  cursor: number;
  mayHaveLost: boolean;
}

/** A fence's answer that a replica gave: it may be heard at any time from then on. */
export interface GivenAnswer {
  length: number;
  isCertain: boolean;
}

/** What a recovering node goes on with. */
export interface Decision {
  length: number;
  mayHaveLost: boolean;
}

/** A segment: its part of `meta`, `streamed`, `acks`, `committed`, `writer`, `recovery` and `proposals`. */
export class SegmentModel {
  readonly topic: TopicModel;
  readonly number: number;
  readonly leader: number;
  /** Who held it when it was opened: what a majority is of. */
  readonly members: readonly number[];
  /** Offset of its first entry in the topic, and where the cursor stood when it was opened. */
  readonly base: number;
  readonly cursor: number;
  /** Raft's indexes. */
  readonly openedAt: number;
  begunAt = Infinity;
  sealedAt = Infinity;
  /** It was trimmed, or its topic deleted. */
  goneAt = Infinity;
  seal: Proposal | null = null;
  /** Who is meant to hold it, and the runs that may write it, each from an index on. */
  readonly holders: { index: number; nodes: readonly number[] }[];
  readonly runs: { index: number; run: string }[];
  /** All records that its writer ever appended, by position. */
  readonly records: number[] = [];
  /** Entries, and the cursor, before each position. */
  readonly #entries: number[] = [0];
  readonly #cursors: number[];
  /** The largest length that each node ever acknowledged. */
  readonly acks: Map<number, number> = new Map();
  committed = 0;
  /** Nodes whose disk has lost durable records of it. */
  readonly lostOn: Set<number> = new Set();
  /** Writers that were ever made for it. */
  opened = 0;
  writer: { node: number; phase: "open" | "closed" | "counted"; readTo: number } | null = null;
  isBeginProposed = false;
  readonly proposals: Proposal[] = [];
  readonly given: Map<number, GivenAnswer[]> = new Map();
  readonly decisions: Map<number, Decision> = new Map();
  /** The most that any recovery asked for to be copied. */
  copyTarget = 0;

  constructor(parts: {
    topic: TopicModel;
    number: number;
    leader: number;
    members: readonly number[];
    base: number;
    cursor: number;
    openedAt: number;
    run: string;
  }) {
    this.topic = parts.topic;
    this.number = parts.number;
    this.leader = parts.leader;
    this.members = parts.members;
    this.base = parts.base;
    this.cursor = parts.cursor;
    this.openedAt = parts.openedAt;
    this.holders = [{ index: parts.openedAt, nodes: parts.members }];
    this.runs = [{ index: parts.openedAt, run: parts.run }];
    this.#cursors = [parts.cursor];
  }

  get name(): string {
    return `${this.topic.name}/${this.number}`;
  }

  /** The specification's W. */
  get majority(): number {
    return (this.members.length >> 1) + 1;
  }

  /** R − W + 1. */
  get answersNeeded(): number {
    return this.members.length - this.majority + 1;
  }

  get isSealed(): boolean {
    return this.seal !== null;
  }

  /** Only one node holds it: its writer may resume, and may write a position anew that wasn't durable. */
  get isAlone(): boolean {
    return this.members.length === 1;
  }

  add(record: number): void {
    const at = this.records.length;
    this.records.push(record);
    this.#entries.push(this.#entries[at]! + (isMove(record) ? 0 : 1));
    this.#cursors.push(isMove(record) ? -record - 1 : this.#cursors[at]!);
  }

  /** Forgets the records from `length` on; only for a segment that one node alone holds. */
  truncate(length: number): void {
    if (length >= this.records.length) return;
    this.records.length = length;
    this.#entries.length = length + 1;
    this.#cursors.length = length + 1;
  }

  /** Entries among the first `length` records. */
  entriesBefore(length: number): number {
    return this.#entries[length] ?? -1;
  }

  /** Where the cursor stands after the first `length` records. */
  cursorAfter(length: number): number {
    return this.#cursors[length] ?? -1;
  }

  /** The record of the entry with that offset in the segment. */
  entryAt(offset: number): number | undefined {
    let low = 0, high = this.records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle + 1]! <= offset) low = middle + 1;
      else high = middle;
    }
    return this.records[low];
  }

  /** Entries that may be taken. */
  get committedEntries(): number {
    return this.seal?.count ?? this.entriesBefore(this.committed);
  }

  /** Entries that some node may read: sealed, or committed by the writer's word, which a loud loss does not reach at once. */
  get readableEntries(): number {
    return Math.max(this.seal?.count ?? 0, this.entriesBefore(this.committed));
  }

  /** Whether a node that knows metadata up to `index` knows it sealed, or being sealed. */
  isSealedAt(index: number): boolean {
    return this.sealedAt <= index;
  }
  isEndingAt(index: number): boolean {
    return this.sealedAt <= index || this.begunAt <= index || this.goneAt <= index;
  }

  /** Who is meant to hold it, as of an index. */
  holdersAt(index: number): readonly number[] {
    return this.holders.findLast((change) => change.index <= index)?.nodes ?? [];
  }
  /** The run that may write it, as of an index. */
  runAt(index: number): string | undefined {
    return this.runs.findLast((change) => change.index <= index)?.run;
  }
}

/** A topic: its segments in order; the first is 1, or follows those of a deleted topic of that name. */
export class TopicModel {
  readonly name: string;
  /** An acknowledgement means that it is synced (`AckBeforeSync` is false). */
  readonly isSynced: boolean;
  readonly segments: SegmentModel[] = [];
  /** A seal said that acknowledged entries may be missing. */
  hasLost = false;

  constructor(name: string, isSynced: boolean) {
    this.name = name;
    this.isSynced = isSynced;
  }

  get open(): SegmentModel {
    return this.segments.at(-1)!;
  }

  /** Offset of the first entry that was not trimmed. */
  get firstOffset(): number {
    return this.segments.find(({ goneAt }) => goneAt === Infinity)?.base ?? 0;
  }
}

/** Everything. */
export class Model {
  readonly nodes: Map<number, NodeModel> = new Map();
  readonly topics: Map<string, TopicModel> = new Map();
  /** All that ever were, by `topic/number`: numbers are not used again. */
  readonly segments: Map<string, SegmentModel> = new Map();
  /** Deleted topics: the number of the first segment of the next one of that name. */
  readonly deleted: Map<string, number> = new Map();
  /** The metadata log: Raft's indexes in order, and the text of the command at each. */
  readonly #indexes: number[] = [];
  readonly commands: Map<number, string> = new Map();
  /** Each node's registered run. */
  readonly runs: Map<number, string> = new Map();
  /** All that ever were, as `id run`. */
  readonly allRuns: Set<string> = new Set();
  /** Nodes sync what they acknowledge, unless a topic says otherwise. */
  isSyncedByDefault = true;

  addIndex(index: number, text: string): void {
    this.commands.set(index, text);
    let at = this.#indexes.length;
    while (at > 0 && this.#indexes[at - 1]! > index) at--;
    this.#indexes.splice(at, 0, index);
  }

  /** The first command behind an index. */
  nextIndex(known: number): number {
    let low = 0, high = this.#indexes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#indexes[middle]! > known) high = middle;
      else low = middle + 1;
    }
    return this.#indexes[low] ?? Infinity;
  }

  node(id: number): NodeModel {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = {
        id,
        isUp: false,
        run: "",
        incarnation: "",
        known: 0,
        isInDoubt: true,
        leaseAt: -1,
        replicas: new Map(),
      };
      this.nodes.set(id, node);
    }
    return node;
  }

  segment(at: { topic: string; segment: number }): SegmentModel | undefined {
    return this.segments.get(`${at.topic}/${at.segment}`);
  }

  replica(node: NodeModel, segment: SegmentModel): ReplicaModel {
    let replica = node.replicas.get(segment);
    if (replica === undefined) {
      replica = {
        length: 0,
        durable: 0,
        ghost: 0,
        isFenced: false,
        isUncertain: false,
        mustDoubt: false,
        isGoing: false,
      };
      node.replicas.set(segment, replica);
    }
    return replica;
  }

  /** Nodes that hold the first `length` records, as durably as the topic's mode asks for. */
  holding(segment: SegmentModel, length: number): number {
    let count = 0;
    for (const id of segment.members) {
      const replica = this.nodes.get(id)?.replicas.get(segment);
      const held = segment.topic.isSynced ? replica?.durable : replica?.length;
      if ((held ?? 0) >= length) count++;
    }
    return count;
  }
}
