/**
 * A fetch that waits until there is something, or its time is up.
 *
 * @module
 */

import type { Entries } from "../segments/mod.ts";
import { type FetchSpec, routeFetch } from "./fetch_router.ts";
import type { Routes } from "./routes.ts";
import type { TailWait } from "./topic_tails.ts";

const NOTHING: Entries = { bytes: new Uint8Array(0), count: 0 };
/** What a wait takes at least where nothing was found after it: whatever ends waits, nobody looks in a loop. */
const PAUSE_MS = 10;

/** A fetch for which somebody has made room. */
export interface GrantedSpec extends FetchSpec {
  /** Gives the room back, once: nothing was found, or what was found is not needed any more. */
  release: () => void;
}

/** What a fetch waits for. */
export interface FetchWait {
  offset: number;
  /** How long, milliseconds. */
  waitMs: number;
  /** Asked before each look, so that who waits takes up no room. */
  spec: () => GrantedSpec;
}

/** One read, and how many look at what it brought. */
interface SharedFetch {
  readonly entries: Promise<Entries>;
  users: number;
}

/** Reads that many wait for are done once: those that are woken together mostly ask for the same. */
export class SharedFetches {
  readonly #fetchOnce: (topic: string, spec: FetchSpec) => Promise<Entries>;
  readonly #running: Map<string, SharedFetch> = new Map();

  /** @param fetch What a test does instead of a fetch. */
  constructor(routes: Routes, read = routeFetch) {
    this.#fetchOnce = (topic, spec) => read(routes, topic, spec);
  }

  /** See `routeFetch`. The memory is free again when everybody who got the same has released it. */
  async fetch(topic: string, spec: FetchSpec): Promise<Entries> {
    const key = `${topic} ${spec.offset} ${spec.count} ${spec.maxBytes}`;
    const shared = this.#running.get(key) ?? this.#begin(key, topic, spec);
    shared.users++;
    const { bytes, count, release } = await shared.entries;
    return { bytes, count, release: () => --shared.users === 0 && release?.() };
  }

  #begin(key: string, topic: string, spec: FetchSpec): SharedFetch {
    // Nobody joins what has ended: who releases it last is the last.
    const entries = this.#fetchOnce(topic, spec).finally(() => this.#running.delete(key));
    const shared = { entries, users: 0 };
    this.#running.set(key, shared);
    return shared;
  }
}

/** One fetch that found nothing at first. */
export class WaitingFetch {
  /** None when the time is up, or it was cancelled. Rejects as `routeFetch`. */
  readonly entries: Promise<Entries>;
  #wait: TailWait | null = null;
  #isCancelled = false;

  constructor(routes: Routes, topic: string, wait: FetchWait) {
    this.entries = this.#run(routes, topic, wait);
  }

  /** Ends the wait now. */
  cancel(): void {
    this.#isCancelled = true;
    this.#wait?.cancel();
  }

  async #run(routes: Routes, topic: string, { offset, waitMs, spec }: FetchWait): Promise<Entries> {
    const deadlineMs = routes.nowMs() + waitMs;
    for (;;) {
      const fromMs = routes.nowMs();
      const leftMs = deadlineMs - fromMs;
      if (leftMs <= 0 || this.#isCancelled || routes.tails.isClosed) return NOTHING;
      this.#wait = routes.tails.wait(topic, offset, leftMs);
      await this.#wait.done;
      if (this.#isCancelled) return NOTHING;
      const entries = await look(routes, topic, spec());
      if (entries.count > 0) return entries;
      const pauseMs = fromMs + PAUSE_MS - routes.nowMs();
      if (pauseMs > 0) await routes.changeOf(topic, pauseMs);
    }
  }
}

async function look(routes: Routes, topic: string, spec: GrantedSpec): Promise<Entries> {
  let entries: Entries;
  try {
    entries = await routes.fetches.fetch(topic, spec);
  } catch (error) {
    spec.release();
    throw error;
  }
  const release = () => {
    entries.release?.();
    spec.release();
  };
  if (entries.count > 0) return { ...entries, release };
  release();
  return NOTHING;
}
