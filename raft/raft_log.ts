/**
 * The replicated log in memory: everything behind the last compaction, with the marks that matter.
 *
 * ```text
 *   base │ entries …                                   last
 *        │      applied ≤ committed ≤ last
 *        │      stable  ≤ handed out ≤ last
 * ```
 *
 * Committed and stable are independent: a majority of other disks may be faster than one's own.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import { ENTRY_OVERHEAD_BYTES } from "./limits.ts";
import type { Entry } from "./messages.ts";

/** A place in the log by which it is compared with others (paper §5.4.1). */
export interface LogPlace {
  readonly index: number;
  readonly term: number;
}

/** What an entry counts for in every byte bound. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export class RaftLog {
  /** The entry before the first one that is held. */
  #baseIndex: number;
  #baseTerm: number;
  #entries: Entry[];
  #committed: number;
  #applied: number;
  /** First entry that was not yet handed to the disk. */
  #handOutFrom: number;
  /** Last entry known to be durable here. */
  #stable: number;

  /** Everything given is on disk already. */
  constructor(
    base: LogPlace,
    options: { entries: readonly Entry[]; committed: number; applied: number },
  ) {
    this.#baseIndex = base.index;
    this.#baseTerm = base.term;
    this.#entries = [...options.entries];
    this.#committed = options.committed;
    this.#applied = options.applied;
    this.#stable = this.lastIndex;
    this.#handOutFrom = this.lastIndex + 1;
    let index = base.index, term = base.term;
    for (const entry of this.#entries) {
      assert(entry.index === ++index, `entry ${entry.index} stands at its place ${index}`);
      assert(entry.term >= term, `terms never go down, at entry ${index}`);
      term = entry.term;
    }
    assert(options.applied >= base.index, "the snapshot covers what is not held");
    assert(options.committed >= options.applied, "only committed entries are applied");
    assert(options.committed <= this.lastIndex, "committed entries are there");
  }

  get baseIndex(): number {
    return this.#baseIndex;
  }
  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length;
  }
  get lastTerm(): number {
    return this.#entries.length > 0
      ? this.#entries[this.#entries.length - 1]!.term
      : this.#baseTerm;
  }
  get committed(): number {
    return this.#committed;
  }
  get applied(): number {
    return this.#applied;
  }
  get stable(): number {
    return this.#stable;
  }
  /** Entries that are held. */
  get length(): number {
    return this.#entries.length;
  }

  /** `undefined` before the base and behind the end. */
  termAt(index: number): number | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#entries[index - this.#baseIndex - 1]?.term;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - this.#baseIndex - 1];
  }

  /** Whether a candidate with this last entry may have the vote (paper §5.4.1). */
  isUpToDate(place: LogPlace): boolean {
    return place.term > this.lastTerm ||
      (place.term === this.lastTerm && place.index >= this.lastIndex);
  }

  /** Puts entries at the end; they follow it. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `entry ${entry.index} follows ${this.lastIndex}`);
      assert(entry.term >= this.lastTerm, `terms never go down, at entry ${entry.index}`);
      this.#entries.push(entry);
    }
  }

  /** Drops everything from `index` on: it contradicts the leader (paper §5.3). */
  truncateFrom(index: number): void {
    assert(index > this.#committed, `entry ${index} is not committed, so it may be truncated`);
    this.#entries.length = index - this.#baseIndex - 1;
    this.#stable = Math.min(this.#stable, index - 1);
    this.#handOutFrom = Math.min(this.#handOutFrom, index);
  }

  /** Entries from `index` on, as many as fit in `maxBytes`, and one at least. */
  slice(index: number, maxBytes: number): Entry[] {
    const start = index - this.#baseIndex - 1;
    assert(start >= 0, `entry ${index} is still held`);
    let end = start, bytes = 0;
    while (end < this.#entries.length) {
      bytes += entryBytes(this.#entries[end]!);
      if (bytes > maxBytes && end > start) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }

  /** Entries that the disk has not seen yet; it has from now on. */
  handOut(): Entry[] {
    const start = this.#handOutFrom - this.#baseIndex - 1;
    if (start >= this.#entries.length) return [];
    this.#handOutFrom = this.lastIndex + 1;
    return this.#entries.slice(start);
  }

  /** The next committed entries, at most `maxEntries`; they count as applied from now on. */
  takeCommitted(maxEntries: number): Entry[] {
    if (this.#applied === this.#committed) return [];
    const start = this.#applied - this.#baseIndex;
    const end = Math.min(start + maxEntries, this.#committed - this.#baseIndex);
    this.#applied = this.#baseIndex + end;
    return this.#entries.slice(start, end);
  }

  /** True when it grew. */
  commitTo(index: number): boolean {
    assert(
      index <= this.lastIndex,
      `committed entry ${index} is in the log, which ends at ${this.lastIndex}`,
    );
    if (index <= this.#committed) return false;
    this.#committed = index;
    return true;
  }

  /** Everything up to this place is on disk, if the place is still part of the log. */
  stableTo(place: LogPlace): void {
    if (this.termAt(place.index) === place.term) this.#stable = Math.max(this.#stable, place.index);
  }

  /**
   * Where a leader should try next whose entry (`index`, `term`) was refused: the last entry at or
   * before it whose term is not above. A whole term of conflicts is passed in one step (paper §5.3).
   * Both sides use it: the follower for the hint, the leader for what the hint means in its own log.
   */
  lastNotAbove(index: number, term: number): LogPlace {
    let at = Math.min(index, this.lastIndex);
    while (at > this.#baseIndex && this.termAt(at)! > term) at--;
    return { index: at, term: this.termAt(at) ?? 0 };
  }

  /** Up to where the log may go when a snapshot of `index` is there: the rest is kept for laggards. */
  retentionIndex(index: number, keep: { entries: number; bytes: number }): number {
    let at = index, bytes = 0;
    while (at > this.#baseIndex && index - at < keep.entries) {
      bytes += entryBytes(this.entryAt(at)!);
      if (bytes > keep.bytes) break;
      at--;
    }
    return at;
  }

  /** Forgets entries up to `index`, which a snapshot covers. */
  compactTo(index: number): void {
    if (index <= this.#baseIndex) return;
    assert(index <= this.#applied, "only applied entries are compacted");
    assert(index < this.#handOutFrom, "the disk was given what is compacted");
    this.#baseTerm = this.termAt(index)!;
    this.#entries.splice(0, index - this.#baseIndex);
    this.#baseIndex = index;
  }

  /** The log is what a snapshot says and nothing else (paper §7). */
  reset(place: LogPlace): void {
    this.#baseIndex = place.index;
    this.#baseTerm = place.term;
    this.#entries = [];
    this.#committed = this.#applied = place.index;
    this.#handOutFrom = place.index + 1;
    // Nothing of it is durable before the snapshot is.
    this.#stable = 0;
  }
}
