/**
 * Which bytes of one file are free: ascending ranges that never touch each other.
 *
 * @module
 */

import { assert } from "../world/mod.ts";

/** The free ranges of a file. */
export class FreeSpace {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #freeBytes = 0;
  /** No range is longer; it may be too high after a take. Spares a search that can't succeed. */
  #longestAtMost = 0;

  constructor(sizeBytes: number) {
    if (sizeBytes > 0) this.give(0, sizeBytes);
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** The start of the first `length` bytes that are free together, now taken; -1: none. */
  take(length: number): number {
    if (length > this.#longestAtMost) return -1;
    let longest = 0;
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index]!;
      const here = this.#ends[index]! - start;
      if (here >= length) {
        this.claim(start, start + length);
        return start;
      }
      longest = Math.max(longest, here);
    }
    this.#longestAtMost = longest;
    return -1;
  }

  /** Takes whatever of `[start, end)` is free. */
  claim(start: number, end: number): void {
    let index = this.#firstEndingBehind(start);
    while (index < this.#starts.length && this.#starts[index]! < end) {
      const [from, to] = [this.#starts[index]!, this.#ends[index]!];
      this.#freeBytes -= Math.min(to, end) - Math.max(from, start);
      const rest: [number, number][] = [];
      if (from < start) rest.push([from, start]);
      if (end < to) rest.push([end, to]);
      this.#starts.splice(index, 1, ...rest.map(([restFrom]) => restFrom));
      this.#ends.splice(index, 1, ...rest.map(([, restTo]) => restTo));
      index += rest.length;
    }
  }

  /** Gives `[start, end)` back; none of it may be free already. */
  give(start: number, end: number): void {
    if (start >= end) return;
    const index = this.#firstEndingBehind(start);
    assert(
      index === this.#starts.length || this.#starts[index]! >= end,
      "space is given back once",
    );
    const joinsBefore = index > 0 && this.#ends[index - 1] === start;
    const joinsBehind = this.#starts[index] === end;
    const from = joinsBefore ? this.#starts[index - 1]! : start;
    const to = joinsBehind ? this.#ends[index]! : end;
    const at = joinsBefore ? index - 1 : index;
    const replaced = Number(joinsBefore) + Number(joinsBehind);
    this.#starts.splice(at, replaced, from);
    this.#ends.splice(at, replaced, to);
    this.#freeBytes += end - start;
    this.#longestAtMost = Math.max(this.#longestAtMost, to - from);
  }

  /** Index of the first range that ends behind `place`. */
  #firstEndingBehind(place: number): number {
    let low = 0, high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
