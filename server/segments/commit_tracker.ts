/**
 * How much of a segment is committed: durable on a majority of its replica set. Pure.
 *
 * The segment's log counts positions (records of both kinds), readers and seals count offsets (entries
 * only). Replicas speak of positions, so each appended batch leaves a boundary that translates.
 *
 * @module
 */

import { assert } from "../../world/mod.ts";

/** One boundary: after this position, that many entries. */
interface Boundary {
  position: number;
  offset: number;
}

interface Waiter {
  position: number;
  /** When it gives up, by the leader's clock. */
  deadlineMs: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Members of a majority of `size`. */
export function majorityOf(size: number): number {
  return (size >> 1) + 1;
}

/** Follows the durable lengths of one open segment's replicas, on its leader. */
export class CommitTracker {
  readonly #durable: Map<number, number> = new Map();
  readonly #quorum: number;
  #boundaries: Boundary[] = [];
  #waiters: Waiter[] = [];
  #failure: Error | null = null;
  #position: number;
  #offset: number;

  /** `start`: what is known to be committed, on every replica, when the leader opens the segment. */
  constructor(replicas: readonly number[], start: { position: number; offset: number }) {
    for (const replica of replicas) this.#durable.set(replica, start.position);
    this.#quorum = majorityOf(replicas.length);
    this.#position = start.position;
    this.#offset = start.offset;
  }

  /** One past the last committed record. */
  get position(): number {
    return this.#position;
  }

  /** Committed entries of the segment. */
  get offset(): number {
    return this.#offset;
  }

  /** One past the last record that a replica is known to have on its disk. */
  durableOn(replica: number): number {
    return this.#durable.get(replica) ?? 0;
  }

  /** The leader accepted a batch that ends at this position, with that many entries before it. */
  appended(position: number, offset: number): void {
    assert(position > (this.#boundaries.at(-1)?.position ?? this.#position), "batches follow");
    this.#boundaries.push({ position, offset });
  }

  /** Takes back every boundary behind `position`: those appends failed and will not be made durable. */
  retract(position: number): void {
    assert(position >= this.#position, "what is committed stays");
    while (this.#boundaries.length > 0 && this.#boundaries.at(-1)!.position > position) {
      this.#boundaries.pop();
    }
  }

  /** A replica said that everything before `position` is durable there. Late, lower answers are harmless. */
  acknowledge(replica: number, position: number): void {
    const known = this.#durable.get(replica);
    assert(known !== undefined, "only replicas of the segment acknowledge");
    if (position <= known || this.#failure) return;
    this.#durable.set(replica, position);
    this.#advance(this.#quorumPosition());
  }

  /** Resolves when everything before `position` is committed; rejects at `expire` or `fail`. */
  reached(position: number, deadlineMs: number): Promise<void> {
    if (position <= this.#position) return Promise.resolve();
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ position, deadlineMs, resolve, reject });
    });
  }

  /** Rejects those who have waited long enough. What they wait for may still be committed. */
  expire(nowMs: number, error: () => Error): void {
    if (this.#waiters.length === 0) return;
    const late = this.#waiters.filter((waiter) => waiter.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.deadlineMs > nowMs);
    for (const waiter of late) waiter.reject(error());
  }

  /** Nothing is committed from here on. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
  }

  #quorumPosition(): number {
    if (this.#durable.size === 1) return this.#durable.values().next().value!;
    const positions = [...this.#durable.values()].sort((a, b) => b - a);
    return positions[this.#quorum - 1]!;
  }

  #advance(quorumPosition: number): void {
    let passed = 0;
    while (
      passed < this.#boundaries.length && this.#boundaries[passed]!.position <= quorumPosition
    ) passed++;
    if (passed === 0) return;
    const boundary = this.#boundaries[passed - 1]!;
    this.#boundaries.splice(0, passed);
    this.#position = boundary.position;
    this.#offset = boundary.offset;
    this.#wake();
  }

  #wake(): void {
    const ready = this.#waiters.filter((waiter) => waiter.position <= this.#position);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.position > this.#position);
    for (const waiter of ready) waiter.resolve();
  }
}
