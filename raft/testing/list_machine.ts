/**
 * A state machine for tests: keeps every command that it applied, in order.
 *
 * @module
 */

import type { StateMachine } from "../node_options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class ListMachine implements StateMachine {
  commands: string[] = [];
  applied = 0;
  restores = 0;
  /** Indexes of the snapshots that were said to be on disk. */
  durable: number[] = [];

  apply(index: number, command: Uint8Array): unknown {
    const text = decoder.decode(command);
    this.commands.push(text);
    this.applied = index;
    return `${text}@${index}`;
  }
  snapshot(): Uint8Array {
    return encoder.encode(JSON.stringify(this.commands));
  }
  restore(snapshot: Uint8Array): void {
    this.commands = snapshot.length === 0 ? [] : JSON.parse(decoder.decode(snapshot));
    this.restores++;
  }
  snapshotIsDurable(index: number): void {
    this.durable.push(index);
  }
}
