/**
 * Whoever runs the simulated cluster: removes nodes, puts in new disks, has nodes join again.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { SimClient } from "./client.ts";
import type { Machine } from "./machine.ts";
import type { Transcript } from "./transcript.ts";

const RETRY_MS = 200;

/** What the operator acts on. */
export interface OperatorParts {
  clock: SimClock;
  network: SimNetwork;
  transcript: Transcript;
  machines: readonly Machine[];
  onFailure: (message: string) => void;
}

/** One per simulation; does one thing at a time. */
export class Operator {
  readonly #parts: OperatorParts;
  #isBusy = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Removes a node from the cluster, then has its machine join again with an empty disk. */
  async replace(machine: Machine): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await this.#remove(machine);
    machine.wipe(this.#other(machine).host);
    machine.start();
    await this.#until(() => machine.state === "up");
    this.#isBusy = false;
  }

  /** A node comes back with an empty disk under its old id. ⛔ The cluster must not take it in. */
  async loseDisk(machine: Machine): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    machine.wipe(this.#other(machine).host);
    machine.start();
    await this.#until(() => machine.state !== "starting" && machine.state !== "off");
    if (machine.state === "up") {
      this.#parts.onFailure(`${machine.host} was let in with another disk under its old id`);
    }
    this.#isBusy = false;
    await this.replace(machine);
  }

  async #remove(machine: Machine): Promise<void> {
    const { clock, network, transcript } = this.#parts;
    const isGone = (other: Machine) => !knowsNode(other, machine.nodeId);
    while (!this.#others(machine).some((other) => other.node !== null && isGone(other))) {
      try {
        const via = this.#other(machine);
        const client = await SimClient.connect({ clock, network }, "operator", via.host);
        const request = `REMOVE-NODE ${machine.nodeId}`;
        const answer = await client.ask((out) => out.addTextFrame(request));
        transcript.add("operator", `${request} at ${via.host} → ${answer}`);
        client.close();
      } catch {
        // Asked again, of whoever runs then.
      }
      await sleep(clock, RETRY_MS);
    }
    transcript.add("operator", `${machine.host} is removed`);
  }

  #others(machine: Machine): Machine[] {
    return this.#parts.machines.filter((other) => other !== machine);
  }

  #other(machine: Machine): Machine {
    const others = this.#others(machine);
    return others.find((other) => other.state === "up") ?? others[0]!;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await sleep(this.#parts.clock, RETRY_MS);
  }
}

function knowsNode(machine: Machine, id: number): boolean {
  return machine.node?.inspect().metadata.nodes.has(id) ?? true;
}
