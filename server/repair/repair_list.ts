/**
 * Which segments may need repair, so that not all of them have to be looked at all the time: those that
 * changed, and every one when a node comes, goes, dies or lives again. Pure.
 *
 * @module
 */

import {
  type Change,
  type MetadataState,
  openSegmentOf,
  segmentOf,
  type TopicInfo,
} from "../metadata/mod.ts";
import { type RepairStep, type RepairView, stepFor, wantedReplicas } from "./repair_plan.ts";

/** Segments that are looked at in one go: more wait for the next, and clients don't wait for either. */
const LOOKS_MAX = 10_000;
/** Before a step that failed is taken again, unless nodes change; doubles from the first to the second, milliseconds. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 30_000;

/** What of a topic is to be looked at. */
interface Suspects {
  /** Segments from this number on; Infinity for none. */
  from: number;
  /** Besides: those that changed, or need something that is not done yet. */
  readonly single: Set<number>;
  /** Segments whose step failed, until it is done. */
  readonly failures: Map<number, Failure>;
}

interface Failure {
  /** How often something other than its time stood in the way. */
  attempts: number;
  delayMs: number;
  notBeforeMs: number;
}

/** Names the segment of a step. */
type Target = Pick<RepairStep, "topic" | "segment">;

/** Made by whoever carries out the steps. At first everything is suspect. */
export class RepairList {
  readonly #topics: Map<string, Suspects> = new Map();
  #isAll = true;
  /** How the nodes were when the list was last used. */
  #nodes = "";

  /** Metadata changed; `null`: anything may have. */
  changed(change: Change | null): void {
    if (change === null) this.#isAll = true;
    else if (change.kind === "topic") {
      if (change.segment === null) this.#suspect(change.topic).from = 0;
      else this.#suspect(change.topic).single.add(change.segment);
    }
  }

  /**
   * The step failed: it comes again after a while, behind those that have not failed. `isSlow`: for want of time; what it
   * has copied by then is there, and the same step is the one that goes on with it.
   */
  failed({ topic, segment }: Target, { nowMs, isSlow }: { nowMs: number; isSlow: boolean }): void {
    const suspects = this.#suspect(topic);
    const last = suspects.failures.get(segment) ?? { attempts: 0, delayMs: RETRY_MS_MIN / 2 };
    const delayMs = Math.min(2 * last.delayMs, RETRY_MS_MAX);
    const attempts = last.attempts + (isSlow ? 0 : 1);
    suspects.failures.set(segment, { attempts, delayMs, notBeforeMs: nowMs + delayMs });
    // To the end of both orders: else as many as are looked at in one go could stand before the others for ever.
    suspects.single.delete(segment);
    suspects.single.add(segment);
    this.#topics.delete(topic);
    this.#topics.set(topic, suspects);
  }

  /** The step was done: what the segment needs next has not failed. */
  done({ topic, segment }: Target): void {
    this.#topics.get(topic)?.failures.delete(segment);
  }

  /**
   * The next steps, at most `limit`. Each comes again until it shows in `state` that it was done; one that failed
   * only when its time has come, and where there are too few others.
   */
  steps(
    state: MetadataState,
    view: RepairView,
    { limit, nowMs }: { limit: number; nowMs: number },
  ): RepairStep[] {
    this.#maybeSuspectAll(state, view);
    const steps: RepairStep[] = [];
    const again: RepairStep[] = [];
    let looks = 0;
    for (const [name, suspects] of this.#topics) {
      const topic = state.topics.get(name);
      const wanted = topic ? wantedReplicas(state, topic, view) : 0;
      for (const number of topic ? numbersOf(topic, suspects) : []) {
        const segment = segmentOf(topic!, number);
        const failure = suspects.failures.get(number);
        const attempt = failure?.attempts ?? 0;
        const step = stepFor(state, { topic: topic!, segment, wanted, attempt }, view);
        if (step === null) {
          suspects.single.delete(number);
          suspects.failures.delete(number);
        } else {
          suspects.single.add(number);
          if (failure === undefined) steps.push(step);
          else if (failure.notBeforeMs <= nowMs && again.length < limit) again.push(step);
        }
        if (steps.length >= limit) return steps;
        if (++looks > LOOKS_MAX) return [...steps, ...again].slice(0, limit);
      }
      if (!topic || suspects.single.size === 0) this.#topics.delete(name);
    }
    return [...steps, ...again].slice(0, limit);
  }

  #maybeSuspectAll(state: MetadataState, view: RepairView): void {
    const nodes = [...state.nodes.keys()].map((id) =>
      `${id} ${view.isLive(id)} ${view.isLost(id)} ${state.draining.has(id)}`
    ).join();
    if (nodes === this.#nodes && !this.#isAll) return;
    this.#nodes = nodes;
    this.#isAll = false;
    for (const suspects of this.#topics.values()) suspects.failures.clear();
    for (const name of state.topics.keys()) this.#suspect(name).from = 0;
  }

  #suspect(topic: string): Suspects {
    const known = this.#topics.get(topic) ?? {
      from: Infinity,
      single: new Set(),
      failures: new Map(),
    };
    this.#topics.set(topic, known);
    return known;
  }
}

/** Single ones first: what is under way is not forgotten over what is still to be looked at. */
function* numbersOf(topic: TopicInfo, suspects: Suspects): Iterable<number> {
  const single = new Set(suspects.single);
  yield* single;
  suspects.from = Math.max(suspects.from, topic.segments[0]!.number);
  while (suspects.from < openSegmentOf(topic).number) {
    const number = suspects.from;
    // Before the look: whoever stops there has looked at it, and goes on behind it.
    suspects.from++;
    if (!single.has(number)) yield number;
  }
  suspects.from = Infinity;
}
