/**
 * The faults of one simulation, within what DESIGN.md §10 promises to survive.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Machine } from "./machine.ts";
import type { MethodName } from "./rpc_tap.ts";
import type { Shape } from "./shape.ts";
import type { Transcript } from "./transcript.ts";

/** What the faults are done to. */
export interface NemesisParts {
  clock: SimClock;
  network: SimNetwork;
  random: SeededRandom;
  shape: Shape;
  transcript: Transcript;
  machines: readonly Machine[];
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

/** Faults by their weight. */
const FAULTS = {
  killOne: 4,
  crashOne: 6,
  killSome: 2,
  crashAll: 1,
  pause: 4,
  partition: 4,
  isolate: 3,
  oneWay: 3,
  partial: 3,
  stall: 3,
  ambush: 8,
  failSync: 1,
  failWrite: 1,
  fillDisk: 1,
  stopGracefully: 2,
  jumpWall: 1,
  resetLinks: 1,
} as const;
type Fault = keyof typeof FAULTS;

/** One per simulation. */
export class Nemesis {
  readonly #parts: NemesisParts;
  readonly #random: SeededRandom;
  readonly #counts = new Map<string, number>();
  #ambushes: Ambush[] = [];
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
    while (clock.nowMs() < endMs && this.#isRunning) {
      await sleep(clock, this.#random.between(0, 2 * shape.faultEveryMs));
      this.#strike(this.#draw());
    }
  }

  /** Ends all faults and has everything run again that can. */
  end(): void {
    this.#isRunning = false;
    this.#ambushes = [];
    this.#parts.network.healAll();
    for (const machine of this.#parts.machines) {
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

  /** A node is about to send a message to another one. */
  onMessage(method: MethodName, sender: Machine, receiver: Machine): void {
    for (const ambush of this.#ambushes) {
      if (ambush.method !== method || ambush.countdown-- > 0) continue;
      this.#ambushes = this.#ambushes.filter((other) => other !== ambush);
      const victim = ambush.victim === "sender" ? sender : receiver;
      if (ambush.delayMs === 0) ambush.act(victim);
      else this.#parts.clock.after(ambush.delayMs, () => this.#isRunning && ambush.act(victim));
      return;
    }
  }

  #draw(): Fault {
    let left = this.#random.below(Object.values(FAULTS).reduce((sum, weight) => sum + weight, 0));
    for (const [fault, weight] of Object.entries(FAULTS)) {
      left -= weight;
      if (left < 0) return fault as Fault;
    }
    throw new Error("weights are positive");
  }

  #note(fault: string, details = ""): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
    this.#parts.transcript.add("nemesis", `${fault} ${details}`);
  }

  #strike(fault: Fault): void {
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
    }
  }

  #kill(machine: Machine): void {
    if (machine.state === "off" || machine.state === "refused") return;
    this.#note("kill", machine.host);
    machine.kill();
    this.#startLater(machine);
  }

  /** Power loss where it is survivable: what `each` acknowledged is synced, other modes bear one at a time. */
  #crash(machine: Machine): void {
    if (machine.state === "off" || machine.state === "refused") return;
    const { shape, isWhole } = this.#parts;
    if (shape.durability !== "each") {
      if (shape.replicationFactor < 2 || (this.#hasLost && !isWhole())) return this.#kill(machine);
      this.#hasLost = true;
    }
    this.#note("crash", machine.host);
    machine.crash();
    this.#startLater(machine);
  }

  #startLater(machine: Machine, delayMs = this.#random.between(0, 3000)): void {
    this.#parts.clock.after(delayMs, () => machine.start());
  }

  #pause(machine: Machine): void {
    if (machine.state !== "up" || machine.isPaused) return;
    const forMs = this.#random.pick([50, 400, 1200, 3000, 6000]) * this.#random.between(0.5, 1);
    this.#note("pause", `${machine.host} ${forMs.toFixed(0)}`);
    machine.pause();
    this.#parts.clock.after(forMs, () => machine.resume());
  }

  #cutFor(left: string[], right: string[], options: { bothWays: boolean }): void {
    const { network, clock } = this.#parts;
    const pairs = left.flatMap((from) => right.map((to) => [from, to] as const));
    for (const [from, to] of pairs) {
      network.cut(from, to);
      if (options.bothWays) network.cut(to, from);
    }
    clock.after(this.#random.between(50, 5000), () => {
      for (const [from, to] of pairs) {
        network.heal(from, to);
        if (options.bothWays) network.heal(to, from);
      }
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

  /** One failure of the disk; the node is started again later, as an operator would. */
  #failDisk(machine: Machine, op: "sync" | "write"): void {
    if (machine.state !== "up" || this.#parts.machines.some((other) => other.isDiskFaulty)) return;
    this.#note(`fail ${op}`, machine.host);
    machine.isDiskFaulty = true;
    machine.drive.fail({ op, code: "Io", after: this.#random.below(20) });
    this.#parts.clock.after(this.#random.between(500, 5000), () => {
      machine.drive.clearFaults();
      if (!this.#isRunning) return;
      // After a failed sync the page cache is not to be trusted: the machine is restarted, not the process.
      if (machine.state !== "off") this.#crash(machine);
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
