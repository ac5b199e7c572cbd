/**
 * What a client can ask of a node, whichever node it is: the commands of DESIGN.md §8 as calls.
 *
 * @module
 */

import type { RecordBatch } from "../storage/mod.ts";
import { REQUEST_TIMEOUT_MS } from "./config.ts";
import { RefusedError, UnavailableError, UnknownTopicError } from "./errors.ts";
import {
  firstOffsetOf,
  KEEP_ALL,
  type Metadata,
  openSegmentOf,
  segmentAt,
  type TopicInfo,
} from "./metadata/mod.ts";
import { underReplication } from "./repair/mod.ts";
import {
  isSameRetention,
  mustAgree,
  parseTopicSettings,
  type TopicSettings,
} from "./topic_settings.ts";
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
  type FetchWait,
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
  fetchLater(topic: string, wait: FetchWait): LaterFetch;
  /** Offsets of the first entry that can be read, and of the next one to come. */
  offsets(topic: string): Promise<{ first: number; next: number }>;
  /** Deletes the topic and all that is in it. Done already, where it is not there. */
  deleteTopic(topic: string): Promise<void>;
  /** Drops the sealed segments of the topic that end at or before `offset`. */
  trim(topic: string, offset: number): Promise<void>;
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
  /**
   * Begins to empty a node, which then leaves the cluster; `acceptLoss`: it will never come back, and this one must
   * not hear it.
   */
  removeNode(id: number, options: { acceptLoss: boolean }): Promise<void>;
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

  /**
   * Its first segment goes to the nodes in turn. A topic that is there must have the given settings; how much
   * it keeps is changed to what is wished.
   *
   * @throws {InvalidSettingError | UnavailableError | OutcomeUnknownError | RefusedError}
   */
  async register(topic: string, settings: string): Promise<void> {
    const { metadata, placeFirst, replicationFactor } = this.#parts;
    const wished = parseTopicSettings(settings);
    const factor = wished.replicationFactor ?? replicationFactor;
    // What is proposed is applied here too before it is looked at again.
    for (let known = await this.#topicAsOfNow(topic);; known = metadata.state.topics.get(topic)) {
      if (known && await this.#adjust(known, wished)) return;
      if (known) continue;
      // Somebody else may be first, with other settings, or delete it again.
      await metadata.propose({
        kind: "createTopic",
        topic,
        replicationFactor: factor,
        durability: wished.durability,
        ...placeFirst(factor),
        firstSegment: metadata.state.firstSegmentOf(topic),
        retention: { ...KEEP_ALL, ...wished.retention },
      }, { timeoutMs: REQUEST_TIMEOUT_MS });
    }
  }

  /** False where the topic was deleted meanwhile. */
  async #adjust(topic: TopicInfo, wished: TopicSettings): Promise<boolean> {
    mustAgree(topic, wished);
    const retention = { ...topic.retention, ...wished.retention };
    if (isSameRetention(retention, topic.retention)) return true;
    const { metadata } = this.#parts;
    const { name, bornSegment } = topic;
    await metadata.propose(
      { kind: "setRetention", topic: name, bornSegment, retention },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
    return metadata.state.topics.get(name)?.bornSegment === bornSegment;
  }

  async deleteTopic(topic: string): Promise<void> {
    const { metadata } = this.#parts;
    const known = await this.#topicAsOfNow(topic);
    if (known === undefined) return;
    const command = { kind: "deleteTopic" as const, topic, bornSegment: known.bornSegment };
    await metadata.propose(command, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  async trim(topic: string, offset: number): Promise<void> {
    const { metadata } = this.#parts;
    const known = await this.#topicAsOfNow(topic);
    if (known === undefined) throw new UnknownTopicError(topic);
    if (offset <= firstOffsetOf(known)) return;
    // The segment in which the offset lies stays, and so does the open one.
    const firstSegment = segmentAt(known, offset).number;
    if (firstSegment === known.segments[0]!.number) return;
    const command = { kind: "trimTopic" as const, topic, firstSegment };
    await metadata.propose(command, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  /** As of everything that is committed: an old view would have the wrong thing done, or nothing, and say OK. */
  async #topicAsOfNow(topic: string): Promise<TopicInfo | undefined> {
    const { metadata } = this.#parts;
    await metadata.refresh({ timeoutMs: REQUEST_TIMEOUT_MS }).catch((error) => {
      throw new UnavailableError(`the cluster could not be asked about ${topic}: ${error.message}`);
    });
    return metadata.state.topics.get(topic);
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

  fetchLater(topic: string, wait: FetchWait): LaterFetch {
    return new WaitingFetch(this.#parts.routes, topic, wait);
  }

  async offsets(topic: string): Promise<{ first: number; next: number }> {
    const next = await routeEnd(this.#parts.routes, topic);
    const known = await this.#parts.routes.mustFindTopic(topic);
    const first = firstOffsetOf(known);
    // Trimmed meanwhile: what goes was committed, so that the end is there at least.
    return { first, next: Math.max(first, next) };
  }

  take(topic: string, count: number): Promise<Taken> {
    return routeTake(this.#parts.routes, topic, count);
  }

  async state(topic: string): Promise<string> {
    const found = await this.#parts.routes.mustFindTopic(topic);
    const { metadata, metrics, routes } = this.#parts;
    const led = routes.segments.led(topic);
    return stateReport(found, {
      isUnderReplicated: underReplication(metadata.state, found, metrics),
      open: led?.number === openSegmentOf(found).number
        ? { count: led.writer.committedOffset, bytes: led.writer.log.payloadBytes }
        : null,
    });
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

  async removeNode(id: number, { acceptLoss }: { acceptLoss: boolean }): Promise<void> {
    const { metadata, metrics } = this.#parts;
    if (acceptLoss && metrics.isLive(id)) {
      throw new RefusedError(
        `node ${id} is heard, and can say itself what it has: ` +
          `stop it for good first, or remove it without accept-loss`,
      );
    }
    const kind = acceptLoss ? "giveUpNode" as const : "drainNode" as const;
    await metadata.propose({ kind, id }, { timeoutMs: REQUEST_TIMEOUT_MS });
  }
}

/** What clients get while the node is not there yet, or not any more: a reason instead of silence. */
export class UnavailableService implements ClientService {
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  register = () => this.#refuse();
  deleteTopic = () => this.#refuse();
  trim = () => this.#refuse();
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
