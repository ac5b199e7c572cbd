/**
 * The world of one simulated process: it can be killed (nothing of it ever runs again), paused (its events
 * are held back, as by SIGSTOP) and given a clock that runs at its own rate.
 *
 * The node's code can't be stopped from outside, so everything that could wake it goes through a gate:
 * timers, and the answers of network and disk.
 *
 * @module
 */

import type {
  Address,
  Clock,
  Connection,
  Disk,
  DiskFile,
  DiskRead,
  DiskWrite,
  Listener,
  Network,
  Timer,
} from "../../world/mod.ts";
import type { SimClock } from "../../world/sim/mod.ts";

/** Shown a process's bytes before they leave; gives what does leave. `remote` is `host:port`. */
export type Tap = (remote: string, bytes: Uint8Array) => Uint8Array;

/** Lets a process's events through, holds them back, or drops them. */
export class Gate {
  readonly #clock: SimClock;
  #isDead = false;
  #isPaused = false;
  #held: (() => void)[] = [];

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Nothing comes through any more. */
  kill(): void {
    this.#isDead = true;
    this.#held = [];
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** What was held back comes through, in its order. */
  resume(): void {
    this.#isPaused = false;
    for (const event of this.#held.splice(0)) this.#clock.soon(() => this.pass(event));
  }

  pass(event: () => void): void {
    if (this.#isDead) return;
    if (this.#isPaused) this.#held.push(event);
    else event();
  }

  /** The promise as the process sees it: a dead one never does. */
  answer<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.pass(() => resolve(value)),
        (error) => this.pass(() => reject(error)),
      );
    });
  }
}

/** A clock behind a gate that runs `rate` times as fast as simulated time. */
export class ProcessClock implements Clock {
  readonly #base: SimClock;
  readonly #gate: Gate;
  #rate: number;
  /** When the rate last changed, by this clock and in simulated time. */
  #changed: { ownMs: number; baseMs: number };

  constructor(base: SimClock, gate: Gate, rate: number) {
    this.#base = base;
    this.#gate = gate;
    this.#rate = rate;
    this.#changed = { ownMs: 0, baseMs: base.nowMs() };
  }

  /** From now on it runs so much faster than simulated time. Timers that wait keep their moment. */
  setRate(rate: number): void {
    this.#changed = { ownMs: this.nowMs(), baseMs: this.#base.nowMs() };
    this.#rate = rate;
  }

  nowMs(): number {
    const { ownMs, baseMs } = this.#changed;
    return ownMs + (this.#base.nowMs() - baseMs) * this.#rate;
  }

  wallMs(): number {
    return this.#base.wallMs();
  }

  after(delayMs: number, task: () => void): Timer {
    if (this.#gate.isDead) return { cancel: () => {} };
    let isCancelled = false;
    const timer = this.#base.after(delayMs / this.#rate, () =>
      this.#gate.pass(() => {
        if (!isCancelled) task();
      }));
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  soon(task: () => void): void {
    this.after(0, task);
  }
}

/** A host's network behind a gate, with a tap on what is written. */
export class ProcessNetwork implements Network {
  readonly #base: Network;
  readonly #gate: Gate;
  readonly #tap: Tap;

  constructor(base: Network, gate: Gate, tap: Tap) {
    this.#base = base;
    this.#gate = gate;
    this.#tap = tap;
  }

  async listen(address: Address): Promise<Listener> {
    const listener = await this.#gate.answer(this.#base.listen(address));
    return {
      address: listener.address,
      accept: () =>
        this.#gate.answer(
          listener.accept().then((connection) => connection && this.#wrap(connection)),
        ),
      close: () => this.#gate.isDead || listener.close(),
    };
  }

  connect(address: Address, options: { timeoutMs: number }): Promise<Connection> {
    if (this.#gate.isDead) return new Promise(() => {});
    return this.#gate.answer(
      this.#base.connect(address, options).then((connection) => this.#wrap(connection)),
    );
  }

  /** A connection that is made for a process that died meanwhile is closed, as its machine would. */
  #wrap(connection: Connection): Connection {
    const gate = this.#gate;
    if (gate.isDead) connection.close();
    return {
      remote: connection.remote,
      read: (into) => gate.isDead ? new Promise(() => {}) : gate.answer(connection.read(into)),
      write: (bytes) => {
        if (gate.isDead) return new Promise(() => {});
        const leaving = this.#tap(connection.remote, bytes);
        // The tap may have had the process killed.
        return gate.isDead ? new Promise(() => {}) : gate.answer(connection.write(leaving));
      },
      close: () => gate.isDead || connection.close(),
    };
  }
}

/** A disk behind a gate; `onChange` is told of what changes it, before it does. */
export class ProcessDisk implements Disk {
  readonly backend = "simulated";
  readonly reason: string;
  readonly #base: Disk;
  readonly #gate: Gate;
  readonly #onChange: (call: string) => void;

  constructor(base: Disk, gate: Gate, onChange: (call: string) => void) {
    this.#base = base;
    this.#gate = gate;
    this.#onChange = onChange;
    this.reason = base.reason;
  }

  newBuffer(lengthBytes: number): Uint8Array {
    return this.#base.newBuffer(lengthBytes);
  }
  list(): Promise<{ name: string; sizeBytes: number }[]> {
    return this.#gate.answer(this.#base.list());
  }
  open(name: string, options: { create: boolean }): Promise<DiskFile> {
    return this.#gate.answer(this.#base.open(name, options));
  }
  allocate(file: DiskFile, sizeBytes: number): Promise<void> {
    this.#onChange("allocate");
    return this.#gate.answer(this.#base.allocate(file, sizeBytes));
  }
  closeFile(file: DiskFile): Promise<void> {
    return this.#gate.answer(this.#base.closeFile(file));
  }
  remove(name: string): Promise<void> {
    this.#onChange("remove");
    return this.#gate.answer(this.#base.remove(name));
  }
  commit(writes: readonly DiskWrite[], syncs: readonly DiskFile[]): Promise<void> {
    this.#onChange("commit");
    return this.#gate.answer(this.#base.commit(writes, syncs));
  }
  read(reads: readonly DiskRead[]): Promise<void> {
    return this.#gate.answer(this.#base.read(reads));
  }
  readSmall(name: string): Promise<Uint8Array | null> {
    return this.#gate.answer(this.#base.readSmall(name));
  }
  writeSmall(name: string, bytes: Uint8Array): Promise<void> {
    this.#onChange("writeSmall");
    return this.#gate.answer(this.#base.writeSmall(name, bytes));
  }
  close(): Promise<void> {
    return this.#gate.answer(this.#base.close());
  }
}
