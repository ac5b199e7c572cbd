/**
 * Raft stories as text. A scenario file has commands (`> …`; with `>> …` their output is not shown),
 * comments (`# …`) and, below each command, the transcript that it gives.
 *
 * Nothing happens by itself: messages wait until they are delivered, and writes of a slow disk until they
 * are synced. Every step is checked against the invariants of the simulation's checker.
 *
 * | command | what it does |
 * | ------- | ------------ |
 * | `limits NAME=N …` | other limits than the defaults, for nodes made later |
 * | `group ID …` | voters of a new group; `node ID …` makes empty ones |
 * | `node ID voters=… term=N [vote=N] [committed=N] terms=T,T,…` | a node whose log has entries of these terms |
 * | `tick ID [N]` · `campaign ID` | time passes on one node · it campaigns now |
 * | `propose ID TEXT …` · `read ID` | one command each · asks for a read index |
 * | `change ID [learner=ID] [promote=ID] [remove=ID]` · `transfer ID TO` | on a leader |
 * | `deliver [FROM TO \| to ID \| from ID] [type=T] [count=N]` | what waits now, in order; `last` only the last |
 * | `drop …` · `double …` | the same choice: lost · there twice |
 * | `append FROM TO term=N after=I/T terms=T,…` | a message of a leader that is not in the story |
 * | `settle` | delivers until nothing waits |
 * | `cut A B` · `cutoff A` · `heal` | A can't reach B · nor anybody A · all can |
 * | `slow ID` · `sync ID [N]` · `fast ID` | writes wait · the oldest N are done · they don't wait any more |
 * | `crash ID [kept=N]` · `restart ID` | the first N waiting writes survive |
 * | `compact ID` | a snapshot of what is applied |
 * | `status [ID …]` · `log ID` · `waiting` | shows nodes · a log · messages that wait |
 *
 * @module
 */

import type { Random } from "../../world/mod.ts";
import { bootstrapState, EMPTY_STATE, RaftCore } from "../core.ts";
import { encodeConfiguration } from "../config_history.ts";
import type { RestoredState } from "../core_state.ts";
import type { CoreLimits } from "../limits.ts";
import { configurationOf, formatConfiguration, type MembershipChange } from "../membership.ts";
import { decodeMessage, encodeMessage } from "../message_codec.ts";
import type { Completion, Entry, Message, Ready } from "../messages.ts";
import { Checker, type Observed } from "../sim/checker.ts";
import { ModelDisk } from "../sim/durable_model.ts";
import { formatEntry, formatMessage } from "../sim/format.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** A scenario that doesn't settle within so many messages never will. */
const MAX_SETTLE_MESSAGES = 2000;

/** Stories count ticks: these don't change with the defaults. */
const STORY_LIMITS: Partial<CoreLimits> = { electionTicks: 10, heartbeatTicks: 2 };

/** Every timeout is the shortest one: stories decide who campaigns. */
const noRandom: Random = { nextU32: () => 0, below: () => 0, uuid: () => "" };

interface StoryNode extends Observed {
  slow: boolean;
  /** What leaves when each waiting write is durable. */
  held: { completion: Completion; messages: Message[] }[];
  applied: string[];
  lastRole: string;
}

export class Scenario {
  readonly #nodes = new Map<number, StoryNode>();
  readonly #checker = new Checker();
  #limits: Partial<CoreLimits> = STORY_LIMITS;
  #network: Message[] = [];
  #cuts = new Set<string>();
  #lines: string[] = [];
  #requestId = 0;

