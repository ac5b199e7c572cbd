/**
 * A disk in memory that can lose power, fail, fill up and rot, all from one source of randomness.
 *
 * A {@link SimDrive} is the hardware and outlives processes; `mount` gives a process its {@link Disk}. After
 * `crash` (power loss) or `kill` (the process only) that disk is dead, its calls never settle, and the next
 * `mount` sees what is left.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Clock } from "../clock.ts";
import { type Disk, DiskError } from "../disk.ts";
import type { Random } from "../random.ts";
import { SimDisk } from "./sim_disk.ts";
import { type DiskFault, type FaultyOp, simError } from "./sim_disk_faults.ts";
import { type CrashMode, SimInode } from "./sim_disk_inode.ts";

/** What a drive is made from. */
export interface SimDriveOptions {
  clock: Clock;
  random: Random;
  /** Every step of an operation takes a time drawn from this range; none: steps are microtasks. */
  latencyMs?: { min: number; max: number };
  /** Room for all files together. Default: without end. */
  capacityBytes?: number;
}

/** A write that the drive holds and that is not in its cache yet. */
export interface InFlightWrite {
  inode: SimInode;
  offset: number;
  bytes: Uint8Array;
}

const CRASH_MODES: readonly CrashMode[] = [
  "lost",
  "kept",
  "sectors",
  "sectors",
  "sectors",
  "prefix",
  "prefix",
  "subset",
];

/** The simulated hardware. */
export class SimDrive {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #latencyMs: { min: number; max: number };
  /** Operations that were made to fail. */
  failures = 0;
  /** Changes at any time: a disk that fills up, and one that gets room again. */
  capacityBytes: number;
  /** Names as processes see them. */
  #names = new Map<string, SimInode>();
  /** Names as a power loss would leave them, if it lost all that it may. */
  #durableNames = new Map<string, SimInode>();
  #pendingNames: { name: string; inode: SimInode | null }[] = [];
  #faults: (Required<Omit<DiskFault, "file">> & { file: string | undefined })[] = [];
  #mounted: SimDisk | null = null;
  /** Writes that were given to the drive and are not in its cache yet. */
  readonly #inFlight = new Set<InFlightWrite>();

  constructor(options: SimDriveOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#latencyMs = options.latencyMs ?? { min: 0, max: 0 };
    this.capacityBytes = options.capacityBytes ?? Infinity;
  }

  /** Gives the drive to a process. @throws {DiskError} `Locked` while another one has it. */
  mount(): Disk {
    if (this.#mounted !== null) {
      throw new DiskError(
        "open",
        "Locked",
        "",
        "The simulated drive is in use by another process.",
      );
    }
    this.#mounted = new SimDisk(this);
    return this.#mounted;
  }

  /** The process dies (kill −9); the machine and its page cache live on. */
  kill(): void {
    this.#mounted?.die();
    this.#mounted = null;
    this.#landInFlight();
  }

