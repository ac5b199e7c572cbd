/**
 * From what nodes told to steps of `spec/Walrus.tla`, for one topic. A batch is as many steps as it has records;
 * what several nodes learn is committed with the first of them; answers of a fence are heard when they are given.
 * A trace ends before the first event that the specification has no words for (a full disk, a repair).
 *
 * @module
 */

import type { TraceEvent } from "../../../server/segments/segment_trace.ts";
import { type SpecStep, type SpecTrace, stepOf } from "./spec_step.ts";

/** The specification can't say it. */
class NoWordsError extends Error {}

interface NodeState {
  isUp: boolean;
  /** Commands of the model's metadata that it knows. */
  known: number;
  recovering: number;
  heard: Set<number>;
  asked: Set<number>;
  /** Records of each segment's replica. */
  lengths: Map<number, number>;
}

interface MetaCommand {
  index: number;
  op: "open" | "begin" | "seal";
  segment: number;
  length: number;
}

/** Translates the events of one topic, at most `stepsMax` steps of them. */
export function translate(
  events: readonly TraceEvent[],
  options: { topic: string; stepsMax: number },
): SpecTrace {
  return new Translator(events, options).run();
}

class Translator {
  readonly #events: readonly TraceEvent[];
  readonly #topic: string;
  readonly #stepsMax: number;
  readonly #steps: SpecStep[] = [];
  readonly #meta: MetaCommand[] = [];
  readonly #nodes: Map<number, NodeState> = new Map();
  readonly #counted: Set<number> = new Set();
  readonly #cursors: Map<number, number> = new Map();
  #members: readonly number[] = [];
  #firstLeader = 0;
  #segmentLimit = 0;

  constructor(events: readonly TraceEvent[], options: { topic: string; stepsMax: number }) {
    this.#events = events;
    this.#topic = options.topic;
    this.#stepsMax = options.stepsMax;
  }

  run(): SpecTrace {
    let end: string | null = null;
    for (const [at, event] of this.#events.entries()) {
      if (this.#steps.length >= this.#stepsMax) {
        end = `${this.#stepsMax} steps`;
        break;
      }
      const before = this.#steps.length;
      try {
        this.#take(event, at);
      } catch (error) {
        if (!(error instanceof NoWordsError)) throw error;
        this.#steps.length = before;
        end = `${error.message}: ${JSON.stringify(event).slice(0, 200)}`;
        break;
      }
    }
    return {
      nodes: this.#members,
      firstLeader: this.#firstLeader,
      segmentLimit: this.#segmentLimit || this.#events.length,
      // The model's last segment is never sealed.
      segments: 2 + this.#meta.filter(({ op }) => op === "seal").length,
      steps: this.#steps,
      end,
    };
  }

  #take(event: TraceEvent, at: number): void {
    if (event.kind === "learn") return this.#learn(event);
    if (this.#meta.length === 0) return;
    if (event.kind === "crash") return this.#crash(event.node, at);
    if (event.kind === "restart") return this.#restart(event.node);
    if (event.kind === "restore") {
      const isAhead = this.#node(event.node).known === this.#meta.length;
      return this.#must(isAhead, "metadata comes by a snapshot");
    }
    if (!("topic" in event) || event.topic !== this.#topic) return;
    const { node, segment } = event;
    switch (event.kind) {
      case "openWriter":
        this.#must(event.length === 0, "a writer resumes");
        return this.#push(stepOf("OpenWriter", { node, segment }));
      case "append":
        return this.#append(event);
      case "replicaAppend":
        return this.#extend("ReplicaAppend", event);
      case "copy":
        return this.#copy(event);
      case "acknowledge":
      case "sync":
        return this.#push(stepOf("Sync", { node, segment }));
      case "commit":
        return this.#commit(event);
      case "close":
        return this.#must(
          this.#segmentLimit === this.#entries(segment),
          "a segment is closed before it is full",
        );
      case "takeCount": {
        if (this.#counted.has(segment)) return;
        this.#counted.add(segment);
        const other = this.#nextLeader(segment);
        return this.#push(stepOf("TakeCount", { node, segment, other, to: event.count }));
      }
      case "startRecovery":
        return this.#startRecovery(node, segment);
      case "fence":
        return this.#push(stepOf("Fence", { node, segment }));
      case "answerFence":
        return this.#answer(event, at);
      case "decide":
        this.#must(this.#node(node).recovering === segment, "a failover was not seen to begin");
        this.#node(node).asked = new Set(event.answers.map((answer) => answer.node));
        return this.#push(stepOf("Decide", { node, segment, to: event.length }));
      case "proposeSeal": {
        const other = this.#nextLeader(segment);
        return this.#push(stepOf("ProposeSeal", { node, segment, other, to: event.count }));
      }
      case "takeBack":
      case "discard":
      case "deleted":
      case "delete":
        return this.#must(false, "the specification has no words for it");
    }
  }

  #must(condition: boolean, why: string): void {
    if (!condition) throw new NoWordsError(why);
  }

