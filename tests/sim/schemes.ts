/**
 * Faults that play together: stories in which a rule of DESIGN.md §6 is all that stands between an
 * acknowledged entry and its loss.
 *
 * @module
 */

import { ByteWriter } from "../../world/mod.ts";
import { openSegmentOf } from "../../server/metadata/mod.ts";
import { batchOf } from "../../storage/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Machine } from "./machine.ts";
import type { Rot } from "./rot.ts";
import type { MethodName } from "./rpc_tap.ts";
import type { Shape } from "./shape.ts";

/** A fault that waits for a message. */
export interface Ambush {
  method: MethodName;
  /** Messages of that kind that pass before. */
  countdown: number;
  victim: "sender" | "receiver";
  delayMs: number;
  act: (victim: Machine) => void;
}

/** What the schemes are carried out with. */
export interface SchemeTools {
  clock: SimClock;
  network: SimNetwork;
  random: SeededRandom;
  shape: Shape;
  machines: readonly Machine[];
  rot: Rot;
  isRunning: () => boolean;
  note: (fault: string, details?: string) => void;
  crash: (machine: Machine, mode?: "lost") => void;
  kill: (machine: Machine, downMs?: number) => void;
  /** Raft's messages don't reach them for a while. */
  deafen: (hearers: readonly Machine[], forMs: number) => void;
  slowDown: (machine: Machine, options: { forMs: number; rate: number }) => void;
  cutFor: (
    left: string[],
    right: string[],
    options: { bothWays: boolean; forMs?: number },
  ) => void;
  ambush: (ambush: Ambush) => void;
  callOff: (act: Ambush["act"]) => void;
}

/** One per simulation. */
export class Schemes {
  readonly #tools: SchemeTools;

  constructor(tools: SchemeTools) {
    this.#tools = tools;
  }

