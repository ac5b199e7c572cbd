/**
 * From what nodes told to steps of `spec/Walrus.tla`, for one topic. A batch is as many steps as it has records;
 * what several nodes learn is committed with the first of them; answers of a fence are heard when they are given.
 * What repair and retention do to sealed segments is left out. A trace ends before the first event that the
 * specification has no words for (an uncertain replica, a deleted topic).
 *
 * @module
 */

import type { TraceEvent } from "../../../server/segments/segment_trace.ts";
import { type MetaCommand, NoWordsError, SpecLog } from "./spec_log.ts";
import { type ActionName, type SpecStep, type SpecTrace, stepOf } from "./spec_step.ts";

/** An event of one kind. */
type EventOf<K extends TraceEvent["kind"]> = Extract<TraceEvent, { kind: K }>;

interface NodeState {
  isUp: boolean;
  incarnation: string;
  /** Commands of the model's metadata that it knows. */
  known: number;
  /** What it may append to; 0: nothing. */
  lease: number;
  recovering: number;
  heard: Set<number>;
  asked: Set<number>;
  /** Records of each segment's replica. */
  lengths: Map<number, number>;
  /** Copied, and not told yet to be durable: the segments. */
  copying: Set<number>;
  /** Copied when whoever asked for it knew of the seal already: up to there it catches up when it knows, too. */
  late: Map<number, number>;
  /** Segments whose replica repair has thrown away or will: from then on not followed. */
  gone: Set<number>;
}

/** What is translated, and how. */
export interface TranslateOptions {
  topic: string;
  stepsMax: number;
  /** A process begins by the metadata on its own disk, and learns the rest; else it knows all at once. */
  restartsKnowLess?: boolean;
}

/** Translates the events of one topic, at most `stepsMax` steps of them. */
export function translate(events: readonly TraceEvent[], options: TranslateOptions): SpecTrace {
  return new Translator(events, options).run();
}

class Translator {
  readonly #events: readonly TraceEvent[];
  readonly #options: TranslateOptions;
  readonly #steps: SpecStep[] = [];
  readonly #log: SpecLog;
  readonly #nodes: Map<number, NodeState> = new Map();
  readonly #incarnations: Map<number, string> = new Map();
  readonly #counted: Set<number> = new Set();
  readonly #committed: Map<number, number> = new Map();
  /** Position of each segment's last move. */
  readonly #moves: Map<number, number> = new Map();

  constructor(events: readonly TraceEvent[], options: TranslateOptions) {
    this.#events = events;
    this.#options = options;
    this.#log = new SpecLog(events, options.topic);
  }

