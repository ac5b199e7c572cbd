/**
 * Which nodes have said that they stop: nothing new is placed on them, before their connections break.
 *
 * @module
 */

import type { NodeInfo } from "../metadata/mod.ts";

/** What others have said; a run that comes after is another one, and has said nothing. */
export class Departures {
  readonly #runs: Map<number, string> = new Map();

  /** That run of the node stops. */
  note(nodeId: number, run: string): void {
    this.#runs.set(nodeId, run);
  }

  /** Whether the node, as metadata knows it, is one of them. */
  has(node: NodeInfo): boolean {
    return this.#runs.get(node.id) === node.run;
  }
}