  /** The text with the transcripts that the commands give now. */
  run(text: string): string {
    const out: string[] = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("#") || line.trim() === "") out.push(line);
      if (!line.startsWith(">")) continue;
      out.push(line);
      const silent = line.startsWith(">>");
      this.#lines = [];
      this.#command(line.slice(silent ? 2 : 1).trim());
      if (!silent) out.push(...this.#lines);
    }
    return out.join("\n").replace(/\n+$/, "") + "\n";
  }

  #command(line: string): void {
    const [name = "", ...words] = line.split(/\s+/);
    const options = new Map<string, string>();
    const args: string[] = [];
    for (const word of words) {
      const at = word.indexOf("=");
      if (at > 0) options.set(word.slice(0, at), word.slice(at + 1));
      else args.push(word);
    }
    const first = Number(args[0]);
    switch (name) {
      case "limits":
        for (const [key, value] of options) {
          this.#limits = { ...this.#limits, [key]: Number(value) };
        }
        return;
      case "group": {
        const initial = bootstrapState(args.map(Number));
        for (const id of args) this.#add(Number(id), initial);
        return;
      }
      case "node":
        for (const id of args) {
          this.#add(Number(id), options.has("terms") ? prepared(options) : EMPTY_STATE);
        }
        return;
      case "tick":
        for (let i = Number(args[1] ?? 1); i > 0; i--) this.#on(first, (core) => core.tick());
        return;
      case "campaign":
        return this.#on(first, (core) => core.campaign());
      case "propose":
        return this.#on(first, (core) => {
          const result = core.propose(args.slice(1).map((text) => encoder.encode(text)));
          if (!result.ok) this.#say(`refused: ${result.reason}`);
        });
      case "read":
        return this.#on(first, (core) => {
          const requestId = ++this.#requestId;
          if (!core.readIndex(requestId)) this.#say(`read ${requestId} goes nowhere`);
        });
      case "change":
        return this.#on(first, (core) => {
          const result = core.changeMembership(changeOf(options));
          if (!result.ok) this.#say(`refused: ${result.reason}`);
        });
      case "transfer":
        return this.#on(first, (core) => {
          const refusal = core.transferLeadership(Number(args[1]));
          if (refusal !== null) this.#say(`refused: ${refusal}`);
        });
      case "deliver":
        for (const message of this.#take(args, options)) this.#deliver(message);
        return;
      case "drop":
        for (const message of this.#take(args, options)) {
          this.#say(`lost: ${formatMessage(message)}`);
        }
        return;
      case "append":
        return void this.#network.push(handMade(args, options));
      case "double":
        for (const message of this.#take(args, options)) {
          this.#network.push(message, { ...message });
        }
        return;
      case "settle":
        return this.#settle();
      case "cut":
        return void this.#cuts.add(`${args[0]} ${args[1]}`);
      case "cutoff":
        return void this.#cuts.add(args[0]!);
      case "heal":
        return this.#cuts.clear();
      case "slow":
        this.#node(first).slow = true;
        return;
      case "fast":
        this.#node(first).slow = false;
        return this.#sync(first, Infinity);
      case "sync":
        return this.#sync(first, Number(args[1] ?? Infinity));
      case "crash":
        return this.#crash(first, Number(options.get("kept") ?? 0));
      case "restart":
        return this.#start(this.#node(first));
      case "compact":
        return this.#on(first, (core) => {
          core.compact(core.state.log.applied, encoder.encode(this.#node(first).applied.join(",")));
        });
      case "status":
        for (const id of args.length > 0 ? args.map(Number) : this.#nodes.keys()) this.#status(id);
        return;
      case "log":
        return this.#say(
          `${first}: ${this.#entries(first).map(formatEntry).join(", ") || "empty"}`,
        );
      case "waiting":
        for (const message of this.#network) this.#say(formatMessage(message));
        return;
      default:
        throw new Error(`no command ${name}`);
    }
  }

  #add(id: number, initial: RestoredState): void {
    const node: StoryNode = {
      id,
      core: null,
      disk: new ModelDisk(initial),
      slow: false,
      held: [],
      applied: [],
      lastRole: "",
    };
    this.#nodes.set(id, node);
    this.#start(node);
  }

  #start(node: StoryNode): void {
    this.#checker.onStart(node);
    const restored = node.disk.durable;
    node.core = new RaftCore({ id: node.id, random: noRandom, restored, limits: this.#limits });
    node.held = [];
    const data = restored.snapshot?.data;
    node.applied = data === undefined || data.length === 0 ? [] : decoder.decode(data).split(",");
    node.lastRole = roleOf(node.core);
    this.#process(node);
  }

  #node(id: number): StoryNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  #on(id: number, act: (core: RaftCore) => void): void {
    const node = this.#node(id);
    if (node.core === null) throw new Error(`node ${id} is down`);
    act(node.core);
    this.#process(node);
  }

  #deliver(message: Message): void {
    this.#say(formatMessage(message));
    const node = this.#nodes.get(message.to);
    if (!node?.core) return this.#say(`  nobody there`);
    node.core.step(message);
    this.#process(node);
  }

  #settle(): void {
    for (let count = 0; this.#network.length > 0; count++) {
      if (count > MAX_SETTLE_MESSAGES) throw new Error("it does not settle");
      this.#deliver(this.#network.shift()!);
    }
  }

  /** Takes the chosen messages out of the network. */
  #take(args: readonly string[], options: ReadonlyMap<string, string>): Message[] {
    const type = options.get("type");
    const isChosen = (message: Message) => {
      if (type !== undefined && message.type !== type) return false;
      if (args[0] === "to") return message.to === Number(args[1]);
      if (args[0] === "from") return message.from === Number(args[1]);
      return args.length < 2 ||
        (message.from === Number(args[0]) && message.to === Number(args[1]));
    };
    let chosen = this.#network.filter(isChosen);
    if (args.includes("last")) chosen = chosen.slice(-1);
    chosen = chosen.slice(0, Number(options.get("count") ?? Infinity));
    this.#network = this.#network.filter((message) => !chosen.includes(message));
    return chosen;
  }

  #process(node: StoryNode): void {
    const core = node.core!;
    this.#check(node);
    for (let ready = core.takeReady(); ready !== null; ready = core.takeReady()) {
      this.#handle(node, ready);
      this.#check(node);
      if (!node.slow) this.#completeWrites(node, Infinity);
    }
    const role = roleOf(core);
    if (role !== node.lastRole) this.#say(`  ${node.id} is ${role}`);
    node.lastRole = role;
  }

  #check(node: StoryNode): void {
    this.#checker.onStep(node, [...this.#nodes.values()]);
  }

  #handle(node: StoryNode, ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    if (ready.persist !== null) {
      const { hardState, entries, snapshot, completion } = ready.persist;
      const parts: string[] = [];
      if (snapshot !== null) {
        parts.push(
          `${snapshot.installed ? "installed" : "own"} snapshot ${snapshot.snapshot.index}`,
        );
      }
      if (hardState !== null) parts.push(`term ${hardState.term} vote ${hardState.vote}`);
      parts.push(...entries.map(formatEntry));
      this.#say(`  ${node.id} writes ${parts.join(", ")}`);
      this.#checker.onEntries(node, entries);
      node.disk.write(ready.persist);
      node.held.push({ completion, messages: [...ready.messagesWhenDurable] });
    } else if (node.held.length > 0) {
      node.held[node.held.length - 1]!.messages.push(...ready.messagesWhenDurable);
    } else {
      for (const message of ready.messagesWhenDurable) this.#send(message);
    }
    if (ready.install !== null) {
      node.applied = decoder.decode(ready.install.data).split(",");
      this.#say(`  ${node.id} restores ${node.applied.join(",")}`);
    }
    for (const entry of ready.committed) {
      this.#checker.onApplied(node, entry);
      if (entry.kind === "command") node.applied.push(decoder.decode(entry.data));
    }
    if (ready.committed.length > 0) {
      this.#say(`  ${node.id} applies ${ready.committed.map(formatEntry).join(", ")}`);
    }
    for (const { requestId, index } of ready.reads) {
      this.#say(`  ${node.id} may answer read ${requestId} at ${index}`);
    }
  }

  #sync(id: number, count: number): void {
    const node = this.#node(id);
    this.#completeWrites(node, count);
    this.#process(node);
  }

  #completeWrites(node: StoryNode, count: number): void {
    for (let i = 0; i < count && node.held.length > 0; i++) {
      const { completion, messages } = node.held.shift()!;
      node.disk.complete();
      this.#checker.onDurable(node);
      node.core!.onPersisted(completion);
      for (const message of messages) this.#send(message);
    }
  }

  #crash(id: number, kept: number): void {
    const node = this.#node(id);
    node.disk.crash(kept);
    this.#checker.onDurable(node);
    node.core = null;
    node.slow = false;
  }

  /** Over the codec, as in life. */
  #send(message: Message): void {
    const { from, to } = message;
    const isCut = this.#cuts.has(`${from} ${to}`) || this.#cuts.has(`${from}`) ||
      this.#cuts.has(`${to}`);
    if (!isCut) this.#network.push(decodeMessage(encodeMessage(message)));
  }

  #status(id: number): void {
    const { core, applied } = this.#node(id);
    if (core === null) return this.#say(`${id} is down`);
    const { log, config, progress } = core.state;
    this.#say(
      `${id} ${roleOf(core)}, log ${log.baseIndex}..${log.lastIndex} of term ${log.lastTerm}, ` +
        `durable ${log.stable}, committed ${log.committed}, ${formatConfiguration(config)}, has ${
          applied.join(",") || "nothing"
        }`,
    );
    for (const [peer, { state, match, next, inflight }] of progress) {
      this.#say(`  ${peer}: ${state}, match ${match}, next ${next}, ${inflight.count} under way`);
    }
  }

  #entries(id: number): Entry[] {
    const { log } = this.#node(id).core!.state;
    return log.lastIndex > log.baseIndex ? log.slice(log.baseIndex + 1, Infinity) : [];
  }

  #say(line: string): void {
    this.#lines.push(line);
  }
}

