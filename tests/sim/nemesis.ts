/**
 * The faults of one simulation, within what DESIGN.md §10 promises to survive.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Machine } from "./machine.ts";
import type { Operator } from "./operator.ts";
import { Rot } from "./rot.ts";
import type { MethodName } from "./rpc_tap.ts";
import { type Ambush, Schemes } from "./schemes.ts";
import { type FaultName, isSynced, leastReplicas, type Shape } from "./shape.ts";
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

/** How often a machine whose disk rotted is looked at once the faults have ended. */
const LOOK_MS = 100;

/** One per simulation. */
export class Nemesis {
  readonly #parts: NemesisParts;
  readonly #random: SeededRandom;
  readonly #counts = new Map<string, number>();
  readonly #rot: Rot;
  readonly #schemes: Schemes;
  #ambushes: Ambush[] = [];
  /** Hosts that messages of Raft don't reach: they learn metadata late. */
  readonly #deaf = new Set<string>();
  #isRunning = false;
  #isSettled = false;
  #isRestartingAll = false;
  /** In modes other than `each`, a power loss that isn't repaired yet. */
  #hasLost = false;

  constructor(parts: NemesisParts) {
    this.#parts = parts;
    this.#random = parts.random;
    this.#rot = new Rot(parts.random.fork("rot"));
    this.#schemes = new Schemes({
      ...parts,
      rot: this.#rot,
      isRunning: () => this.#isRunning,
      note: (...args) => this.#note(...args),
      crash: (...args) => this.#crash(...args),
      kill: (...args) => this.#kill(...args),
      deafen: (...args) => this.#deafen(...args),
      slowDown: (...args) => this.#slowDown(...args),
      cutFor: (...args) => this.#cutFor(...args),
      ambush: (ambush) => this.#ambushes.push(ambush),
      callOff: (act) => this.#ambushes = this.#ambushes.filter((ambush) => ambush.act !== act),
    });
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
      this.#maybeReplaceRotten();
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
    this.#mendRotten();
  }

  /**
   * Nothing is left to be done about disks that rotted, and nobody is about to stop: a node that was told to by the
   * last fault serves clients for a while, and would end amid those who count on every node.
   */
  get isSettled(): boolean {
    return this.#isSettled && this.#parts.machines.every(({ state }) => state !== "stopping");
  }

  /** Some disk has rotted. */
  get hasRotted(): boolean {
    return this.#rot.hasStruck;
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
      case "blackout":
        this.#note(fault);
        return machines.forEach((machine) => this.#crash(machine, "lost"));
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
      case "rollingRestart":
        this.#note(fault);
        return void this.#restartAll();
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
        return this.#slowDown(one, { forMs: random.between(500, 5000), rate: 0.05 });
      case "usurp":
        return this.#schemes.usurp();
      case "doubt":
        return this.#schemes.doubt();
      case "forget":
        return this.#schemes.forget();
      case "replaceNode":
        if (machines.length < 4 || !this.#canSpare(one)) return;
        this.#note(fault, one.host);
        return void this.#parts.operator.replace(one);
      case "loseDisk":
        if (machines.length < 4 || !this.#canSpare(one)) return;
        this.#note(fault, one.host);
        return void this.#parts.operator.loseDisk(one);
      case "flipBit":
      case "cutFile":
      case "oldFile":
        return this.#rotAway(this.#rot.victim ?? one, fault);
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
    if (!isSynced(shape) && !shape.isBeyondPromise) {
      if (leastReplicas(shape) < 2 || (this.#hasLost && !isWhole())) return this.#kill(machine);
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

  /** Every node in turn is stopped in good order and started again, as for an upgrade. */
  async #restartAll(): Promise<void> {
    const { clock, machines } = this.#parts;
    if (this.#isRestartingAll) return;
    this.#isRestartingAll = true;
    for (const machine of machines) {
      if (!this.#isRunning) break;
      machine.stop();
      while (machine.state === "stopping") await sleep(clock, LOOK_MS);
      machine.start();
      while (this.#isRunning && machine.state !== "up") await sleep(clock, LOOK_MS);
      await sleep(clock, this.#random.between(0, 500));
    }
    this.#isRestartingAll = false;
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

  /** Whether a disk may be lost for good: everything, metadata too, is on three nodes, and no other disk lacks anything. */
  #canSpare(machine: Machine): boolean {
    const { machines, operator, isWhole, shape } = this.#parts;
    if (operator.isBusy || machine.state !== "up" || !isSynced(shape) || !isWhole()) {
      return false;
    }
    if (!this.#rot.mayStrike(machine)) return false;
    return machines.every(({ node }) => {
      const { metadata: { nodes, topics }, voters } = node!.inspect();
      // Nodes that joined just now don't vote yet: two voters bear no loss.
      return nodes.size === machines.length && voters.length >= 3 &&
        [...topics.values()].every(({ segments }) =>
          segments.every(({ replicas }) => replicas.length >= 3)
        );
    });
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

  #deafen(hearers: readonly Machine[], forMs: number): void {
    for (const { host } of hearers) this.#deaf.add(host);
    this.#parts.clock.after(forMs, () => {
      for (const { host } of hearers) this.#deaf.delete(host);
    });
  }

  #slowDown(machine: Machine, options: { forMs: number; rate: number }): void {
    machine.setClockRate(options.rate);
    this.#parts.clock.after(options.forMs, () => machine.setClockRate(1));
  }

  /** One failure of the disk; the node is started again later, as an operator would. */
  #failDisk(machine: Machine, op: "sync" | "write"): void {
    if (machine.state !== "up" || this.#parts.machines.some((other) => other.isDiskFaulty)) return;
    if (!isSynced(this.#parts.shape)) return;
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

  #rotAway(machine: Machine, fault: "flipBit" | "cutFile" | "oldFile"): void {
    // Another disk must be able to take its place, with all that it held.
    if (this.#rot.victim === null && !this.#canSpare(machine)) return;
    if (machine.state === "refused") return;
    if (fault === "flipBit") return this.#note(fault, this.#rot.flip(machine) ?? "");
    if (fault === "cutFile") {
      this.#kill(machine);
      return this.#note(fault, this.#rot.cut(machine) ?? "");
    }
    const putBack = this.#rot.copy(machine);
    this.#parts.clock.after(this.#random.between(50, 3000), () => {
      if (!this.#isRunning || machine.state === "refused" || putBack === null) return;
      this.#kill(machine);
      this.#note(fault, putBack());
    });
  }

  /** A node that won't start with what is left on its disk is removed, and joins again with another one. */
  #maybeReplaceRotten(): void {
    const { victim } = this.#rot;
    if (victim?.state === "refused") this.#parts.operator.replace(victim);
  }

  /** ⛔ Only who won't start: a member that has forgotten what it acknowledged finds that out, and ends, by itself. */
  async #mendRotten(): Promise<void> {
    const { clock } = this.#parts;
    while (this.#rot.victim !== null && this.#rot.victim.state !== "up") {
      this.#maybeReplaceRotten();
      await sleep(clock, LOOK_MS);
    }
    this.#isSettled = true;
  }

  #shuffled(): Machine[] {
    const left = [...this.#parts.machines];
    const shuffled: Machine[] = [];
    while (left.length > 0) shuffled.push(left.splice(this.#random.below(left.length), 1)[0]!);
    return shuffled;
  }
}
