/**
 * The metadata state as Raft's state machine: bytes in, outcomes out, and who wants to know is told.
 *
 * @module
 */

import type { StateMachine } from "../../raft/mod.ts";
import type { Command } from "./command.ts";
import { decodeCommand } from "./command_codec.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { type Change, MetadataState, openSegmentOf, type Outcome } from "./state.ts";

/** Told after each applied command what it changed; `null` after a snapshot: everything may have. */
export type ChangeListener = (change: Change | null) => void;

/** Sees each command as it is applied, before the listeners do. */
export interface MachineWatch {
  onApplied: (index: number, command: Command, outcome: Outcome) => void;
  /** A snapshot took the place of everything up to that index. */
  onRestored: (index: number, state: MetadataState) => void;
}

/** Owns the {@link MetadataState} of one node. */
export class MetadataMachine implements StateMachine {
  #state = new MetadataState();
  #listeners: ChangeListener[] = [];
  readonly #watch: MachineWatch | undefined;
  /** The number of each topic's open segment in the newest restored snapshot that is on disk. */
  #durableOpen: ReadonlyMap<string, number> = new Map();
  /** The same in a snapshot that is on its way there. */
  #pending: { index: number; open: ReadonlyMap<string, number> } | null = null;

  constructor(watch?: MachineWatch) {
    this.#watch = watch;
  }

  /** The state as of the last applied command. Only this machine changes it. */
  get state(): MetadataState {
    return this.#state;
  }

  /**
   * Whether the segment is sealed, or gone, by a snapshot on this node's disk: so every later process
   * of it knows that from its first moment on. (What was applied since may have to be learnt anew: how far Raft
   * has committed is not written down for its own sake.)
   */
  isEndedForEver(target: { topic: string; segment: number }): boolean {
    return target.segment < (this.#durableOpen.get(target.topic) ?? 0);
  }

  /** Listeners run within `apply`, in the order of their subscription: they must be quick. */
  subscribe(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  apply(index: number, bytes: Uint8Array): Outcome {
    const changes: Change[] = [];
    const command = decodeCommand(bytes);
    const outcome = this.#state.apply(command, changes);
    this.#watch?.onApplied(index, command, outcome);
    for (const change of changes) this.#tell(change);
    return outcome;
  }

  snapshot(): Uint8Array {
    return encodeSnapshot(this.#state);
  }

  restore(snapshot: Uint8Array, index: number): void {
    this.#state = decodeSnapshot(snapshot);
    const { deleted, topics } = this.#state;
    const open = new Map(deleted);
    for (const topic of topics.values()) open.set(topic.name, openSegmentOf(topic).number);
    this.#pending = { index, open };
    this.#watch?.onRestored(index, this.#state);
    this.#tell(null);
  }

  snapshotIsDurable(index: number): void {
    if (this.#pending === null || index < this.#pending.index) return;
    this.#durableOpen = this.#pending.open;
    this.#pending = null;
  }

  #tell(change: Change | null): void {
    for (const listener of this.#listeners) listener(change);
  }
}