function roleOf(core: RaftCore): string {
  const leader = core.role === "follower" && core.leader !== null ? ` of ${core.leader}` : "";
  return `${core.role}${leader} in term ${core.term}`;
}

function changeOf(options: ReadonlyMap<string, string>): MembershipChange {
  const ids = (name: string) => options.get(name)?.split(",").map(Number) ?? [];
  return { addLearners: ids("learner"), promote: ids("promote"), remove: ids("remove") };
}

/** Entries of these terms, with texts that say which they are. */
function commandsOf(firstIndex: number, terms: string): Entry[] {
  return terms.split(",").map(Number).map((term, i) => ({
    index: firstIndex + i,
    term,
    kind: "command",
    data: encoder.encode(`${firstIndex + i}/${term}`),
  }));
}

function handMade(args: readonly string[], options: ReadonlyMap<string, string>): Message {
  const [prevIndex, prevTerm] = options.get("after")!.split("/").map(Number);
  return {
    type: "AppendRequest",
    from: Number(args[0]),
    to: Number(args[1]),
    term: Number(options.get("term")),
    prevIndex: prevIndex!,
    prevTerm: prevTerm!,
    committed: Number(options.get("committed") ?? 1),
    entries: commandsOf(prevIndex! + 1, options.get("terms")!),
  };
}

/** A log whose first entry is the group's configuration, with commands of the given terms behind it. */
function prepared(options: ReadonlyMap<string, string>): RestoredState {
  const number = (name: string, otherwise: number) => Number(options.get(name) ?? otherwise);
  const voters = options.get("voters")!.split(",").map(Number);
  const terms = options.get("terms")!;
  const [first, ...rest] = commandsOf(1, terms);
  return {
    hardState: {
      term: number("term", 1),
      vote: number("vote", 0),
      committed: number("committed", 1),
    },
    snapshot: null,
    entries: [
      { ...first!, kind: "config", data: encodeConfiguration(configurationOf(voters)) },
      ...rest,
    ],
  };
}
