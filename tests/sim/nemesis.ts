/**
 * The faults of one simulation, within what DESIGN.md §10 promises to survive.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Machine } from "./machine.ts";
import type { Operator } from "./operator.ts";
import type { MethodName } from "./rpc_tap.ts";
import type { FaultName, Shape } from "./shape.ts";
import type { Transcript } from "./transcript.ts";

/** What the faults are done to. */
export interface NemesisParts {
  clock: SimClock;
  network: SimNetwork;
  random: SeededRandom;
  shape: Shape;
  transcript: Transcript;
  machines: readonly Machine[];
  operator: Operator;
  /** Whether all replicas hold what they should, so that a disk may forget something again. */
  isWhole: () => boolean;
}

/** A fault that waits for a message. */
interface Ambush {
  method: MethodName;
  /** Messages of that kind that pass before. */
  countdown: number;
  victim: "sender" | "receiver";
  delayMs: number;
  act: (victim: Machine) => void;
}

const AMBUSH_METHODS: readonly MethodName[] = [
  "propose",
  "fence",
  "fence",
  "complete",
  "fetch",
  "replicate",
  "probe",
  "append",
  "take",
];

/** One per simulation. */
export class Nemesis {
  readonly #parts: NemesisParts;
  readonly #random: SeededRandom;
  readonly #counts = new Map<string, number>();
  #ambushes: Ambush[] = [];
  /** Hosts that messages of Raft don't reach: they learn metadata late. */
  readonly #deaf = new Set<string>();
  #isRunning = false;
  /** In modes other than `each`, a power loss that isn't repaired yet. */
  #hasLost = false;

  constructor(parts: NemesisParts) {
    this.#parts = parts;
    this.#random = parts.random;
  }

  /** How often each fault was done. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  async run(): Promise<void> {
    const { clock, shape } = this.#parts;
    this.#isRunning = true;
    const endMs = clock.nowMs() + shape.faultPhaseMs;
    for (const machine of this.#parts.machines) {
      if (!machine.hasRun) this.#startLater(machine, this.#random.between(0, shape.faultPhaseMs));
    }
    while (clock.nowMs() < endMs && this.#isRunning) {
      await sleep(clock, this.#random.between(0, 2 * shape.faultEveryMs));
      this.#strike(this.#draw());
    }
  }

  /** Ends all faults and has everything run again that can. */
  end(): void {
    this.#isRunning = false;
    this.#ambushes = [];
    this.#deaf.clear();
    this.#parts.network.healAll();
    for (const machine of this.#parts.machines) {
      machine.setClockRate(1);
      machine.drive.clearFaults();
      machine.drive.capacityBytes = Infinity;
      machine.resume();
      if (machine.isDiskFaulty) {
        machine.crash();
        machine.isDiskFaulty = false;
      }
      machine.start();
    }
  }

  /** A node is about to send a message to another one: whether it arrives. */
  onMessage(method: MethodName, sender: Machine, receiver: Machine): boolean {
    for (const ambush of this.#ambushes) {
      if (ambush.method !== method || ambush.countdown-- > 0) continue;
      this.#ambushes = this.#ambushes.filter((other) => other !== ambush);
      const victim = ambush.victim === "sender" ? sender : receiver;
      if (ambush.delayMs === 0) ambush.act(victim);
      else this.#parts.clock.after(ambush.delayMs, () => this.#isRunning && ambush.act(victim));
      break;
    }
    return method !== "raft" || !(this.#deaf.has(receiver.host) || this.#deaf.has(sender.host));
  }

  #draw(): FaultName {
    const weights = Object.entries(this.#parts.shape.faults) as [FaultName, number][];
    let left = this.#random.below(weights.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [fault, weight] of weights) {
      left -= weight;
      if (left < 0) return fault;
    }
    throw new Error("weights are positive");
  }

