/**
 * A whole group from one seed: three to seven cores with disks that forget and a network that loses,
 * doubles, reorders, delays and cuts; clients that propose and read; changes of membership. First with
 * faults, every step checked; then without: it must come back within a bound.
 *
 * @module
 */

import { SeededRandom } from "../../world/sim/mod.ts";
import { bootstrapState, EMPTY_STATE } from "../core.ts";
import type { CoreLimits } from "../limits.ts";
import { formatConfiguration, isMember, members, type MembershipChange } from "../membership.ts";
import type { Message } from "../messages.ts";
import { CANARIES, type Canary, type CanaryName } from "./canaries.ts";
import { Checker, InvariantError } from "./checker.ts";
import { EventQueue } from "./event_queue.ts";
import { formatMessage } from "./format.ts";
import { drawLimits, drawProfile, type Profile, STORY_LIMITS, STORY_PROFILE } from "./profile.ts";
import { SimNode, type SimWorld } from "./sim_node.ts";

/** Within so many election timeouts without faults everything must be well. */
const RECOVERY_TIMEOUTS = 40;
const encoder = new TextEncoder();

type Event =
  | { type: "tick"; node: SimNode; life: number }
  | { type: "deliver"; message: Message }
  | { type: "durable"; node: SimNode; life: number }
  | { type: "restart"; node: SimNode; life: number }
  | { type: "crash"; node: SimNode; life: number }
  | { type: "fault" }
  | { type: "load" };

export interface SimOptions {
  seed: number | string;
  canary?: CanaryName;
  /** So many times longer than usual go the faults on; 1 unless given. */
  scale?: number;
  /** Gets a line for every event. */
  onLine?: (line: string) => void;
}

export interface SimResult {
  steps: number;
  simulatedMs: number;
  proposed: number;
  acknowledged: number;
  reads: number;
  crashes: number;
  leaders: number;
  snapshotChunks: number;
  membershipChanges: number;
}

/** Runs one seed to its end. @throws {InvariantError} or the core's own `AssertionError`. */
export function simulate(options: SimOptions): SimResult {
  return new Simulation(options).run();
}

