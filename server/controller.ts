/**
 * What a client can ask of a node, whichever node it is: the commands of DESIGN.md §8 as calls.
 *
 * @module
 */

import type { RecordBatch } from "../storage/mod.ts";
import { REQUEST_TIMEOUT_MS } from "./config.ts";
import { UnavailableError } from "./errors.ts";
import type { Metadata, SegmentInfo, TopicInfo } from "./metadata/mod.ts";
import { isUnderReplicated } from "./repair/mod.ts";
import { mustAgree, parseTopicSettings } from "./topic_settings.ts";
import {
  type MetricsParts,
  metricsReport,
  nodesReport,
  stateReport,
  topicsReport,
} from "./reports/mod.ts";
import {
  type AppendResult,
  type FetchSpec,
  routeAppend,
  routeEnd,
  routeFetch,
  type Routes,
  routeTake,
  WaitingFetch,
} from "./routing/mod.ts";
import type { Entries, Placement, Taken } from "./segments/mod.ts";

/** A fetch that waits. */
export interface LaterFetch {
  /** None when the time is up, or it was cancelled. */
  entries: Promise<Entries>;
  /** Ends the wait now. */
  cancel(): void;
}

/** The commands of the client protocol, as calls. */
export interface ClientService {
  /** Makes the topic unless it is there. `settings` as text, as a client sends them; mostly empty. */
  register(topic: string, settings: string): Promise<void>;
  /**
   * Appends entries in order. Never rejects: says how many were committed, and why not all. `ends`: where the
   * batch may be divided between segments, and nowhere else (see `routeAppend`).
   */
  append(
    topic: string,
    batch: RecordBatch,
    ends: readonly number[] | null,
  ): Promise<AppendResult>;
  /** Committed entries from an offset on; none where it is the next one to come. */
  fetch(topic: string, spec: FetchSpec): Promise<Entries>;
  /** The same once there is something, or else after that time. For who found nothing with `fetch`. */
  fetchLater(topic: string, spec: FetchSpec, waitMs: number): LaterFetch;
  /** Offsets of the first entry that can be read, and of the next one to come. */
  offsets(topic: string): Promise<{ first: number; next: number }>;
  /** Takes up to `count` entries from the topic's shared cursor. */
  take(topic: string, count: number): Promise<Taken>;
  /** The JSON of `STATE`. */
  state(topic: string): Promise<string>;
  /** The JSON of `METRICS`. */
  metrics(): Promise<string>;
  /** The JSON of `TOPICS`. */
  topics(): Promise<string>;
  /** The JSON of `NODES`. */
  nodes(): Promise<string>;
  /** Begins to empty a node, which then leaves the cluster. */
  removeNode(id: number): Promise<void>;
}

/** What a controller is made from. */
export interface ControllerParts {
  routes: Routes;
  metadata: Metadata;
  /** Where a new topic's first segment goes. */
  placeFirst: (replicationFactor: number) => Placement;
  replicationFactor: number;
  metrics: MetricsParts;
}

/** One per node; every client session talks to it. */
export class Controller implements ClientService {
  readonly #parts: ControllerParts;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** Its segment 1 goes to the nodes in turn. A topic that is there must have the given settings. */
  async register(topic: string, settings: string): Promise<void> {
    const { metadata, placeFirst, replicationFactor } = this.#parts;
    const wished = parseTopicSettings(settings);
    const known = metadata.state.topics.get(topic);
    if (known) return mustAgree(known, wished);
    const factor = wished.replicationFactor ?? replicationFactor;
    await metadata.propose({
      kind: "createTopic",
      topic,
      replicationFactor: factor,
      durability: wished.durability,
      ...placeFirst(factor),
    }, { timeoutMs: REQUEST_TIMEOUT_MS });
    // Somebody else may have been first, with other settings.
    mustAgree(metadata.state.topics.get(topic)!, wished);
  }

  append(
    topic: string,
    batch: RecordBatch,
    ends: readonly number[] | null,
  ): Promise<AppendResult> {
    return routeAppend(this.#parts.routes, topic, batch, ends);
  }

  fetch(topic: string, spec: FetchSpec): Promise<Entries> {
    return routeFetch(this.#parts.routes, topic, spec);
  }

  fetchLater(topic: string, spec: FetchSpec, waitMs: number): LaterFetch {
    return new WaitingFetch(this.#parts.routes, topic, { spec, waitMs });
  }

  async offsets(topic: string): Promise<{ first: number; next: number }> {
    return { first: 0, next: await routeEnd(this.#parts.routes, topic) };
  }

  take(topic: string, count: number): Promise<Taken> {
    return routeTake(this.#parts.routes, topic, count);
  }

  async state(topic: string): Promise<string> {
    const found = await this.#parts.routes.mustFindTopic(topic);
    return stateReport(found, (segment) => this.#isUnderReplicated(found, segment));
  }

  metrics(): Promise<string> {
    return Promise.resolve(metricsReport(this.#parts.metrics));
  }

  topics(): Promise<string> {
    return Promise.resolve(topicsReport(this.#parts.metadata.state.topics.values()));
  }

  nodes(): Promise<string> {
    const { metadata, metrics } = this.#parts;
    return Promise.resolve(nodesReport(metadata.state, metrics.raft.status, metrics.isLive));
  }

  async removeNode(id: number): Promise<void> {
    const { metadata } = this.#parts;
    await metadata.propose({ kind: "drainNode", id }, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  #isUnderReplicated(topic: TopicInfo, segment: SegmentInfo): boolean {
    const { metadata, metrics } = this.#parts;
    return isUnderReplicated(metadata.state, topic, segment, metrics);
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
  fetch = () => this.#refuse();
  offsets = () => this.#refuse();
  state = () => this.#refuse();
  metrics = () => this.#refuse();
  topics = () => this.#refuse();
  nodes = () => this.#refuse();
  removeNode = () => this.#refuse();

  append(): Promise<AppendResult> {
    return Promise.resolve({ committed: 0, error: new UnavailableError(this.#reason), runs: [] });
  }

  fetchLater(): LaterFetch {
    return { entries: this.#refuse(), cancel: () => {} };
  }

  #refuse(): Promise<never> {
    return Promise.reject(new UnavailableError(this.#reason));
  }
}