  /** The machine loses power: any part of what was not synced is gone. `mode`: default drawn. */
  crash(mode?: CrashMode): void {
    this.kill();
    mode ??= CRASH_MODES[this.#random.below(CRASH_MODES.length)]!;
    const names = new Map(this.#durableNames);
    for (const [name, inodes] of this.#nameHistories()) {
      const survivors = mode === "lost"
        ? 0
        : mode === "kept"
        ? inodes.length
        : this.#random.below(inodes.length + 1);
      if (survivors === 0) continue;
      const inode = inodes[survivors - 1]!;
      if (inode) names.set(name, inode);
      else names.delete(name);
    }
    this.#pendingNames = [];
    this.#names = names;
    this.#durableNames = new Map(names);
    for (const inode of new Set(names.values())) inode.crash(mode, this.#random);
  }

  /** Makes a later operation fail. Faults of the same kind add up. */
  fail(fault: DiskFault): void {
    const { op, code, after = 0, times = 1, file } = fault;
    this.#faults.push({ op, code, after, times, file });
  }

  /** Takes back all faults that have not struck. Returns how many there were. */
  clearFaults(): number {
    return this.#faults.splice(0).length;
  }

  /**
   * Memory is short, and the cache drops any of its clean pages. That shows only after a failed sync: what it
   * called clean is read as the platter has it from now on. False: nothing has changed for readers.
   */
  dropCleanPages(): boolean {
    let isChanged = false;
    for (const inode of this.#names.values()) {
      if (inode.dropCleanPages(this.#random)) isChanged = true;
    }
    return isChanged;
  }

  /** Names of all files, sorted. */
  names(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** Whether a power loss now would lose nothing. */
  get isSynced(): boolean {
    return this.#pendingNames.length === 0 && this.#inFlight.size === 0 &&
      [...this.#names.values()].every((inode) => inode.isSynced);
  }

  get usedBytes(): number {
    let used = 0;
    for (const inode of this.#names.values()) used += inode.sizeBytes;
    return used;
  }

  /** Turns one bit of a file around, as rot does. */
  flipBit(name: string, byteOffset: number, bit: number): void {
    this.#inode(name).flipBit(byteOffset, bit);
  }

  /** Cuts a file behind its owner's back. */
  cutFile(name: string, sizeBytes: number): void {
    const inode = this.#inode(name);
    inode.replace(inode.copy().subarray(0, sizeBytes));
  }

  /** A copy of a file as it is now. */
  copyFile(name: string): Uint8Array {
    return this.#inode(name).copy();
  }

  /** Puts a file back as it was copied: an old state that nobody should trust. */
  putFile(name: string, bytes: Uint8Array): void {
    let inode = this.#names.get(name);
    if (!inode) {
      inode = new SimInode();
      this.#names.set(name, inode);
    }
    inode.replace(bytes);
    this.#durableNames.set(name, inode);
    this.#pendingNames = this.#pendingNames.filter((pending) => pending.name !== name);
  }

  /** Deletes a file behind its owner's back. */
  loseFile(name: string): void {
    this.#names.delete(name);
    this.#durableNames.delete(name);
    this.#pendingNames = this.#pendingNames.filter((pending) => pending.name !== name);
  }

  // From here on: for SimDisk.

  /** @internal */
  unmount(disk: Disk): void {
    if (this.#mounted === disk) this.#mounted = null;
  }

  /** @internal */
  lookUp(name: string): SimInode | undefined {
    return this.#names.get(name);
  }

  /** @internal A step's time passes. */
  async pass(): Promise<void> {
    const { min, max } = this.#latencyMs;
    if (max === 0) return;
    const delayMs = min + (max - min) * (this.#random.nextU32() / 2 ** 32);
    await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve));
  }

  /** @internal A name now stands for `inode`, or for nothing: not durable until `syncNames`. */
  setName(name: string, inode: SimInode | null): void {
    if (inode) this.#names.set(name, inode);
    else this.#names.delete(name);
    this.#pendingNames.push({ name, inode });
  }

  /** @internal */
  syncNames(): void {
    this.#durableNames = new Map(this.#names);
    this.#pendingNames = [];
  }

  /** @internal The error that is due for this operation, if one is. */
  maybeFault(op: FaultyOp, file: string): DiskError | null {
    for (const fault of this.#faults) {
      if (fault.op !== op || (fault.file !== undefined && fault.file !== file)) continue;
      if (fault.after > 0) {
        fault.after--;
        continue;
      }
      if (--fault.times === 0) this.#faults = this.#faults.filter((other) => other !== fault);
      this.failures++;
      return simError(op, fault.code, file);
    }
    return null;
  }

  /** @internal */
  mustHaveRoom(op: "allocate" | "write", file: string, growthBytes: number): void {
    if (this.usedBytes + growthBytes > this.capacityBytes) throw simError(op, "NoSpace", file);
  }

  /** @internal The drive holds the write; until `land`, what becomes of it in a crash is open. */
  accept(write: InFlightWrite): void {
    this.#inFlight.add(write);
  }

  /** @internal */
  land(write: InFlightWrite): void {
    if (this.#inFlight.delete(write)) write.inode.write(write.offset, write.bytes);
  }

  /** @internal Writes of a commit that failed, or of a process that died: each whole, torn or gone. */
  landSome(writes: Iterable<InFlightWrite>): void {
    for (const write of [...writes]) {
      if (!this.#inFlight.delete(write)) continue;
      const length = [0, write.bytes.length, this.#random.below(write.bytes.length + 1)][
        this.#random.below(3)
      ]!;
      const grows = write.offset + length > write.inode.sizeBytes;
      if (length === 0 || (grows && this.usedBytes >= this.capacityBytes)) continue;
      write.inode.write(write.offset, write.bytes.subarray(0, length));
    }
  }

  /** @internal */
  failSync(inode: SimInode): void {
    inode.failSync(this.#random);
  }

  #landInFlight(): void {
    this.landSome(this.#inFlight);
  }

  #nameHistories(): Map<string, (SimInode | null)[]> {
    const histories = new Map<string, (SimInode | null)[]>();
    for (const { name, inode } of this.#pendingNames) {
      const history = histories.get(name);
      if (history) history.push(inode);
      else histories.set(name, [inode]);
    }
    return histories;
  }

  #inode(name: string): SimInode {
    const inode = this.#names.get(name);
    assert(inode, `the simulated file ${name} is there`);
    return inode;
  }
}