  run(): SpecTrace {
    let end: string | null = null;
    const { stepsMax } = this.#options;
    for (const [at, event] of this.#events.entries()) {
      if (this.#steps.length >= stepsMax) {
        end = `${stepsMax} steps`;
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
    const { commands } = this.#log;
    return {
      nodes: [...this.#nodes.keys()],
      firstLeader: commands[0]?.leader ?? 0,
      firstReplicas: commands[0]?.replicas ?? [],
      // The model's last segment is never sealed.
      segments: 2 + commands.filter(({ op }) => op === "seal").length,
      steps: this.#steps,
      end,
    };
  }

  #take(event: TraceEvent, at: number): void {
    if (event.kind === "learn") return this.#learn(event);
    if (this.#log.commands.length === 0) {
      if (event.kind === "restart") this.#incarnations.set(event.node, event.incarnation);
      return;
    }
    if (event.kind === "restore") return this.#learnUpTo(event.node, event.index);
    if (event.kind === "refreshLease") return this.#refreshLease(event);
    if (event.kind === "crash") return this.#crash(event.node, at);
    if (event.kind === "restart") return this.#restart(event, at);
    if (event.kind === "remember" || event.kind === "ready") return this.#mustBeCertain(event);
    if (event.topic === this.#options.topic) this.#takeOfTopic(event, at);
  }

  #takeOfTopic(event: Extract<TraceEvent, { topic: string }>, at: number): void {
    const { node, segment } = event;
    switch (event.kind) {
      case "openWriter":
        return this.#openWriter(event);
      case "append":
        return this.#append(event);
      case "close":
        return this.#push("Close", { node, segment });
      case "replicaAppend":
        return this.#replicaAppend(event);
      case "copy":
        return this.#copy(event);
      case "takeBack":
        return this.#takeBack(event);
      case "acknowledge":
        return this.#push("Acknowledge", { node, segment, to: event.length });
      case "sync":
        return this.#sync(event);
      case "commit":
        return this.#commit(event);
      case "read":
        return this.#read(event);
      case "takeCount":
        return this.#takeCount(event);
      case "startRecovery":
        return this.#startRecovery(node, segment);
      case "fence":
        return this.#push("Fence", { node, segment });
      case "answerFence":
        return this.#answer(event, at);
      case "decide":
        must(this.#node(node).recovering === segment, "a failover was not seen to begin");
        this.#node(node).asked = new Set(event.answers.map((answer) => answer.node));
        return this.#push("Decide", { node, segment, to: event.length });
      case "proposeSeal": {
        const next = this.#log.sealOf(segment, "failover");
        return this.#push("ProposeSeal", { node, segment, ...next, to: event.count });
      }
      case "discard":
      case "delete":
        this.#node(node).gone.add(segment);
    }
  }

  #push(action: ActionName, parts: Partial<Omit<SpecStep, "action">>): void {
    this.#steps.push(stepOf(action, parts));
  }

  #node(id: number): NodeState {
    let node = this.#nodes.get(id);
    if (!node) {
      node = {
        isUp: true,
        incarnation: this.#incarnations.get(id) ?? "",
        known: 1,
        lease: 0,
        recovering: 0,
        heard: new Set(),
        asked: new Set(),
        lengths: new Map(),
        copying: new Set(),
        late: new Map(),
        gone: new Set(),
      };
      this.#nodes.set(id, node);
    }
    return node;
  }

  #length(node: number, segment: number): number {
    return this.#node(node).lengths.get(segment) ?? 0;
  }

  #learn(event: EventOf<"learn">): void {
    if (!this.#log.learn(event)) return;
    const { node, index } = event;
    const at = this.#log.commands.findIndex((command) => command.index === index);
    const command = this.#log.commands[at]!;
    if (at === 0) {
      for (const id of command.replicas) this.#node(id);
      return void this.#node(node);
    }
    if (!command.isTold) {
      command.isTold = true;
      const { segment, leader: other, replicas: set, count: to } = command;
      if (command.op === "begin") this.#push("CommitBegin", { segment });
      else this.#push("CommitSeal", { segment, other, set, to });
    }
    const state = this.#node(node);
    if (state.known > at) return; // since its restart
    must(state.known === at, "a node learns out of turn");
    this.#know(node, command);
  }

