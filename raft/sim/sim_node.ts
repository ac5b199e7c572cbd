/**
 * One simulated node: a core, its disk, and a state machine that is a digest of what it applied. The
 * driver of node.ts without promises, in the simulation's hands.
 *
 * @module
 */

import { ByteReader, ByteWriter, type Random } from "../../world/mod.ts";
import { RaftCore } from "../core.ts";
import type { RestoredState } from "../core_state.ts";
import type { CoreLimits } from "../limits.ts";
import { decodeMessage, encodeMessage } from "../message_codec.ts";
import type { Message, Ready } from "../messages.ts";
import { type Canary, canaryRules } from "./canaries.ts";
import { chain, type Checker, type Observed } from "./checker.ts";
import { ModelDisk } from "./durable_model.ts";

/** What the simulation does for its nodes. */
export interface SimWorld {
  readonly checker: Checker;
  readonly nodes: readonly SimNode[];
  send(message: Message): void;
  /** A write was handed to the disk of `node`. */
  onWrite(node: SimNode): void;
  onRead(node: SimNode, grant: { requestId: number; index: number }): void;
  onLeader(node: SimNode): void;
  onApplied(node: SimNode, index: number, term: number): void;
}

const text = new TextDecoder();

export class SimNode implements Observed {
  readonly id: number;
  core: RaftCore | null = null;
  disk: ModelDisk;
  /** Counts starts: events of an earlier life are void. */
  life = 0;
  /** It takes part in nothing before this time (a stopped process). */
  pausedUntilMs = 0;
  tickMs = 10;
  /** A write takes up to so many tenths of a millisecond. */
  diskDelayTenths = 1;
  snapshotEvery = 20;
  #digest = 0;
  #applied = 0;
  #sinceSnapshot = 0;
  #waiting: Message[][] = [];
  #ledTerm = 0;
  readonly #world: SimWorld;
  readonly #random: Random;
  readonly #limits: Partial<CoreLimits>;
  readonly #canary: Canary | undefined;

  constructor(options: {
    id: number;
    world: SimWorld;
    random: Random;
    limits: Partial<CoreLimits>;
    canary: Canary | undefined;
    initial: RestoredState;
  }) {
    this.id = options.id;
    this.disk = new ModelDisk(options.initial);
    this.#world = options.world;
    this.#random = options.random;
    this.#limits = options.limits;
    this.#canary = options.canary;
  }

  start(): void {
    this.life++;
    this.#world.checker.onStart(this);
    const restored = this.disk.durable;
    this.core = new RaftCore({
      id: this.id,
      random: this.#random,
      restored,
      limits: this.#limits,
      rules: canaryRules(this.#canary),
    });
    this.#waiting = [];
    this.#digest = 0;
    this.#applied = 0;
    this.#sinceSnapshot = 0;
    if (restored.snapshot !== null) this.#restore(restored.snapshot.data, restored.snapshot.index);
    this.drain();
  }

  crash(keptWrites: number): void {
    this.disk.crash(keptWrites);
    this.core = null;
    this.life++;
  }

  /** Does what the core says until it says nothing more. */
  drain(): void {
    const core = this.core!;
    this.#world.checker.onStep(this, this.#world.nodes);
    if (core.role === "leader" && core.term > this.#ledTerm) {
      this.#ledTerm = core.term;
      this.#world.onLeader(this);
    }
    for (let ready = core.takeReady(); ready !== null; ready = core.takeReady()) {
      this.#handle(this.#canary?.ready ? this.#canary.ready(ready) : ready);
      this.#world.checker.onStep(this, this.#world.nodes);
    }
  }

  /** The oldest write is on disk. */
  onDurable(): void {
    const persist = this.disk.complete();
    this.#world.checker.onDurable(this);
    const messages = this.#waiting.shift()!;
    this.core!.onPersisted(persist.completion);
    for (const message of messages) this.#send(message);
    this.drain();
  }

  #handle(ready: Ready): void {
    const { checker } = this.#world;
    for (const message of ready.messages) this.#send(message);
    if (ready.persist !== null) {
      checker.onEntries(this, ready.persist.entries);
      this.disk.write(this.#canary?.persist ? this.#canary.persist(ready.persist) : ready.persist);
      this.#waiting.push([...ready.messagesWhenDurable]);
      this.#world.onWrite(this);
    } else if (this.#waiting.length > 0) {
      this.#waiting[this.#waiting.length - 1]!.push(...ready.messagesWhenDurable);
    } else {
      for (const message of ready.messagesWhenDurable) this.#send(message);
    }
    if (ready.install !== null) this.#restore(ready.install.data, ready.install.index);
    for (const entry of ready.committed) {
      checker.onApplied(this, entry);
      const data = entry.kind === "command" ? text.decode(entry.data) : `<${entry.kind}>`;
      this.#digest = chain(this.#digest, `${entry.term}:${data}`);
      this.#applied = entry.index;
      this.#sinceSnapshot++;
      this.#world.onApplied(this, entry.index, entry.term);
    }
    for (const grant of ready.reads) this.#world.onRead(this, grant);
    if (this.#sinceSnapshot >= this.snapshotEvery) {
      this.#sinceSnapshot = 0;
      this.core!.compact(this.#applied, this.#snapshot());
    }
  }

  /** Over the wire and back: the codec is part of what is tested. */
  #send(message: Message): void {
    this.#world.send(decodeMessage(encodeMessage(message)));
  }

  #snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.u64(this.#applied);
    writer.u32(this.#digest);
    for (let i = this.#applied % 5; i > 0; i--) writer.u64(i);
    return writer.copy();
  }

  #restore(snapshot: Uint8Array, index: number): void {
    const reader = new ByteReader(snapshot);
    this.#applied = reader.u64();
    this.#digest = reader.u32();
    this.#sinceSnapshot = 0;
    this.#world.checker.onInstalled(this, index, this.#digest);
  }
}
