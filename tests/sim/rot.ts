/**
 * Disks that rot: flipped bits, truncated files, old copies of a file put back, in any file. On one machine at
 * a time, and on no other one before it has another disk: what rots on a minority must never be missed.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import type { Machine } from "./machine.ts";

/** Bytes around a place that are looked through for one that is in use. */
const SEARCH_BYTES = 64 * 1024;

/** One per simulation. */
export class Rot {
  readonly #random: SeededRandom;
  #victim: Machine | null = null;
  #drive: SimDrive | null = null;
  #hasStruck = false;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** The machine whose disk rots; `null` where none does, or it has another disk by now. */
  get victim(): Machine | null {
    return this.#victim !== null && this.#victim.drive === this.#drive ? this.#victim : null;
  }

  /** Some disk has lost more than a fence in this simulation. */
  get hasStruck(): boolean {
    return this.#hasStruck;
  }

  /** Whether this machine's disk may rot (some more). */
  mayStrike(machine: Machine): boolean {
    return this.victim === null || this.victim === machine;
  }

  /** Turns one bit around that something is written in; says where. */
  flip(machine: Machine): string | null {
    const file = this.#pickFile(machine);
    if (file === null) return null;
    const bytes = machine.drive.copyFile(file);
    const from = this.#random.below(bytes.length);
    for (let n = 0; n < Math.min(SEARCH_BYTES, bytes.length); n++) {
      const at = (from + n) % bytes.length;
      if (bytes[at] === 0) continue;
      machine.drive.flipBit(file, at, this.#random.below(8));
      return `${machine.host} ${file} at ${at}`;
    }
    return null;
  }

  /** Turns a bit around in each copy of these bytes; whether there was one. */
  flipIn(machine: Machine, pattern: Uint8Array): boolean {
    const { drive } = machine;
    let isFound = false;
    for (const file of drive.names()) {
      const bytes = Buffer.from(drive.copyFile(file));
      for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1)) {
        drive.flipBit(file, at + this.#random.below(pattern.length), this.#random.below(8));
        isFound = true;
      }
    }
    if (isFound) this.#note(machine);
    return isFound;
  }

  /** Cuts a file; only right while no process has it. */
  cut(machine: Machine): string | null {
    const file = this.#pickFile(machine);
    if (file === null) return null;
    const length = this.#random.below(machine.drive.copyFile(file).length);
    machine.drive.cutFile(file, length);
    return `${machine.host} ${file} to ${length}`;
  }

  /** Copies a file, to put it back later, while no process has it. */
  copy(machine: Machine): (() => string) | null {
    const { drive } = machine;
    const file = this.#pickFile(machine);
    if (file === null) return null;
    const bytes = drive.copyFile(file);
    return () => {
      if (machine.drive === drive) drive.putFile(file, bytes);
      return `${machine.host} ${file}`;
    };
  }

  #pickFile(machine: Machine): string | null {
    const files = machine.drive.names().filter((name) => machine.drive.copyFile(name).length > 0);
    if (files.length === 0) return null;
    this.#note(machine);
    this.#hasStruck = true;
    return this.#random.pick(files);
  }

  #note(machine: Machine): void {
    machine.isRotten = true;
    this.#victim = machine;
    this.#drive = machine.drive;
  }
}
