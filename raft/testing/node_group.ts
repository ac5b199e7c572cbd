/**
 * Some Raft nodes in one process with a simulated clock and a network that can be cut, for tests of the
 * driver.
 *
 * @module
 */

import { SeededRandom, SimClock } from "../../world/sim/mod.ts";
import type { LogFields, Logger, LogLevel } from "../../world/mod.ts";
import { RaftNode } from "../node.ts";
import type { RaftOptions } from "../node_options.ts";
import { ListMachine } from "./list_machine.ts";
import { MemoryLogStore } from "./memory_log_store.ts";

export interface Member {
  readonly id: number;
  store: MemoryLogStore;
  machine: ListMachine;
  node: RaftNode;
}

/** Keeps warnings and errors for the test to look at. */
class KeepingLogger implements Logger {
  constructor(readonly lines: string[]) {}
  enabled(): boolean {
    return true;
  }
  log(level: LogLevel, message: string, fields?: LogFields): void {
    if (level === "warn" || level === "error") {
      this.lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
    }
  }
  child(): Logger {
    return this;
  }
}

export class NodeGroup {
  readonly clock = new SimClock();
  readonly random: SeededRandom;
  readonly members = new Map<number, Member>();
  readonly logs: string[] = [];
  /** `from>to` pairs that don't get through; `id` alone: nothing to or from it. */
  readonly cut = new Set<string>();
  messages = 0;

  constructor(seed: number, readonly options: Partial<RaftOptions> = {}) {
    this.random = new SeededRandom(seed);
  }

  async start(id: number, options: Partial<RaftOptions> = {}): Promise<Member> {
    const store = this.members.get(id)?.store ?? new MemoryLogStore();
    const machine = new ListMachine();
    const node = await RaftNode.open({
      id,
      store: store.asLogStore(),
      clock: this.clock,
      random: this.random,
      logger: new KeepingLogger(this.logs),
      stateMachine: machine,
      send: (to, bytes) => this.#deliver(id, to, bytes),
      ...this.options,
      ...options,
    });
    const member = { id, store, machine, node };
    this.members.set(id, member);
    return member;
  }

  /** The process dies: nothing more is done, unsynced writes are lost. */
  crash(id: number): void {
    const member = this.members.get(id)!;
    member.store.crash();
    void member.node.stop();
  }

  #deliver(from: number, to: number, bytes: Uint8Array): void {
    this.messages++;
    if (this.cut.has(`${from}`) || this.cut.has(`${to}`) || this.cut.has(`${from}>${to}`)) return;
    this.clock.after(1, () => this.members.get(to)?.node.step(from, bytes));
  }

  /** A group of `size` voters that has elected node 1. */
  async startVoters(size: number): Promise<void> {
    await this.start(1, { bootstrap: true });
    await this.until(() => this.members.get(1)!.node.status.role === "leader");
    for (let id = 2; id <= size; id++) {
      await this.start(id);
      await this.run(this.members.get(1)!.node.addLearner(id, { timeoutMs: 5000 }));
      await this.run(this.members.get(1)!.node.promote(id, { timeoutMs: 5000 }));
    }
  }

  leader(): Member | undefined {
    let best: Member | undefined;
    for (const member of this.members.values()) {
      const { role, term, failure } = member.node.status;
      if (role !== "leader" || failure) continue;
      if (best === undefined || term > best.node.status.term) best = member;
    }
    return best;
  }

  for(durationMs: number): Promise<void> {
    return this.clock.runFor(durationMs);
  }

  until(isMet: () => boolean, maxMs = 20_000): Promise<void> {
    return this.clock.runUntil(isMet, { maxMs });
  }

  /** Lets time pass until the promise settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settle(promise);
  }

  async stop(): Promise<void> {
    for (const { node } of this.members.values()) await node.stop();
  }
}
