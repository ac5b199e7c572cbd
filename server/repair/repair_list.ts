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

/** What of a topic is to be looked at. */
interface Suspects {
  /** Segments from this number on; Infinity for none. */
  from: number;
  /** Besides: those that changed, or need something that is not done yet. */
  readonly single: Set<number>;
}

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

  /** The next steps, at most `limit`. Each comes again until it shows in `state` that it was done. */
  steps(state: MetadataState, view: RepairView, limit: number): RepairStep[] {
    this.#maybeSuspectAll(state, view);
    const steps: RepairStep[] = [];
    let looks = 0;
    for (const [name, suspects] of this.#topics) {
      const topic = state.topics.get(name);
      const wanted = topic ? wantedReplicas(state, topic, view) : 0;
      for (const number of topic ? numbersOf(topic, suspects) : []) {
        const segment = segmentOf(topic!, number);
        const step = stepFor(state, { topic: topic!, segment, wanted }, view);
        if (step === null) suspects.single.delete(number);
        else {
          suspects.single.add(number);
          steps.push(step);
        }
        if (steps.length >= limit || ++looks > LOOKS_MAX) return steps;
      }
      if (!topic || suspects.single.size === 0) this.#topics.delete(name);
    }
    return steps;
  }

  #maybeSuspectAll(state: MetadataState, view: RepairView): void {
    const nodes = [...state.nodes.keys()].map((id) =>
      `${id} ${view.isLive(id)} ${view.isLost(id)} ${state.draining.has(id)}`
    ).join();
    if (nodes === this.#nodes && !this.#isAll) return;
    this.#nodes = nodes;
    this.#isAll = false;
    for (const name of state.topics.keys()) this.#suspect(name).from = 0;
  }

  #suspect(topic: string): Suspects {
    const known = this.#topics.get(topic) ?? { from: Infinity, single: new Set() };
    this.#topics.set(topic, known);
    return known;
  }
}

/** Single ones first: what is under way is not forgotten over what is still to be looked at. */
function* numbersOf(topic: TopicInfo, suspects: Suspects): Iterable<number> {
  const single = [...suspects.single];
  yield* single;
  suspects.from = Math.max(suspects.from, topic.segments[0]!.number);
  while (suspects.from < openSegmentOf(topic).number) {
    const number = suspects.from;
    // Before the look: whoever stops there has looked at it, and goes on behind it.
    suspects.from++;
    yield number;
  }
  suspects.from = Infinity;
}
