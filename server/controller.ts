/**
 * What a client can ask of a node, whichever node it is: the commands of DESIGN.md §8 as calls.
 *
 * @module
 */

import type { RecordBatch } from "../storage/mod.ts";
import { REQUEST_TIMEOUT_MS } from "./config.ts";
import type { Metadata } from "./metadata/mod.ts";
import { type MetricsParts, metricsReport } from "./reports/metrics_report.ts";
import { stateReport } from "./reports/state_report.ts";
import {
  type AppendResult,
  firstLeader,
  routeAppend,
  type Routes,
  routeTake,
} from "./routing/mod.ts";
import type { Placement, Taken } from "./segments/mod.ts";

/** What a controller is made from. */
export interface ControllerParts {
  routes: Routes;
  metadata: Metadata;
  /** Where a new topic's first segment goes. */
  placeFirst: () => Placement;
  replicationFactor: number;
  metrics: MetricsParts;
}

/** One per node; every client session talks to it. */
export class Controller {
  readonly #parts: ControllerParts;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** Makes the topic unless it is there. Its segment 1 goes to the nodes in turn. */
  async register(topic: string): Promise<void> {
    const { metadata, placeFirst, replicationFactor } = this.#parts;
    if (metadata.state.topics.has(topic)) return;
    await metadata.propose(
      { kind: "createTopic", topic, replicationFactor, ...placeFirst() },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
  }

  /** Appends entries in order. Never rejects: says how many were committed, and why not all. */
  append(topic: string, batch: RecordBatch): Promise<AppendResult> {
    return routeAppend(this.#parts.routes, topic, batch);
  }

  /** Takes up to `count` entries from the topic's shared cursor. */
  take(topic: string, count: number): Promise<Taken> {
    return routeTake(this.#parts.routes, topic, count);
  }

  /** The JSON of `STATE`. */
  async state(topic: string): Promise<string> {
    return stateReport(await this.#parts.routes.mustFindTopic(topic));
  }

  /** The JSON of `METRICS`. */
  metrics(): string {
    return metricsReport(this.#parts.metrics);
  }
}