  /**
   * The writer of an open segment is cut off from all nodes but one of its replicas, and neither of the
   * two learns metadata any more; the writer's clock, and its lease with it, nearly stand still. Others
   * seal the segment meanwhile. At times the replica loses power just after its fence.
   */
  usurp(): void {
    const random = this.#tools.random;
    const { machines, clock } = this.#tools;
    const open = this.#openSegment();
    if (open === null || open.replicas.length < 2) return;
    const [writer, ...followers] = open.replicas;
    const follower = random.pick(followers);
    const pair = [machines[writer! - 1]!, machines[follower - 1]!];
    const others = machines.filter((machine) => !pair.includes(machine)).map(({ host }) => host);
    this.#tools.note("usurp", `${pair[0]!.host} with ${pair[1]!.host}`);
    const forMs = random.between(1500, 5000);
    this.#tools.deafen(pair, forMs);
    this.#tools.slowDown(pair[0]!, { forMs, rate: 0.05 });
    this.#tools.cutFor([pair[0]!.host], others, { bothWays: random.chance(0.8), forMs });
    if (random.chance(0.5)) return;
    const act = (victim: Machine) => victim === pair[1] && this.#tools.crash(victim, "lost");
    for (let n = 0; n < 3; n++) {
      const delayMs = random.between(0.1, 6);
      this.#tools.ambush({ method: "fence", countdown: n, victim: "receiver", delayMs, act });
    }
    clock.after(forMs, () => this.#tools.callOff(act));
  }

  /**
   * The writer of an open segment is thought dead, and lives on beside one of its replicas, which loses power
   * when it has answered a fence, and the fence with it. The other replica's answer comes late: the recovery
   * still counts the first one's. (DESIGN.md §6, "Certain", tells this story.)
   */
  doubt(): void {
    const random = this.#tools.random;
    const { machines, clock, network } = this.#tools;
    const open = this.#openSegment();
    if (open === null || open.replicas.length !== 3) return;
    const at = (id: number | undefined) => machines[id! - 1]!;
    const writer = at(open.replicas[0]);
    const rotten = open.replicas.slice(1).find((id) => id === this.#tools.rot.victim?.nodeId);
    const forgetful = at(rotten ?? random.pick(open.replicas.slice(1)));
    const late = at(open.replicas.find((id) => at(id) !== writer && at(id) !== forgetful));
    if (!this.#tools.rot.mayStrike(forgetful)) return;
    this.#tools.note("doubt", `${writer.host} with ${forgetful.host}, late ${late.host}`);
    const forMs = random.between(2500, 5000);
    this.#tools.deafen([writer], forMs);
    // Enough for its lease to last until then, and not too much for it to find its replica again.
    this.#tools.slowDown(writer, { forMs, rate: 0.4 });
    const others = machines.filter((machine) => machine !== writer && machine !== forgetful);
    this.#tools.cutFor([writer.host], others.map(({ host }) => host), { bothWays: true, forMs });
    const act = (victim: Machine) => {
      if (victim === late) {
        const lateMs = random.between(300, 1500);
        for (const { host } of machines) {
          if (host !== late.host) network.stall(late.host, host, lateMs);
        }
      } else if (victim === forgetful && victim.state === "up") {
        // By then it has answered, at times.
        clock.after(random.between(15, 80), () => {
          if (!this.#tools.isRunning() || !this.#tools.rot.mayStrike(forgetful)) return;
          this.#tools.crash(forgetful, "lost");
          if (this.#tools.rot.flipIn(forgetful, fenceOf(open))) {
            this.#tools.note("forget fence", forgetful.host);
          }
        });
      }
    };
    for (let n = 0; n < 3; n++) {
      this.#tools.ambush({ method: "fence", countdown: n, victim: "receiver", delayMs: 0, act });
    }
    clock.after(forMs, () => this.#tools.callOff(act));
  }

  /**
   * One replica lags behind for a while; then the other one, which the writer's majority rested on, loses
   * power, and the writer dies.
   */
  forget(): void {
    const random = this.#tools.random;
    const { machines, network, clock } = this.#tools;
    const open = this.#openSegment();
    if (open === null || open.replicas.length < 3) return;
    const [writer, forgetful, ...laggards] = random.chance(0.5)
      ? open.replicas
      : [open.replicas[0]!, ...open.replicas.slice(1).reverse()];
    const at = (id: number | undefined) => machines[id! - 1]!;
    this.#tools.note("forget", `${at(writer).host} and ${at(forgetful).host}`);
    const lagMs = random.between(20, 400);
    for (const laggard of laggards) network.cut(at(writer).host, at(laggard).host);
    clock.after(lagMs, () => {
      if (this.#tools.isRunning()) {
        this.#tools.crash(at(forgetful), "lost");
        this.#tools.kill(at(writer), random.between(1000, 6000));
      }
      for (const laggard of laggards) network.heal(at(writer).host, at(laggard).host);
    });
  }

  /** Where the open segment of a topic is, as a node that runs knows it: the writer first. */
  #openSegment(): { topic: string; segment: number; replicas: readonly number[] } | null {
    const { machines, shape } = this.#tools;
    const name = this.#tools.random.pick(shape.topics);
    const states = machines.map(({ node }) => node?.inspect().metadata.topics.get(name));
    const newest = states.filter((topic) => topic !== undefined)
      .sort((a, b) => openSegmentOf(b).number - openSegmentOf(a).number)[0];
    const open = newest?.segments.at(-1);
    if (!open) return null;
    const replicas = [open.leader, ...open.replicas.filter((id) => id !== open.leader)];
    return { topic: name, segment: open.number, replicas };
  }
}

/** The record of a segment's fence, as it stands on disk (server/segments/fences.ts). */
function fenceOf(target: { topic: string; segment: number }): Uint8Array {
  return batchOf(new ByteWriter().string(target.topic).u32(target.segment).u8(0).view).bytes
    .slice();
}
