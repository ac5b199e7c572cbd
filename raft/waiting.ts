/**
 * Those who wait for something to happen in a Raft node, each with a deadline. Deadlines are looked at
 * on each tick: one timer for all of them.
 *
 * @module
 */

import { OutcomeUnknownError, ProposalDroppedError, RaftTimeoutError } from "./errors.ts";

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
  readonly deadlineMs: number;
}

/** What a proposer gets: where its command stands, and what the state machine made of it. */
export interface Applied {
  /** The command's entry. */
  readonly index: number;
  /** What `StateMachine.apply` returned on this node. */
  readonly result: unknown;
}

/** A proposal that was not given to the core yet. */
export interface QueuedProposal {
  readonly command: Uint8Array;
  readonly deadlineMs: number;
  resolve(applied: Applied): void;
  reject(error: Error): void;
}

/** Proposers, by the index at which their command was appended. */
export class ProposalWaiters {
  #byIndex = new Map<number, Waiter<Applied> & { readonly term: number }>();
  #earliestDeadlineMs = Infinity;

  get size(): number {
    return this.#byIndex.size;
  }

  add(index: number, waiter: Waiter<Applied> & { term: number }): void {
    // A later command of this node at the same index: the older one was truncated. It is not certain
    // that it never commits (another node may still have it and win, figure 8), but nobody will tell here.
    this.#byIndex.get(index)?.reject(
      new OutcomeUnknownError(`The command at entry ${index} was cut from this node's log.`),
    );
    this.#byIndex.set(index, waiter);
    this.#earliestDeadlineMs = Math.min(this.#earliestDeadlineMs, waiter.deadlineMs);
  }

  /** Whether anybody waits for what is committed at `index`. */
  onApplied(place: { index: number; term: number }, result: unknown): void {
    const waiter = this.#byIndex.get(place.index);
    if (waiter === undefined) return;
    this.#byIndex.delete(place.index);
    if (waiter.term === place.term) return waiter.resolve({ index: place.index, result });
    // Committed entries never change, so the command that was here never will be.
    waiter.reject(
      new ProposalDroppedError(
        `Another leader's entry was committed at ${place.index}; propose the command again.`,
      ),
    );
  }

  /** The state machine jumped to `index`: what was applied on the way is not known. */
  onInstalled(index: number): void {
    for (const [at, waiter] of this.#byIndex) {
      if (at > index) continue;
      this.#byIndex.delete(at);
      waiter.reject(
        new OutcomeUnknownError(`A snapshot of entry ${index} was installed over entry ${at}.`),
      );
    }
  }

  expire(nowMs: number): void {
    if (nowMs < this.#earliestDeadlineMs) return;
    this.#earliestDeadlineMs = Infinity;
    for (const [index, waiter] of this.#byIndex) {
      if (waiter.deadlineMs > nowMs) {
        this.#earliestDeadlineMs = Math.min(this.#earliestDeadlineMs, waiter.deadlineMs);
        continue;
      }
      this.#byIndex.delete(index);
      waiter.reject(
        new OutcomeUnknownError(
          `The command at entry ${index} was not committed in time; it may still be.`,
        ),
      );
    }
  }

  rejectAll(error: Error): void {
    for (const waiter of this.#byIndex.values()) waiter.reject(error);
    this.#byIndex.clear();
  }
}

/** Those who wait for a condition, looked at after every step of the node. */
export class ConditionWaiters {
  #waiters: (Waiter<void> & { readonly isMet: () => boolean; readonly what: string })[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  /** `isMet` may throw what the wait then rejects with. */
  wait(isMet: () => boolean, options: { deadlineMs: number; what: string }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ...options, isMet, resolve, reject });
      this.check();
    });
  }

  check(): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      try {
        if (!waiter.isMet()) return true;
        waiter.resolve();
      } catch (error) {
        waiter.reject(error as Error);
      }
      return false;
    });
  }

  expire(nowMs: number): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.deadlineMs > nowMs) return true;
      waiter.reject(new RaftTimeoutError(`Waited too long: ${waiter.what}.`));
      return false;
    });
  }

  rejectAll(error: Error): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }
}

/** Those who wait until the state machine has applied an index. */
export class AppliedWaiters {
  #waiters: (Waiter<void> & { readonly index: number })[] = [];
  #lowest = Infinity;

  get size(): number {
    return this.#waiters.length;
  }

  add(waiter: Waiter<void> & { index: number }): void {
    this.#waiters.push(waiter);
    this.#lowest = Math.min(this.#lowest, waiter.index);
  }

  onApplied(index: number): void {
    if (index < this.#lowest) return;
    this.#keep((waiter) => {
      if (waiter.index > index) return true;
      waiter.resolve();
      return false;
    });
  }

  expire(nowMs: number): void {
    this.#keep((waiter) => {
      if (waiter.deadlineMs > nowMs) return true;
      waiter.reject(new RaftTimeoutError(`Entry ${waiter.index} was not applied here in time.`));
      return false;
    });
  }

  rejectAll(error: Error): void {
    this.#keep((waiter) => {
      waiter.reject(error);
      return false;
    });
  }

  #keep(isKept: (waiter: Waiter<void> & { readonly index: number }) => boolean): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter(isKept);
    this.#lowest = this.#waiters.reduce((low, { index }) => Math.min(low, index), Infinity);
  }
}
