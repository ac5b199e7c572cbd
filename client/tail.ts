/**
 * Following a topic: one fetch after the other, waiting at the node where there is nothing yet.
 *
 * @module
 */

import { RequestTimeoutError } from "./errors.ts";
import type { Fetched } from "./offset_answers.ts";

/** How long one fetch of a tail waits at the node, milliseconds. */
const TAIL_WAIT_MS = 30_000;

/** See `WalrusClient.tail`. */
export interface TailOptions {
  /** Offset of the first entry. Default 0. For what comes from now on: `(await client.offsets(topic)).next`. */
  from?: number;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
  /** Packed bytes of one fetch: what is in memory is at most twice that. Default: the node's, 1 MiB. */
  maxBytes?: number;
}

/** One entry of a topic. */
export interface TailedEntry {
  /** Its place in the topic, counted from 0. */
  offset: number;
  /** Its bytes: a view of a larger buffer. Copy it to keep it for long. */
  payload: Uint8Array;
}

/** Fetches from an offset on. */
export type Fetch = (
  offset: number,
  options: { waitMs: number; signal: AbortSignal; maxBytes?: number },
) => Promise<Fetched>;

/** The entries from an offset on, for ever. While one run of them is used, the next one is on its way. */
export async function* tailEntries(
  source: Fetch,
  options: TailOptions,
): AsyncGenerator<TailedEntry, void, undefined> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const { maxBytes, signal } = options;
  signal?.addEventListener("abort", end);
  const fetchFrom = (offset: number) => {
    const limits = { waitMs: TAIL_WAIT_MS, signal: ending.signal };
    const fetched = source(offset, maxBytes === undefined ? limits : { ...limits, maxBytes });
    fetched.catch(() => {}); // heard of when it is awaited
    return fetched;
  };
  try {
    let offset = options.from ?? 0;
    let coming: Promise<Fetched> | null = null;
    while (!signal?.aborted) {
      coming ??= fetchFrom(offset);
      let fetched: Fetched;
      try {
        fetched = await coming;
      } catch (error) {
        if (signal?.aborted) return;
        coming = null;
        // Nobody could be reached for a while. Nothing is lost by asking again.
        if (error instanceof RequestTimeoutError) continue;
        throw error;
      }
      offset = fetched.nextOffset;
      coming = fetchFrom(offset);
      for (let i = 0; i < fetched.entries.length; i++) {
        if (signal?.aborted) return;
        yield { offset: fetched.firstOffset + i, payload: fetched.entries[i]! };
      }
    }
  } finally {
    signal?.removeEventListener("abort", end);
    ending.abort();
  }
}