class Simulation implements SimWorld {
  readonly checker = new Checker();
  readonly nodes: SimNode[] = [];
  readonly #queue = new EventQueue<Event>();
  readonly #faults: SeededRandom;
  readonly #net: SeededRandom;
  readonly #load: SeededRandom;
  readonly #disks: SeededRandom;
  readonly #limits: Partial<CoreLimits> & { electionTicks: number };
  readonly #profile: Profile;
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #cuts = new Set<number>();
  readonly #canary: Canary | undefined;
  readonly #scale: number;
  #quiet = false;
  #lossPercent = 0;
  #key = 0;
  #readId = 1;
  /** By request: what was committed when it was made. */
  readonly #pendingReads = new Map<number, number>();
  readonly #diskBusyMs = new Map<SimNode, number>();
  /** By node, then index. */
  #proposals = new Map<number, Map<number, { term: number; key: string }>>();
  #acknowledged = new Map<string, number>();
  readonly #result: SimResult = {
    steps: 0,
    simulatedMs: 0,
    proposed: 0,
    acknowledged: 0,
    reads: 0,
    crashes: 0,
    leaders: 0,
    snapshotChunks: 0,
    membershipChanges: 0,
  };

  constructor(options: SimOptions) {
    const root = new SeededRandom(`raft ${options.seed}`);
    this.#faults = root.fork("faults");
    this.#net = root.fork("network");
    this.#load = root.fork("load");
    this.#disks = root.fork("disks");
    this.#onLine = options.onLine;
    this.#scale = options.scale ?? 1;
    const canary: Canary | undefined = options.canary && CANARIES[options.canary];
    this.#canary = canary;
    const shape = root.fork("shape");
    // Every third seed is a world of short-lived leaders whom only some hear, as in figures 7 and 8.
    const isStory = shape.below(3) === 0;
    this.#profile = { ...drawProfile(shape), ...(isStory && STORY_PROFILE) };
    this.#limits = { ...drawLimits(shape), ...(isStory && STORY_LIMITS) };
    const size = 3 + shape.below(isStory ? 3 : 5);
    const voters = isStory ? size : 1 + shape.below(size);
    const initial = bootstrapState(Array.from({ length: voters }, (_, i) => i + 1));
    for (let id = 1; id <= size; id++) {
      const node = new SimNode({
        id,
        world: this,
        random: root.fork(`core ${id}`),
        limits: this.#limits,
        canary,
        initial: id <= voters ? initial : EMPTY_STATE,
      });
      // Clocks that differ by up to a quarter.
      node.tickMs = 8 + shape.below(5);
      node.diskDelayTenths = 2 + shape.below(120);
      node.snapshotEvery = 3 + shape.below(30);
      this.nodes.push(node);
    }
  }

  run(): SimResult {
    for (const node of this.nodes) this.#start(node);
    this.#queue.add(this.#faults.below(200), { type: "fault" });
    this.#queue.add(50, { type: "load" });
    const endMs = this.#profile.faultsMs * this.#scale;
    while (this.#queue.nowMs < endMs) this.#step();
    this.#recover();
    this.#result.simulatedMs = Math.round(this.#queue.nowMs);
    this.#result.acknowledged = this.#acknowledged.size;
    return this.#result;
  }

  #step(): void {
    const event = this.#queue.next()!;
    this.#result.steps++;
    if (this.#onLine !== undefined) this.#onLine(this.#describeEvent(event));
    switch (event.type) {
      case "tick":
        if (event.life !== event.node.life) return;
        if (this.#isPaused(event.node)) return this.#later(event.node, event);
        this.#queue.add(event.node.tickMs, event);
        event.node.core!.tick();
        return event.node.drain();
      case "deliver": {
        const node = this.nodes[event.message.to - 1]!;
        if (node.core === null) return;
        if (this.#isPaused(node)) return this.#later(node, event);
        node.core.step(event.message);
        return node.drain();
      }
      case "durable":
        if (event.life !== event.node.life) return;
        if (this.#isPaused(event.node)) return this.#later(event.node, event);
        return event.node.onDurable();
      case "restart":
        if (event.life === event.node.life && event.node.core === null) this.#start(event.node);
        return;
      case "crash":
        if (event.life === event.node.life && !this.#quiet) this.#crash(event.node);
        return;
      case "fault":
        if (this.#quiet) return;
        this.#fault();
        return this.#queue.add(
          1 + this.#faults.below(this.#profile.faultEveryMs),
          event,
        );
      case "load":
        this.#doLoad();
        return this.#queue.add(1 + this.#load.below(this.#profile.loadEveryMs), event);
    }
  }

  #isPaused(node: SimNode): boolean {
    return node.pausedUntilMs > this.#queue.nowMs;
  }

  /** In the order in which they came, once the process goes on. */
  #later(node: SimNode, event: Event): void {
    this.#queue.add(node.pausedUntilMs - this.#queue.nowMs, event);
  }

  #start(node: SimNode): void {
    this.#proposals.set(node.id, new Map());
    node.start();
    this.#queue.add(this.#faults.below(100) / 10, { type: "tick", node, life: node.life });
  }

  // The world of the nodes.

  send(message: Message): void {
    if (message.type === "SnapshotChunk") this.#result.snapshotChunks++;
    if (message.type === "VoteReply" && message.granted && !message.preVote) this.#onVote(message);
    if (this.#cuts.has(message.from * 16 + message.to)) return;
    if (!this.#quiet && this.#net.below(100) < this.#lossPercent) return;
    const copies = !this.#quiet && this.#net.below(100) < this.#profile.doublePercent ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.#queue.add(this.#delayMs(), { type: "deliver", message });
    }
  }

  #delayMs(): number {
    const spread = this.#quiet ? 2 : this.#profile.delaySpreadMs;
    const delayMs = 0.1 + this.#net.below(spread * 10) / 10;
    // Now and then one that comes when nobody expects it any more.
    return !this.#quiet && this.#net.below(100) < this.#profile.latePercent
      ? delayMs + this.#net.below(600)
      : delayMs;
  }

  onWrite(node: SimNode): void {
    const slow = !this.#quiet && this.#disks.below(100) < this.#profile.slowWritePercent;
    const delayMs = slow ? this.#disks.below(150) : this.#disks.below(node.diskDelayTenths) / 10;
    // Writes finish in order: each waits for the one before it.
    const busyUntilMs = Math.max(this.#diskBusyMs.get(node) ?? 0, this.#queue.nowMs);
    const doneMs = busyUntilMs + delayMs;
    this.#diskBusyMs.set(node, doneMs);
    this.#queue.add(doneMs - this.#queue.nowMs, { type: "durable", node, life: node.life });
  }
  onRead(node: SimNode, grant: { requestId: number; index: number }): void {
    const floor = this.#pendingReads.get(grant.requestId);
    if (floor === undefined) return;
    this.#result.reads++;
    this.checker.onRead(node, { floor, index: grant.index });
  }

  onApplied(node: SimNode, index: number, term: number): void {
    const proposals = this.#proposals.get(node.id)!;
    const proposal = proposals.get(index);
    if (proposal === undefined) return;
    proposals.delete(index);
    if (proposal.term === term) this.#acknowledged.set(proposal.key, index);
  }

  /** A new leader is the best victim: half replicated logs are what the stories of the paper are made of. */
  onLeader(node: SimNode): void {
    this.#result.leaders++;
    if (this.#quiet) return;
    const random = this.#faults;
    if (random.below(100) < this.#profile.leaderMutePercent) {
      // Some don't hear it.
      const deaf = random.below(1 << this.nodes.length);
      for (const { id } of this.nodes) {
        if (((deaf >> (id - 1)) & 1) === 1) this.#cuts.add(node.id * 16 + id);
      }
    }
    if (random.below(100) < this.#profile.leaderCrashPercent) {
      this.#queue.add(random.below(60), { type: "crash", node, life: node.life });
    }
  }

  /** Nor is there a worse moment for a voter's power cut. */
  #onVote(message: Message): void {
    if (this.#quiet || this.#faults.below(100) >= this.#profile.voterCrashPercent) return;
    const node = this.nodes[message.from - 1]!;
    this.#queue.add(this.#faults.below(30) / 10, { type: "crash", node, life: node.life });
  }

  // Faults.

  #fault(): void {
    const random = this.#faults;
    const pick = random.below(100);
    const node = this.nodes[random.below(this.nodes.length)]!;
    const { crashPercent, cutPercent } = this.#profile;
    if (pick < crashPercent) return this.#crash(node);
    if (pick < crashPercent + cutPercent) return this.#cut();
    if (pick < crashPercent + cutPercent + 15) return this.#cuts.clear();
    if (pick < 88) {
      this.#lossPercent = random.below(this.#profile.lossPercentMax + 1);
    } else if (pick < 95) {
      node.pausedUntilMs = this.#queue.nowMs + random.below(400);
    } else if (pick < 97) {
      for (const each of this.nodes) this.#crash(each);
    } else {
      // The leader, just when it is busy.
      const leader = this.nodes.find(({ core }) => core?.role === "leader");
      if (leader) this.#crash(leader);
    }
  }

  #crash(node: SimNode): void {
    if (node.core === null) return;
    this.#result.crashes++;
    node.crash(this.#faults.below(node.disk.pending.length + 1));
    this.checker.onDurable(node);
    this.#diskBusyMs.delete(node);
    node.pausedUntilMs = 0;
    const delayMs = this.#faults.below(3) === 0 ? this.#faults.below(20) : this.#faults.below(500);
    this.#queue.add(delayMs, { type: "restart", node, life: node.life });
  }

  #cut(): void {
    const random = this.#faults;
    const size = this.nodes.length;
    if (random.below(2) === 0) {
      // One direction between two nodes.
      return void this.#cuts.add((1 + random.below(size)) * 16 + 1 + random.below(size));
    }
    const side = random.below(1 << size);
    for (let from = 1; from <= size; from++) {
      for (let to = 1; to <= size; to++) {
        if (((side >> from) & 1) !== ((side >> to) & 1)) this.#cuts.add(from * 16 + to);
      }
    }
  }

  // Clients.

  #doLoad(): void {
    const random = this.#load;
    for (const node of this.nodes) {
      if (node.core?.role !== "leader" || this.#isPaused(node)) continue;
      if (random.below(100) < 70) this.#propose(node, 1 + random.below(3));
      if (this.#quiet) continue;
      if (random.below(1000) < this.#profile.changePerMille) this.#change(node);
      if (random.below(1000) < 15) {
        node.core.transferLeadership(1 + random.below(this.nodes.length));
      }
      node.drain();
    }
    const reader = this.nodes[random.below(this.nodes.length)]!;
    if (reader.core === null || this.#isPaused(reader)) return;
    const requestId = this.#readId++;
    this.#pendingReads.set(requestId, Math.max(this.checker.committed, 0));
    if (this.#canary?.readsAtOnce && reader.core.role === "leader") {
      return this.onRead(reader, { requestId, index: reader.core.state.log.committed });
    }
    reader.core.readIndex(requestId);
    reader.drain();
  }

  #propose(node: SimNode, count: number): void {
    const keys = Array.from({ length: count }, () => `k${this.#key++}`);
    const proposal = node.core!.propose(keys.map((key) => encoder.encode(key)));
    if (proposal.ok) {
      this.#result.proposed += count;
      keys.forEach((key, i) =>
        this.#proposals.get(node.id)!.set(proposal.firstIndex + i, { term: proposal.term, key })
      );
    }
    node.drain();
  }

  #change(node: SimNode): void {
    const { config } = node.core!.state;
    const random = this.#load;
    const draw = (ids: readonly number[]) => ids.filter(() => random.below(3) === 0);
    const outside = this.nodes.map(({ id }) => id).filter((id) => !isMember(config, id));
    const kind = random.below(4);
    const change: MembershipChange = kind === 0
      ? { addLearners: draw(outside) }
      : kind === 1
      ? { promote: draw(config.learners) }
      : kind === 2
      ? { remove: draw(members(config)) }
      : { promote: draw(config.learners), remove: draw(config.voters) };
    if (node.core!.changeMembership(change).ok) this.#result.membershipChanges++;
  }

  // Everything comes back.

  #recover(): void {
    this.#quiet = true;
    this.#cuts.clear();
    for (const node of this.nodes) {
      node.pausedUntilMs = 0;
      if (node.core === null) this.#start(node);
    }
    const boundMs = RECOVERY_TIMEOUTS * this.#limits.electionTicks * 12;
    const endMs = this.#queue.nowMs + boundMs;
    const needed = this.#key;
    while (!this.#isWell(needed)) {
      if (this.#queue.nowMs > endMs) {
        throw new InvariantError(
          `no progress within ${boundMs} ms without faults:\n${this.#describe()}`,
        );
      }
      this.#step();
    }
    for (const [key, index] of this.#acknowledged) {
      if (this.checker.keyIndex(key) !== index) {
        throw new InvariantError(`${key} was acknowledged at ${index}, but is not there`);
      }
    }
  }

  /** A leader whose configuration is settled, with new commands applied on all members. */
  #isWell(needed: number): boolean {
    const leader = this.nodes.find(({ core }) => core?.role === "leader");
    if (leader === undefined) return false;
    const { log, configs, config } = leader.core!.state;
    if (config.votersOutgoing.length > 0 || configs.index > log.committed) return false;
    if (log.termAt(log.committed) !== leader.core!.term) return false;
    // Of this phase.
    if (!this.#hasAcknowledgedSince(needed)) return false;
    return members(config).every((id) => {
      const { core } = this.nodes[id - 1]!;
      return core !== null && core.leader === leader.id &&
        core.state.log.applied >= log.committed - 20;
    });
  }

  #hasAcknowledgedSince(needed: number): boolean {
    for (let key = needed; key < this.#key; key++) {
      if (this.#acknowledged.has(`k${key}`)) return true;
    }
    return false;
  }

  #describe(): string {
    return this.nodes.map(({ id, core }) => {
      if (core === null) return `  node ${id} is down`;
      const { log, config } = core.state;
      return `  node ${id} ${core.role} term ${core.term} leader ${core.leader} last ${log.lastIndex} ` +
        `committed ${log.committed} applied ${log.applied} base ${log.baseIndex} ${
          formatConfiguration(config)
        }` +
        [...core.state.progress].map(([peer, { state, match, next }]) =>
          ` [${peer} ${state} ${match}/${next}]`
        ).join("");
    }).join("\n");
  }

  #describeEvent(event: Event): string {
    const at = this.#queue.nowMs.toFixed(1);
    const line = event.type === "deliver"
      ? `deliver ${formatMessage(event.message)}`
      : "node" in event
      ? `${event.type} ${event.node.id}`
      : event.type;
    const states = this.nodes.map(({ core }) =>
      core === null
        ? "-"
        : `${core.role[0]}${core.term}:${core.state.log.lastIndex}/${core.state.log.committed}`
    );
    return `${at} ${line} | ${states.join(" ")}`;
  }
}