  #note(fault: string, details = ""): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
    this.#parts.transcript.add("nemesis", `${fault} ${details}`);
  }

  #strike(fault: FaultName): void {
    const random = this.#random;
    const { machines, network, clock } = this.#parts;
    const one = random.pick(machines);
    const host = () => random.pick(machines).host;
    switch (fault) {
      case "killOne":
        return this.#kill(one);
      case "crashOne":
        return this.#crash(one);
      case "killSome": {
        const count = 1 + random.below(machines.length);
        return this.#shuffled().slice(0, count).forEach((machine) => this.#kill(machine));
      }
      case "crashAll":
        return machines.forEach((machine) => this.#crash(machine));
      case "pause":
        return this.#pause(one);
      case "partition": {
        const hosts = this.#shuffled().map((machine) => machine.host);
        const at = 1 + random.below(hosts.length - 1);
        this.#note(fault, `${hosts.slice(0, at)} | ${hosts.slice(at)}`);
        return this.#cutFor(hosts.slice(0, at), hosts.slice(at), { bothWays: true });
      }
      case "isolate": {
        const others = machines.filter((other) => other !== one).map((other) => other.host);
        this.#note(fault, one.host);
        return this.#cutFor([one.host], others, { bothWays: true });
      }
      case "oneWay": {
        const to = host();
        if (to === one.host) return;
        this.#note(fault, `${one.host} → ${to}`);
        return this.#cutFor([one.host], [to], { bothWays: false });
      }
      case "partial": {
        const to = host();
        if (to === one.host) return;
        this.#note(fault, `${one.host} ↔ ${to}`);
        return this.#cutFor([one.host], [to], { bothWays: true });
      }
      case "stall": {
        const to = host();
        const forMs = random.between(5, 1500);
        this.#note(fault, `${one.host} → ${to} ${forMs.toFixed(0)}`);
        return network.stall(one.host, to, forMs);
      }
      case "ambush":
        return this.#ambush();
      case "failSync":
      case "failWrite":
        return this.#failDisk(one, fault === "failSync" ? "sync" : "write");
      case "fillDisk": {
        if (one.isDiskFaulty) return;
        this.#note(fault, one.host);
        one.drive.capacityBytes = one.drive.usedBytes + random.below(16 * 1024);
        const { drive } = one;
        clock.after(random.between(100, 4000), () => drive.capacityBytes = Infinity);
        return;
      }
      case "stopGracefully":
        if (one.state !== "up" || one.isPaused) return;
        this.#note(fault, one.host);
        one.stop();
        return this.#startLater(one, random.between(3000, 8000));
      case "jumpWall":
        this.#note(fault);
        return clock.jumpWall(random.between(-1e7, 1e7));
      case "resetLinks":
        this.#note(fault, one.host);
        return network.resetBetween(one.host, host());
      case "raftDeaf":
        this.#note(fault, one.host);
        return this.#deafen([one], random.between(200, 4000));
      case "slowClock":
        this.#note(fault, one.host);
        return this.#slowDown(one, random.between(500, 5000));
      case "usurp":
        return this.#usurp();
      case "forget":
        return this.#forget();
      case "replaceNode":
        if (machines.length < 4 || !this.#canSpare(one)) return;
        this.#note(fault, one.host);
        return void this.#parts.operator.replace(one);
      case "loseDisk":
        if (machines.length < 4 || !this.#canSpare(one)) return;
        this.#note(fault, one.host);
        return void this.#parts.operator.loseDisk(one);
    }
  }

  #kill(machine: Machine, downMs?: number): void {
    if (machine.state === "off" || machine.state === "refused") return;
    this.#note("kill", machine.host);
    machine.kill();
    this.#startLater(machine, downMs);
  }

  /** Power loss where it is survivable: what `each` acknowledged is synced, other modes bear one at a time. */
  #crash(machine: Machine, mode?: "lost"): void {
    if (machine.state === "off" || machine.state === "refused") return;
    const { shape, isWhole } = this.#parts;
    if (shape.durability !== "each") {
      if (shape.replicationFactor < 2 || (this.#hasLost && !isWhole())) return this.#kill(machine);
      this.#hasLost = true;
    }
    this.#note("crash", machine.host);
    machine.crash(mode);
    this.#startLater(machine);
  }

  #startLater(
    machine: Machine,
    delayMs = this.#random.between(0, this.#parts.shape.restartMsMax),
  ): void {
    this.#parts.clock.after(delayMs, () => machine.start());
  }

  #pause(machine: Machine): void {
    if (machine.state !== "up" || machine.isPaused) return;
    const forMs = this.#random.pick([50, 400, 1200, 3000, 6000]) * this.#random.between(0.5, 1);
    this.#note("pause", `${machine.host} ${forMs.toFixed(0)}`);
    machine.pause();
    this.#parts.clock.after(forMs, () => machine.resume());
  }

  #cutFor(
    left: string[],
    right: string[],
    options: { bothWays: boolean; forMs?: number },
  ): void {
    const { network, clock } = this.#parts;
    const pairs = left.flatMap((from) => right.map((to) => [from, to] as const));
    for (const [from, to] of pairs) {
      network.cut(from, to);
      if (options.bothWays) network.cut(to, from);
    }
    clock.after(options.forMs ?? this.#random.between(50, 5000), () => {
      for (const [from, to] of pairs) {
        network.heal(from, to);
        if (options.bothWays) network.heal(to, from);
      }
    });
  }

  /** Whether a disk may be lost for good: everything is on three nodes, and no other disk lacks anything. */
  #canSpare(machine: Machine): boolean {
    const { machines, operator, isWhole, shape } = this.#parts;
    if (operator.isBusy || machine.state !== "up" || shape.durability !== "each" || !isWhole()) {
      return false;
    }
    const states = machines.map(({ node }) => node!.inspect().metadata);
    return states.every(({ nodes, topics }) =>
      nodes.size === machines.length &&
      [...topics.values()].every(({ segments }) =>
        segments.every(({ replicas }) => replicas.length >= 3)
      )
    );
  }

  /** Something happens to a node at the very message. */
  #ambush(): void {
    const random = this.#random;
    const act = random.pick([
      (victim: Machine) => this.#crash(victim),
      (victim: Machine) => this.#crash(victim),
      (victim: Machine) => this.#kill(victim),
      (victim: Machine) => this.#pause(victim),
      (victim: Machine) => {
        const others = this.#parts.machines.filter((other) => other !== victim);
        this.#note("cut off", victim.host);
        this.#cutFor([victim.host], others.map((other) => other.host), {
          bothWays: random.chance(0.7),
        });
      },
    ]);
    const method = random.pick(AMBUSH_METHODS);
    this.#note("ambush", method);
    this.#ambushes.push({
      method,
      countdown: random.below(method === "replicate" || method === "append" ? 30 : 4),
      victim: random.pick(["sender", "receiver"]),
      delayMs: random.pick([0, 0, random.between(0, 2), random.between(0, 20)]),
      act,
    });
  }

  /**
   * The writer of an open segment is cut off from all nodes but one of its replicas, and neither of the
   * two learns metadata any more; the writer's clock, and its lease with it, nearly stand still. Others
   * seal the segment meanwhile. At times the replica loses power just after its fence.
   */
  #usurp(): void {
    const random = this.#random;
    const { machines, clock } = this.#parts;
    const open = this.#openSegment();
    if (open === null || open.replicas.length < 2) return;
    const [writer, ...followers] = open.replicas;
    const follower = random.pick(followers);
    const pair = [machines[writer! - 1]!, machines[follower - 1]!];
    const others = machines.filter((machine) => !pair.includes(machine)).map(({ host }) => host);
    this.#note("usurp", `${pair[0]!.host} with ${pair[1]!.host}`);
    const forMs = random.between(1500, 5000);
    this.#deafen(pair, forMs);
    this.#slowDown(pair[0]!, forMs);
    this.#cutFor([pair[0]!.host], others, { bothWays: random.chance(0.8), forMs });
    if (random.chance(0.5)) return;
    const act = (victim: Machine) => victim === pair[1] && this.#crash(victim, "lost");
    for (let n = 0; n < 3; n++) {
      const delayMs = random.between(0.1, 6);
      this.#ambushes.push({ method: "fence", countdown: n, victim: "receiver", delayMs, act });
    }
    clock.after(
      forMs,
      () => this.#ambushes = this.#ambushes.filter((ambush) => ambush.act !== act),
    );
  }

  /**
   * One replica lags behind for a while; then the other one, which the writer's majority rested on, loses
   * power, and the writer dies.
   */
  #forget(): void {
    const random = this.#random;
    const { machines, network, clock } = this.#parts;
    const open = this.#openSegment();
    if (open === null || open.replicas.length < 3) return;
    const [writer, forgetful, ...laggards] = random.chance(0.5)
      ? open.replicas
      : [open.replicas[0]!, ...open.replicas.slice(1).reverse()];
    const at = (id: number | undefined) => machines[id! - 1]!;
    this.#note("forget", `${at(writer).host} and ${at(forgetful).host}`);
    const lagMs = random.between(20, 400);
    for (const laggard of laggards) network.cut(at(writer).host, at(laggard).host);
    clock.after(lagMs, () => {
      if (this.#isRunning) {
        this.#crash(at(forgetful), "lost");
        this.#kill(at(writer), random.between(1000, 6000));
      }
      for (const laggard of laggards) network.heal(at(writer).host, at(laggard).host);
    });
  }

  /** Where the open segment of a topic is, as a node that runs knows it: the writer first. */
  #openSegment(): { replicas: readonly number[] } | null {
    const { machines, shape } = this.#parts;
    const name = this.#random.pick(shape.topics);
    const states = machines.map(({ node }) => node?.inspect().metadata.topics.get(name));
    const newest = states.filter((topic) => topic !== undefined)
      .sort((a, b) => b.segments.length - a.segments.length)[0];
    const open = newest?.segments.at(-1);
    if (!open) return null;
    return { replicas: [open.leader, ...open.replicas.filter((id) => id !== open.leader)] };
  }

  #deafen(hearers: readonly Machine[], forMs: number): void {
    for (const { host } of hearers) this.#deaf.add(host);
    this.#parts.clock.after(forMs, () => {
      for (const { host } of hearers) this.#deaf.delete(host);
    });
  }

  #slowDown(machine: Machine, forMs: number): void {
    machine.setClockRate(0.05);
    this.#parts.clock.after(forMs, () => machine.setClockRate(1));
  }

  /** One failure of the disk; the node is started again later, as an operator would. */
  #failDisk(machine: Machine, op: "sync" | "write"): void {
    if (machine.state !== "up" || this.#parts.machines.some((other) => other.isDiskFaulty)) return;
    if (this.#parts.shape.durability !== "each") return;
    this.#note(`fail ${op}`, machine.host);
    machine.isDiskFaulty = true;
    machine.drive.fail({ op, code: "Io", after: this.#random.below(20) });
    this.#parts.clock.after(this.#random.between(500, 5000), () => {
      machine.drive.clearFaults();
      if (!this.#isRunning) return;
      // The process only: what its page cache shows and the disk never got must not be believed.
      if (machine.state !== "off") this.#kill(machine);
      machine.isDiskFaulty = false;
    });
  }

  #shuffled(): Machine[] {
    const left = [...this.#parts.machines];
    const shuffled: Machine[] = [];
    while (left.length > 0) shuffled.push(left.splice(this.#random.below(left.length), 1)[0]!);
    return shuffled;
  }
}
