/**
 * How far topics are known to reach: whoever asks later must not be told that they end before that.
 *
 * @module
 */

import { LEASE_MS } from "../../server/config.ts";
import { firstOffsetOf } from "../../server/metadata/mod.ts";
import type { SimClock } from "../../world/sim/mod.ts";
import type { Chronicle } from "./chronicle.ts";
import type { FaultName, Shape } from "./shape.ts";

/**
 * How old a leader's view of the end of its topic may be, milliseconds: while it holds its lease it may not have heard
 * that others have sealed its segment. Its clock may be slow, and that by more where a fault says so, for a while.
 */
const VIEW_MS = 1.2 * LEASE_MS;
const SLOW_VIEW_MS = 5000 + VIEW_MS;
const SLOW_FAULTS: readonly FaultName[] = ["slowClock", "usurp", "doubt"];

/** What a horizon is made from. */
export interface HorizonParts {
  clock: SimClock;
  chronicle: Chronicle;
  shape: Shape;
}

interface Sighting {
  atMs: number;
  end: number;
}

/** One per simulation. */
export class Horizon {
  readonly #parts: HorizonParts;
  readonly #viewMs: number;
  /** By topic: rising in both. */
  readonly #sightings = new Map<string, Sighting[]>();
  /** Topics of which an answer may mean a life that is over. */
  readonly #blurred = new Set<string>();

  constructor(parts: HorizonParts) {
    this.#parts = parts;
    const { faults } = parts.shape;
    this.#viewMs = SLOW_FAULTS.some((fault) => faults[fault]) ? SLOW_VIEW_MS : VIEW_MS;
  }

  /** Somebody was told that there are entries before `end`. */
  note(topic: string, end: number): void {
    const atMs = this.#parts.clock.nowMs();
    const sightings = this.#sightings.get(topic) ?? [];
    this.#sightings.set(topic, sightings);
    if (end > (sightings.at(-1)?.end ?? 0)) sightings.push({ atMs, end });
  }

  /** All entries before this offset are there, and whoever leads the topic knows it. */
  endOf(topic: string): number {
    // With less than is promised, topics may get shorter.
    if (this.#parts.shape.isBeyondPromise || this.#blurred.has(topic)) return 0;
    const beforeMs = this.#parts.clock.nowMs() - this.#viewMs;
    return this.#sightings.get(topic)?.findLast(({ atMs }) => atMs <= beforeMs)?.end ?? 0;
  }

  /** The offset of the first entry that any node may have left now. */
  firstOf(topic: string): number {
    const known = this.#parts.chronicle.state.topics.get(topic);
    return known ? firstOffsetOf(known) : 0;
  }

  /** Nothing from this offset on may be read now. */
  committedEndOf(topic: string): number {
    return this.#parts.chronicle.committedEndOf(topic);
  }

  /** The topic is about to be deleted: offsets say nothing of it any more. */
  blur(topic: string): void {
    this.#blurred.add(topic);
  }

  /** Whether an answer may still mean another life of the topic than the one that was asked for. */
  isBlurred(topic: string): boolean {
    return this.#blurred.has(topic);
  }
}