  #know(node: number, command: MetaCommand): void {
    const state = this.#node(node);
    this.#push("Learn", { node, segment: command.segment });
    state.known++;
    if (command.op !== "seal") return;
    const { segment } = command;
    knowSeal(state, command);
    this.#catchUp(node, segment, state.late.get(segment) ?? 0);
  }

  #catchUp(node: number, segment: number, end: number): void {
    for (let to = this.#length(node, segment) + 1; to <= end; to++) {
      this.#push("CatchUp", { node, segment, to });
      this.#node(node).lengths.set(segment, to);
    }
  }

  /** By a snapshot. */
  #learnUpTo(node: number, index: number): void {
    const state = this.#node(node);
    for (const command of this.#log.commands.slice(state.known)) {
      if (command.index <= index) this.#know(node, command);
    }
  }

  #refreshLease({ node, isHeld }: EventOf<"refreshLease">): void {
    const state = this.#node(node);
    const segment = isHeld ? this.#log.ledBy(node, state.known) : 0;
    if (segment === state.lease) return;
    state.lease = segment;
    this.#push("RefreshLease", { node, segment });
  }

  #openWriter({ node, segment, length }: EventOf<"openWriter">): void {
    this.#push("OpenWriter", { node, segment });
    if (length === 0) return;
    // A lone writer resumes: what it holds is as good as committed.
    must(length === this.#length(node, segment), "a writer holds something else");
    this.#push("Sync", { node, segment, to: length });
    this.#commit({ node, segment, length });
  }

  #append({ node, segment, position, records }: EventOf<"append">): void {
    must(position === this.#length(node, segment), "a writer appends somewhere else");
    this.#log.append(segment, position, records);
    for (const [i, record] of records.entries()) {
      const to = position + i + 1;
      if (record > 0) this.#push("AppendEntry", { node, segment, to });
      else this.#move({ node, segment, position: to }, -record - 1);
      this.#node(node).lengths.set(segment, to);
    }
  }

  /** Who waited for the move before it, if that is not committed, has been told that its outcome is unknown. */
  #move(
    { node, segment, position }: { node: number; segment: number; position: number },
    to: number,
  ): void {
    const before = this.#moves.get(segment) ?? 0;
    if (before > (this.#committed.get(segment) ?? 0)) this.#push("DoNotWait", { node, segment });
    this.#push("Take", { node, segment, to });
    this.#moves.set(segment, position);
  }

  #replicaAppend({ node, segment, position, records }: EventOf<"replicaAppend">): void {
    must(position === this.#length(node, segment), "a replica appends somewhere else");
    for (let to = position + 1; to <= position + records.length; to++) {
      this.#push("ReplicaAppend", { node, segment, to });
      this.#node(node).lengths.set(segment, to);
    }
  }

  #copy(event: EventOf<"copy">): void {
    const { node, segment, position, records } = event;
    const state = this.#node(node);
    const isRepair = state.gone.has(segment) || !this.#log.holds(node, segment);
    if (isRepair) return;
    state.copying.add(segment);
    if (this.#log.isSealedAt(segment, state.known)) {
      must(position === this.#length(node, segment), "a replica appends somewhere else");
      return this.#catchUp(node, segment, position + records.length);
    }
    const recoverer = [...this.#nodes].find(([, other]) =>
      other.recovering === segment && other.asked.has(node)
    );
    const to = position + records.length;
    if (recoverer === undefined && this.#log.lengthOf(segment) >= to) {
      return void state.late.set(segment, to);
    }
    must(recoverer !== undefined, "nobody asked for this copy");
    must(position === this.#length(node, segment), "a replica appends somewhere else");
    this.#push("CopyTail", { node: recoverer![0], other: node, segment, to });
    state.lengths.set(segment, to);
  }

  #takeBack({ node, segment, length }: EventOf<"takeBack">): void {
    if (length >= this.#length(node, segment)) return;
    this.#node(node).lengths.set(segment, length);
    if (this.#log.isAlone(segment)) this.#log.truncate(segment, length);
    this.#push("TakeBack", { node, segment, to: length });
  }

  #sync({ node, segment, length }: EventOf<"sync">): void {
    const state = this.#node(node);
    state.copying.delete(segment);
    if (state.gone.has(segment) || !this.#log.holds(node, segment)) return;
    this.#push("Sync", { node, segment, to: Math.min(length, this.#length(node, segment)) });
  }

  #commit({ node, segment, length }: { node: number; segment: number; length: number }): void {
    for (let to = (this.#committed.get(segment) ?? 0) + 1; to <= length; to++) {
      this.#push("Commit", { node, segment, to });
      this.#committed.set(segment, to);
    }
  }

  /** Of a replica that the specification knows. */
  #read({ node, segment, offset, records }: EventOf<"read">): void {
    const state = this.#node(node);
    if (state.gone.has(segment) || !this.#log.holds(node, segment)) return;
    const list = this.#log.entriesOf(segment, offset, records);
    this.#push("Read", { node, segment, to: offset + records.length, list });
  }

  #takeCount({ node, segment, count }: EventOf<"takeCount">): void {
    if (this.#counted.has(segment)) return;
    this.#counted.add(segment);
    this.#push("TakeCount", { node, segment, ...this.#log.sealOf(segment, "leader"), to: count });
  }

  #startRecovery(node: number, segment: number): void {
    const state = this.#node(node);
    if (this.#log.openAt(state.known) !== segment) return; // too late: it is sealed
    if (state.recovering !== 0) this.#push("GiveUp", { node, segment });
    state.recovering = segment;
    state.heard = new Set();
    state.asked = new Set();
    this.#push("StartRecovery", { node, segment });
  }

  /** It is heard by who decides with it, if anybody does. */
  #answer(event: EventOf<"answerFence">, at: number): void {
    const { node, segment, length, isCertain } = event;
    must(isCertain, "a replica is uncertain");
    must(length === this.#length(node, segment), "a replica answers less than it holds");
    const decision = this.#events.slice(at).find((later) =>
      later.kind === "decide" && later.topic === event.topic && later.segment === segment &&
      later.answers.some((answer) => answer.node === node && answer.length === length)
    );
    if (decision === undefined) return;
    const recoverer = this.#node(decision.node);
    if (recoverer.recovering !== segment || recoverer.heard.has(node)) return;
    recoverer.heard.add(node);
    this.#push("AnswerFence", { node: decision.node, other: node, segment, to: length });
  }

  /** A process that doesn't know yet of what it is uncertain is silent, as if it were slow. */
  #mustBeCertain(event: EventOf<"remember"> | EventOf<"ready">): void {
    const open = this.#log.openAt(this.#log.commands.length);
    const isOpen = ({ topic, segment }: { topic: string; segment: number }) =>
      topic === this.#options.topic && segment >= open;
    must(!event.uncertain.some(isOpen), "a replica is uncertain");
  }

  #crash(id: number, at: number): void {
    const state = this.#node(id);
    if (!state.isUp) return;
    const restart = this.#events.slice(at).find((event) =>
      event.kind === "restart" && event.node === id
    );
    const logs = restart?.kind === "restart" ? restart.logs : null;
    const list = Array.from({ length: this.#log.commands.length + 1 }, (_, i) => {
      const segment = i + 1;
      const length = state.lengths.get(segment) ?? 0;
      const log = logs?.find((held) =>
        held.topic === this.#options.topic && held.segment === segment
      );
      const isFollowed = logs !== null && this.#log.holds(id, segment) && !state.gone.has(segment);
      const isTrimmed = log === undefined && this.#log.isTrimmed(segment);
      if (!isFollowed || isTrimmed) return length;
      const left = log?.length ?? 0;
      must(
        left <= length || this.#log.isSealedAt(segment, state.known),
        "what was taken back is there again",
      );
      must(left >= length || !state.copying.has(segment), "a crash takes what was just copied");
      return Math.min(length, left);
    });
    for (const [i, length] of list.entries()) {
      state.lengths.set(i + 1, length);
      if (this.#log.isAlone(i + 1)) this.#log.truncate(i + 1, length);
    }
    Object.assign(state, { isUp: false, recovering: 0, lease: 0 });
    this.#push("Crash", { node: id, list });
  }

  #restart({ node: id, incarnation }: EventOf<"restart">, at: number): void {
    const state = this.#node(id);
    if (state.incarnation === "") {
      // Its first process: in a merged trace others may have made the topic before.
      state.incarnation = incarnation;
      if (state.isUp) return;
    }
    must(state.incarnation === incarnation, "a disk is lost");
    // Who is killed does not tell.
    this.#crash(id, at);
    state.isUp = true;
    const { commands } = this.#log;
    state.known = this.#options.restartsKnowLess ? 1 : commands.length;
    for (const command of commands.slice(0, state.known)) {
      if (command.op === "seal") knowSeal(state, command);
    }
    this.#push("Restart", { node: id, to: state.known });
  }
}

function knowSeal(state: NodeState, { segment, length }: MetaCommand): void {
  state.lengths.set(segment, Math.min(state.lengths.get(segment) ?? 0, length));
  if (state.recovering === segment) state.recovering = 0;
}

function must(condition: boolean, why: string): void {
  if (!condition) throw new NoWordsError(why);
}
