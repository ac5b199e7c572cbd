/**
 * What a client can ask of a node, whichever node it is: the commands of DESIGN.md §8 as calls.
 *
 * @module
 */

import type { RecordBatch } from "../storage/mod.ts";
import { REQUEST_TIMEOUT_MS } from "./config.ts";
import { UnavailableError } from "./errors.ts";
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

/** The commands of the client protocol, as calls. */
export interface ClientService {
  /** Makes the topic unless it is there. */
  register(topic: string): Promise<void>;
  /** Appends entries in order. Never rejects: says how many were committed, and why not all. */
  append(topic: string, batch: RecordBatch): Promise<AppendResult>;
  /** Takes up to `count` entries from the topic's shared cursor. */
  take(topic: string, count: number): Promise<Taken>;
  /** The JSON of `STATE`. */
  state(topic: string): Promise<string>;
  /** The JSON of `METRICS`. */
  metrics(): Promise<string>;
}

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
export class Controller implements ClientService {
  readonly #parts: ControllerParts;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** Its segment 1 goes to the nodes in turn. */
  async register(topic: string): Promise<void> {
    const { metadata, placeFirst, replicationFactor } = this.#parts;
    if (metadata.state.topics.has(topic)) return;
    await metadata.propose(
      { kind: "createTopic", topic, replicationFactor, ...placeFirst() },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
  }

  append(topic: string, batch: RecordBatch): Promise<AppendResult> {
    return routeAppend(this.#parts.routes, topic, batch);
  }

  take(topic: string, count: number): Promise<Taken> {
    return routeTake(this.#parts.routes, topic, count);
  }

  async state(topic: string): Promise<string> {
    return stateReport(await this.#parts.routes.mustFindTopic(topic));
  }

  metrics(): Promise<string> {
    return Promise.resolve(metricsReport(this.#parts.metrics));
  }
}

/** What clients get while the node is not there yet, or not any more: a reason instead of silence. */
export class UnavailableService implements ClientService {
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  register = () => this.#refuse();
  take = () => this.#refuse();
  state = () => this.#refuse();
  metrics = () => this.#refuse();

  append(): Promise<AppendResult> {
    return Promise.resolve({ committed: 0, error: new UnavailableError(this.#reason) });
  }

  #refuse(): Promise<never> {
    return Promise.reject(new UnavailableError(this.#reason));
  }
}