  #push(step: SpecStep): void {
    this.#steps.push(step);
  }

  #node(id: number): NodeState {
    const node = this.#nodes.get(id);
    if (!node) throw new NoWordsError(`node ${id} holds nothing of the topic`);
    return node;
  }

  #length(node: number, segment: number): number {
    return this.#node(node).lengths.get(segment) ?? 0;
  }

  /** Entries of the segment that were appended in this trace. */
  #entries(segment: number): number {
    return this.#steps.filter((step) => step.action === "AppendEntry" && step.segment === segment)
      .length;
  }

  #isSealedFor(node: number, segment: number): boolean {
    const { known } = this.#node(node);
    return this.#meta.slice(0, known).some(({ op, segment: s }) => op === "seal" && s === segment);
  }

  #learn({ node, index, command, isDone }: TraceEvent & { kind: "learn" }): void {
    if (!isDone || !("topic" in command) || command.topic !== this.#topic) return;
    if (command.kind === "createTopic") {
      if (this.#meta.length === 0) this.#begin(index, command);
      return;
    }
    if (command.kind !== "beginSeal" && command.kind !== "sealSegment") {
      return this.#must(false, "the specification has no words for it");
    }
    const op = command.kind === "beginSeal" ? "begin" as const : "seal" as const;
    const { segment } = command;
    const isAgain = op === "begin" &&
      this.#meta.some((known) =>
        known.op === "begin" && known.segment === segment && known.index !== index
      );
    if (isAgain) return;
    let at = this.#meta.findIndex((known) => known.index === index);
    if (at < 0) {
      at = this.#meta.length;
      const length = command.kind === "sealSegment" ? command.length : 0;
      this.#meta.push({ index, op, segment, length });
      const seal = command.kind === "sealSegment"
        ? { other: command.nextLeader, to: command.count }
        : {};
      this.#push(stepOf(op === "begin" ? "CommitBegin" : "CommitSeal", { segment, ...seal }));
    }
    const state = this.#node(node);
    if (state.known > at) return; // since its restart
    this.#must(state.known === at, "a node learns out of turn");
    this.#push(stepOf("Learn", { node, segment }));
    state.known++;
    if (op === "seal") this.#knowSeal(state, this.#meta[at]!);
  }

  #knowSeal(state: NodeState, { segment, length }: MetaCommand): void {
    state.lengths.set(segment, Math.min(state.lengths.get(segment) ?? 0, length));
    if (state.recovering === segment) state.recovering = 0;
  }

  #begin(
    index: number,
    command: { leader: number; replicas: readonly number[] },
  ): void {
    this.#meta.push({ index, op: "open", segment: 0, length: 0 });
    this.#members = command.replicas;
    this.#firstLeader = command.leader;
    const closing = this.#events.findIndex((event) =>
      event.kind === "close" && event.topic === this.#topic
    );
    for (const event of this.#events.slice(0, Math.max(0, closing))) {
      if (event.kind !== "append" || event.topic !== this.#topic || event.segment !== 1) continue;
      this.#segmentLimit += event.records.filter((record) => record > 0).length;
    }
    for (const id of this.#members) {
      this.#nodes.set(id, {
        isUp: true,
        known: 1,
        recovering: 0,
        heard: new Set(),
        asked: new Set(),
        lengths: new Map(),
      });
    }
  }

  #append({ node, segment, records }: TraceEvent & { kind: "append" }): void {
    for (const record of records) {
      const to = this.#length(node, segment) + 1;
      if (record > 0) this.#push(stepOf("AppendEntry", { node, segment, to }));
      else {
        this.#cursors.set(segment, -record - 1);
        this.#push(stepOf("Take", { node, segment, to: -record - 1 }));
      }
      this.#node(node).lengths.set(segment, to);
    }
  }

  #extend(
    action: "ReplicaAppend" | "CatchUp",
    { node, segment, records }: { node: number; segment: number; records: readonly number[] },
  ): void {
    for (const _ of records) {
      const to = this.#length(node, segment) + 1;
      this.#push(stepOf(action, { node, segment, to }));
      this.#node(node).lengths.set(segment, to);
    }
  }

  #copy(event: TraceEvent & { kind: "copy" }): void {
    const { node, segment, position, records } = event;
    if (this.#isSealedFor(node, segment)) return this.#extend("CatchUp", event);
    const recoverer = [...this.#nodes].find(([, state]) =>
      state.recovering === segment && state.asked.has(node)
    );
    this.#must(recoverer !== undefined, "nobody asked for this copy");
    const to = position + records.length;
    this.#push(stepOf("CopyTail", { node: recoverer![0], other: node, segment, to }));
    this.#node(node).lengths.set(segment, to);
  }

  #commit({ node, segment, length }: TraceEvent & { kind: "commit" }): void {
    const steps = this.#steps.filter((step) =>
      step.action === "Commit" && step.segment === segment
    );
    for (let to = (steps.at(-1)?.to ?? 0) + 1; to <= length; to++) {
      this.#push(stepOf("Commit", { node, segment, to }));
    }
  }

  #startRecovery(node: number, segment: number): void {
    const open = 1 + this.#meta.slice(0, this.#node(node).known)
      .filter(({ op }) => op === "seal").length;
    if (open !== segment) return; // too late: it is sealed
    const state = this.#node(node);
    if (state.recovering !== 0) {
      this.#push(stepOf("GiveUp", { node, segment }));
    }
    state.recovering = segment;
    state.heard = new Set();
    state.asked = new Set();
    this.#push(stepOf("StartRecovery", { node, segment }));
  }

  /** It is heard by who decides with it, if anybody does. */
  #answer(event: TraceEvent & { kind: "answerFence" }, at: number): void {
    const { node, segment, length } = event;
    this.#must(length === this.#length(node, segment), "a replica answers less than it holds");
    const decision = this.#events.slice(at).find((later) =>
      later.kind === "decide" && later.topic === this.#topic && later.segment === segment &&
      later.answers.some((answer) => answer.node === node && answer.length === length)
    );
    if (decision === undefined) return;
    const recoverer = this.#node(decision.node);
    if (recoverer.recovering !== segment || recoverer.heard.has(node)) return;
    recoverer.heard.add(node);
    const heard = { node: decision.node, other: node, segment, to: length };
    this.#push(stepOf("AnswerFence", heard));
  }

  #crash(id: number, at: number): void {
    const state = this.#nodes.get(id);
    if (!state?.isUp) return;
    const restart = this.#events.slice(at).find((event) =>
      event.kind === "restart" && event.node === id
    );
    const logs = restart?.kind === "restart" ? restart.logs : null;
    const segments = 2 + this.#meta.length;
    const kept = Array.from({ length: segments }, (_, i) => {
      const length = state.lengths.get(i + 1) ?? 0;
      if (logs === null) return length;
      const log = logs.find(({ topic, segment }) => topic === this.#topic && segment === i + 1);
      return Math.min(length, log?.length ?? 0);
    });
    kept.forEach((length, i) => state.lengths.set(i + 1, length));
    state.isUp = false;
    state.recovering = 0;
    this.#push(stepOf("Crash", { node: id, kept }));
  }

  #restart(id: number): void {
    const state = this.#nodes.get(id);
    if (!state || state.isUp) return;
    state.isUp = true;
    state.known = this.#meta.length;
    for (const command of this.#meta) if (command.op === "seal") this.#knowSeal(state, command);
    this.#push(stepOf("Restart", { node: id }));
  }

  /** Who leads the next segment by the seal that was committed; 0: none was. */
  #nextLeader(segment: number): number {
    const seal = this.#events.find((event) =>
      event.kind === "learn" && event.isDone && event.command.kind === "sealSegment" &&
      event.command.topic === this.#topic && event.command.segment === segment
    );
    return seal?.kind === "learn" && seal.command.kind === "sealSegment"
      ? seal.command.nextLeader
      : 0;
  }
}
