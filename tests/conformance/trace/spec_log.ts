/**
 * One topic's metadata and records in the specification's numbers: `meta`, and the identities of entries.
 *
 * @module
 */

import type { TraceEvent } from "../../../server/segments/segment_trace.ts";

/** The specification can't say it. */
export class NoWordsError extends Error {}

/** A command of `meta`. */
export interface MetaCommand {
  /** Raft's. */
  index: number;
  op: "open" | "begin" | "seal";
  /** What it seals, or begins to; 0 for the topic's creation. */
  segment: number;
  length: number;
  count: number;
  /** Of the segment that it opens. */
  leader: number;
  replicas: readonly number[];
  /** Its commitment is among the steps. */
  isTold: boolean;
}

/** Who leads and holds the next segment, by a seal; 0 and empty where it isn't known. */
export interface NextSegment {
  other: number;
  set: readonly number[];
}

type Learnt = TraceEvent & { kind: "learn" };

/** One per trace. */
export class SpecLog {
  readonly commands: MetaCommand[] = [];
  readonly #events: readonly TraceEvent[];
  readonly #topic: string;
  /** By segment and position: the record, and the specification's number for it (moves: 0). */
  readonly #records: Map<number, { record: number; id: number }[]> = new Map();
  #appended = 0;
  #isSyncedByDefault = true;
  #firstKept = 0;

  constructor(events: readonly TraceEvent[], topic: string) {
    this.#events = events;
    this.#topic = topic;
    const start = events.find((event) => event.kind === "restart");
    if (start?.kind === "restart") this.#isSyncedByDefault = start.durability === "each";
  }

  /** Takes a command up; false where it says nothing in the specification's words, or nothing new. */
  learn({ index, command, isDone }: Learnt): boolean {
    if (!isDone || !("topic" in command) || command.topic !== this.#topic) return false;
    if (command.kind === "trimTopic") this.#firstKept = command.firstSegment;
    if (command.kind === "deleteTopic") throw new NoWordsError("the topic is deleted");
    const isOpened = this.commands.length > 0;
    if (this.commands.some((known) => known.index === index)) return true;
    const rest = { index, length: 0, count: 0, leader: 0, replicas: [], isTold: false };
    if (command.kind === "createTopic" && !isOpened) {
      const { durability, firstSegment, leader, replicas } = command;
      if (firstSegment !== 1) throw new NoWordsError("the topic takes a deleted one's name");
      const isSynced = durability === null ? this.#isSyncedByDefault : durability === "each";
      if (!isSynced) throw new NoWordsError("the topic is not synced");
      this.commands.push({ ...rest, op: "open", segment: 0, leader, replicas });
      return true;
    }
    if (!isOpened) return false;
    const { segment } = command as { segment: number };
    if (command.kind === "beginSeal") {
      const isAgain = this.commands.some(({ op, segment: s }) => op === "begin" && s === segment);
      if (isAgain) return false;
      this.commands.push({ ...rest, op: "begin", segment });
      return true;
    }
    if (command.kind !== "sealSegment") return false;
    const { length, count, nextLeader: leader, nextReplicas: replicas } = command;
    this.#mustBeSpecs(segment, { leader, replicas });
    this.commands.push({ ...rest, op: "seal", segment, length, count, leader, replicas });
    return true;
  }

  #mustBeSpecs(segment: number, next: { leader: number; replicas: readonly number[] }): void {
    const opening = this.#opening(segment)!;
    if (next.replicas.length !== opening.replicas.length) {
      throw new NoWordsError("the next segment is held by another number of nodes");
    }
    if (next.leader === opening.leader && next.replicas.length > 1) {
      throw new NoWordsError("the same node leads the next segment");
    }
  }

  /** The command that opened a segment. */
  #opening(segment: number): MetaCommand | undefined {
    return this.commands.find(({ op, segment: sealed }) =>
      op !== "begin" && sealed === segment - 1
    );
  }

  /** The open segment, for who knows so many commands. */
  openAt(known: number): number {
    return 1 + this.commands.slice(0, known).filter(({ op }) => op === "seal").length;
  }

  isSealedAt(segment: number, known: number): boolean {
    return segment < this.openAt(known);
  }

  /** Where a seal that was committed cuts the segment; 0: none was. */
  lengthOf(segment: number): number {
    return this.commands.find(({ op, segment: s }) => op === "seal" && s === segment)?.length ?? 0;
  }

  /** The segment that a node leads as far as it knows: open, and not being sealed; 0: none. */
  ledBy(node: number, known: number): number {
    const open = this.openAt(known);
    const isSealing = this.commands[known - 1]?.op === "begin";
    return !isSealing && this.#opening(open)?.leader === node ? open : 0;
  }

  holds(node: number, segment: number): boolean {
    return this.#opening(segment)?.replicas.includes(node) ?? false;
  }

  isAlone(segment: number): boolean {
    return this.#opening(segment)?.replicas.length === 1;
  }

  isTrimmed(segment: number): boolean {
    return segment < this.#firstKept;
  }

  append(segment: number, position: number, records: readonly number[]): void {
    const known = this.#records.get(segment) ?? [];
    this.#records.set(segment, known);
    if (position !== known.length) throw new NoWordsError("a position is written anew");
    for (const record of records) known.push({ record, id: record > 0 ? ++this.#appended : 0 });
  }

  /** Forgets records that a lone writer has lost. */
  truncate(segment: number, length: number): void {
    const known = this.#records.get(segment);
    if (known && known.length > length) known.length = length;
  }

  /** The numbers of entries from an offset on; 0 for one that was written otherwise. */
  entriesOf(segment: number, offset: number, records: readonly number[]): number[] {
    const entries = (this.#records.get(segment) ?? []).filter(({ id }) => id > 0);
    return records.map((record, i) => {
      const entry = entries[offset + i];
      return entry?.record === record ? entry.id : 0;
    });
  }

  /** What the seal that will be committed says of the next segment, if it is of this kind. */
  sealOf(segment: number, by: "leader" | "failover"): NextSegment {
    for (const event of this.#events) {
      if (event.kind !== "learn" || !event.isDone) continue;
      const { command } = event;
      if (command.kind !== "sealSegment" || command.topic !== this.#topic) continue;
      if (command.segment !== segment) continue;
      if ((command.expectedRun === null) !== (by === "failover")) break;
      return { other: command.nextLeader, set: command.nextReplicas };
    }
    return { other: 0, set: [] };
  }
}
