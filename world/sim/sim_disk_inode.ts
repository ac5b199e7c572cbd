/**
 * The content of one simulated file: what a reader sees, what would survive a power loss now, and the
 * writes between the two.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Random } from "../random.ts";

/** A power loss may keep or lose each of these by itself. */
export const SECTOR_BYTES = 512;
/** The cache reads and drops as much at once. */
const PAGE_BYTES = 4096;

/** What a power loss does to what was not synced. */
export type CrashMode =
  /** All of it is gone. */
  | "lost"
  /** All of it had been written back in time. */
  | "kept"
  /** Each sector has any of its versions, or one torn at any byte. */
  | "sectors"
  /** The first so many writes are there, the next one is torn, the others are gone. */
  | "prefix"
  /** Each write is there or not: later ones without earlier ones too. */
  | "subset";

interface PendingWrite {
  offset: number;
  bytes: Uint8Array;
}

/** Bytes with a length; zeroes behind it, so that growing shows zeroes. */
class Content {
  bytes = new Uint8Array(0);
  size = 0;

  resize(size: number): void {
    if (size > this.bytes.length) {
      const grown = new Uint8Array(Math.max(size, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.size) this.resize(offset + bytes.length);
    this.bytes.set(bytes, offset);
  }

  copyFrom(other: Content): void {
    this.bytes = other.bytes.slice();
    this.size = other.size;
  }
}

/** One simulated file, whatever it is called. */
export class SimInode {
  /** What reads see: the page cache. */
  readonly #cached = new Content();
  /** What is on the platter for certain. */
  readonly #durable = new Content();
  /** Writes since the last sync, in order. */
  #pending: PendingWrite[] = [];
  /** Lengths since the last sync, in order. */
  #pendingSizes: number[] = [];
  /** A sync has failed: the cache may show what the platter will never have. */
  #isUnbacked = false;

  get sizeBytes(): number {
    return this.#cached.size;
  }

  /** Nothing would be lost now. */
  get isSynced(): boolean {
    return this.#pending.length === 0 && this.#pendingSizes.length === 0;
  }

  /** `bytes` is the inode's from here on. */
  write(offset: number, bytes: Uint8Array): void {
    const before = this.#cached.size;
    this.#cached.write(offset, bytes);
    this.#pending.push({ offset, bytes });
    if (this.#cached.size !== before) this.#pendingSizes.push(this.#cached.size);
  }

  resize(size: number): void {
    if (size < this.#cached.size) {
      this.#pending = this.#pending.filter(({ offset }) => offset < size)
        .map(({ offset, bytes }) => ({ offset, bytes: bytes.subarray(0, size - offset) }));
    }
    this.#cached.resize(size);
    this.#pendingSizes.push(size);
  }

  /** Fills a prefix of `into`; how much of it there was. */
  read(offset: number, into: Uint8Array): number {
    const end = Math.min(this.#cached.size, offset + into.length);
    if (end <= offset) return 0;
    into.set(this.#cached.bytes.subarray(offset, end));
    return end - offset;
  }

  sync(): void {
    for (const { offset, bytes } of this.#pending) this.#durable.write(offset, bytes);
    if (this.#pendingSizes.length > 0) this.#durable.resize(this.#cached.size);
    this.#forgetPending();
  }

  /**
   * A sync that failed: any part of what was unsynced got through, and the cache calls all of it clean. A
   * later sync will not write it again, though readers still see it (this is what Linux does).
   */
  failSync(random: Random): void {
    this.#persistSome("sectors", random);
    this.#forgetPending();
    this.#isUnbacked = true;
  }

  /** Any page without unsynced writes may be read from the platter again. True: that shows. */
  dropCleanPages(random: Random): boolean {
    if (!this.#isUnbacked || this.#pendingSizes.length > 0) return false;
    const dirty = new Set<number>();
    for (const { offset, bytes } of this.#pending) {
      const last = Math.floor((offset + bytes.length - 1) / PAGE_BYTES);
      for (let page = Math.floor(offset / PAGE_BYTES); page <= last; page++) dirty.add(page);
    }
    let isChanged = false;
    for (let page = 0; page * PAGE_BYTES < this.#cached.size; page++) {
      if (dirty.has(page) || random.below(2) === 0) continue;
      const start = page * PAGE_BYTES;
      const end = Math.min(start + PAGE_BYTES, this.#cached.size, this.#durable.size);
      for (let at = start; at < end; at++) {
        if (this.#cached.bytes[at] === this.#durable.bytes[at]) continue;
        this.#cached.bytes.set(this.#durable.bytes.subarray(start, end), start);
        isChanged = true;
        break;
      }
    }
    return isChanged;
  }

  /** Power loss. */
  crash(mode: CrashMode, random: Random): void {
    this.#persistSome(mode, random);
    this.#forgetPending();
    this.#cached.copyFrom(this.#durable);
  }

  /** Rot: both the cache and the platter change behind everybody's back. */
  flipBit(byteOffset: number, bit: number): void {
    assert(byteOffset < this.#cached.size, "a flipped bit is inside of its file");
    for (const content of [this.#cached, this.#durable]) {
      if (byteOffset < content.size) content.bytes[byteOffset]! ^= 1 << bit;
    }
    for (const { offset, bytes } of this.#pending) {
      const at = byteOffset - offset;
      if (at >= 0 && at < bytes.length) bytes[at]! ^= 1 << bit;
    }
  }

  /** All bytes as a reader sees them. */
  copy(): Uint8Array {
    return this.#cached.bytes.slice(0, this.#cached.size);
  }

  /** Makes `bytes` the whole content, durably. */
  replace(bytes: Uint8Array): void {
    this.#forgetPending();
    this.#cached.resize(0);
    this.#cached.write(0, bytes);
    this.#durable.copyFrom(this.#cached);
  }

  #forgetPending(): void {
    this.#pending = [];
    this.#pendingSizes = [];
  }

  #persistSome(mode: CrashMode, random: Random): void {
    const sizes = [this.#durable.size, ...this.#pendingSizes];
    const size = mode === "lost"
      ? sizes[0]!
      : mode === "kept"
      ? sizes.at(-1)!
      : sizes[random.below(sizes.length)]!;
    this.#persistWrites(mode, random);
    this.#durable.resize(size);
  }

  #persistWrites(mode: CrashMode, random: Random): void {
    const pending = this.#pending;
    switch (mode) {
      case "lost":
        return;
      case "kept":
        for (const { offset, bytes } of pending) this.#durable.write(offset, bytes);
        return;
      case "subset":
        for (const { offset, bytes } of pending) {
          if (random.below(2) === 0) this.#durable.write(offset, bytes);
        }
        return;
      case "prefix": {
        const whole = random.below(pending.length + 1);
        for (const { offset, bytes } of pending.slice(0, whole)) this.#durable.write(offset, bytes);
        const torn = pending[whole];
        if (torn) {
          const length = random.below(torn.bytes.length + 1);
          this.#durable.write(torn.offset, torn.bytes.subarray(0, length));
        }
        return;
      }
      case "sectors":
        for (const versions of piecesBySector(pending).values()) {
          const whole = random.below(versions.length + 1);
          for (const { offset, bytes } of versions.slice(0, whole)) {
            this.#durable.write(offset, bytes);
          }
          const torn = versions[whole];
          if (torn && random.below(8) === 0) {
            const length = random.below(torn.bytes.length + 1);
            this.#durable.write(torn.offset, torn.bytes.subarray(0, length));
          }
        }
    }
  }
}

/** Cuts writes at sector boundaries; for each sector its pieces in order. */
function piecesBySector(writes: PendingWrite[]): Map<number, PendingWrite[]> {
  const sectors = new Map<number, PendingWrite[]>();
  for (const { offset, bytes } of writes) {
    let at = 0;
    while (at < bytes.length) {
      const sector = Math.floor((offset + at) / SECTOR_BYTES);
      const end = Math.min(bytes.length, (sector + 1) * SECTOR_BYTES - offset);
      let pieces = sectors.get(sector);
      if (!pieces) sectors.set(sector, pieces = []);
      pieces.push({ offset: offset + at, bytes: bytes.subarray(at, end) });
      at = end;
    }
  }
  return sectors;
}
