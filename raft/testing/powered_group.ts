/**
 * Raft nodes on the real store over simulated drives, which lose power, fill up and fail.
 *
 * @module
 */

import { type LogStore, openLogStore } from "../../storage/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { RaftNode } from "../node.ts";
import type { RaftOptions } from "../node_options.ts";
import { ListMachine } from "./list_machine.ts";

export interface PoweredMember {
  readonly id: number;
  readonly drive: SimDrive;
  machine: ListMachine;
  /** `null` while it is down. */
  node: RaftNode | null;
}

export class PoweredGroup {
  readonly clock = new SimClock();
  readonly random: SeededRandom;
  readonly members: PoweredMember[] = [];
  readonly #options: Partial<RaftOptions>;

  constructor(seed: number | string, options: Partial<RaftOptions> = {}) {
    this.random = new SeededRandom(`powered ${seed}`);
    this.#options = options;
  }

  /** A group of three voters. */
  async start(): Promise<void> {
    for (const id of [1, 2, 3]) {
      const drive = new SimDrive({
        clock: this.clock,
        random: this.random.fork(`drive ${id}`),
        latencyMs: { min: 0.05, max: 0.5 },
      });
      this.members.push({ id, drive, machine: new ListMachine(), node: null });
      await this.powerOn(id, { bootstrap: id === 1 });
    }
    const first = this.members[0]!.node!;
    await this.clock.settle(first.readIndex({ timeoutMs: 5000 }));
    for (const id of [2, 3]) {
      await this.clock.settle(first.addLearner(id, { timeoutMs: 10_000 }));
      await this.clock.settle(first.promote(id, { timeoutMs: 10_000 }));
    }
  }

  async powerOn(id: number, options: Partial<RaftOptions> = {}): Promise<void> {
    const member = this.members[id - 1]!;
    const { clock } = this;
    const disk = member.drive.mount();
    const store: LogStore = await clock.settle(openLogStore({ disk, clock, random: this.random }));
    member.machine = new ListMachine();
    member.node = await clock.settle(RaftNode.open({
      id,
      store,
      clock,
      random: this.random.fork(`node ${id} ${clock.nowMs()}`),
      logger: silentLogger,
      stateMachine: member.machine,
      send: (to, bytes) => {
        clock.after(0.2, () => this.members[to - 1]?.node?.step(id, bytes));
      },
      ...this.#options,
      ...options,
    }));
  }

  powerOff(id: number): void {
    const member = this.members[id - 1]!;
    if (member.node === null) return;
    const { node } = member;
    member.node = null;
    member.drive.crash();
    void node.stop();
  }

  leader(): PoweredMember | undefined {
    return this.members.filter(({ node }) => node?.status.role === "leader" && !node.status.failure)
      .sort((a, b) => b.node!.status.term - a.node!.status.term)[0];
  }
}
