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

/** Reads that many wait for are done once: those that are woken together mostly ask for the same. */
export class SharedFetches {
  readonly #routes: Routes;
  readonly #running: Map<string, Promise<Entries>> = new Map();

  constructor(routes: Routes) {
    this.#routes = routes;
  }

  /** See `routeFetch`. */
  fetch(topic: string, spec: FetchSpec): Promise<Entries> {
    const key = `${topic} ${spec.offset} ${spec.count} ${spec.maxBytes}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#fetch(topic, spec).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  /** Many look at the same bytes: nobody gives them back. */
  async #fetch(topic: string, spec: FetchSpec): Promise<Entries> {
    const { bytes, count } = await routeFetch(this.#routes, topic, spec);
    return { bytes, count };
  }
}

/** One fetch that found nothing at first. */
export class WaitingFetch {
  /** None when the time is up, or it was cancelled. Rejects as `routeFetch`. */
  readonly entries: Promise<Entries>;
  #wait: TailWait | null = null;
  #isCancelled = false;

  constructor(routes: Routes, topic: string, options: { spec: FetchSpec; waitMs: number }) {
    this.entries = this.#run(routes, topic, options);
  }

  /** Ends the wait now. */
  cancel(): void {
    this.#isCancelled = true;
    this.#wait?.cancel();
  }

  async #run(
    routes: Routes,
    topic: string,
    { spec, waitMs }: { spec: FetchSpec; waitMs: number },
  ): Promise<Entries> {
    const deadlineMs = routes.nowMs() + waitMs;
    for (;;) {
      const leftMs = deadlineMs - routes.nowMs();
      if (leftMs <= 0 || this.#isCancelled || routes.tails.isClosed) return NOTHING;
      this.#wait = routes.tails.wait(topic, spec.offset, leftMs);
      await this.#wait.done;
      if (this.#isCancelled) return NOTHING;
      const entries = await routes.fetches.fetch(topic, spec);
      if (entries.count > 0) return entries;
    }
  }
}
