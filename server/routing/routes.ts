/**
 * The way from a topic to the leader of its open segment, with everything that can be in between.
 *
 * @module
 */

import type { Clock } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { OutcomeUnknownError, UnavailableError, UnknownTopicError } from "../errors.ts";
import { type Metadata, openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";
import {
  CallTimeoutError,
  ConnectionLostError,
  OverloadedError,
  type Peers,
  PeerUnavailableError,
  RemoteError,
  RpcCode,
} from "../network/mod.ts";
import type { Segments } from "../segments/mod.ts";
import { AsksUnderWay } from "./asks_under_way.ts";
import { Forwarding } from "./forwarding.ts";
import { ReadBuffers } from "./read_buffers.ts";
import { TopicTails } from "./topic_tails.ts";
import { SharedFetches } from "./waiting_fetch.ts";

/**
 * Wait for metadata to change before the same leader is asked again, milliseconds: short at first, as at a
 * rollover this node may only have learnt of the next leader a moment before that one did; then longer.
 */
const RETRY_MS_MIN = 1;
const RETRY_MS_MAX = 20;

/** What routing needs of a node. */
export interface RoutesParts {
  nodeId: number;
  metadata: Metadata;
  segments: Segments;
  peers: Peers;
  clock: Clock;
}

/** One per node. */
export class Routes {
  readonly nodeId: number;
  readonly segments: Segments;
  readonly peers: Peers;
  /** Who waits for topics to grow. */
  readonly tails: TopicTails;
  readonly fetches: SharedFetches;
  readonly forwarding: Forwarding;
  readonly buffers: ReadBuffers = new ReadBuffers();
  readonly underWay: AsksUnderWay = new AsksUnderWay();
  readonly #metadata: Metadata;
  readonly #clock: Clock;

  constructor(parts: RoutesParts) {
    this.nodeId = parts.nodeId;
    this.segments = parts.segments;
    this.peers = parts.peers;
    this.#metadata = parts.metadata;
    this.#clock = parts.clock;
    this.tails = new TopicTails(this, parts.clock);
    this.fetches = new SharedFetches(this);
    this.forwarding = new Forwarding(parts.peers, parts.clock);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** The topic as it is known here now. */
  topicNow(topic: string): TopicInfo | undefined {
    return this.#metadata.state.topics.get(topic);
  }

  /** Resolves at the next change of the topic's metadata, or after that time. */
  changeOf(topic: string, timeoutMs: number): Promise<void> {
    return this.#metadata.changeOf(topic, timeoutMs);
  }

  /**
   * Asks the leader of the topic's open segment until one does it (`null`: it is not the leader). What was
   * certainly not done is tried again with whoever leads next, until the request's time is up.
   *
   * @param options `isRead`: asking changes nothing, so that an answer that was lost is asked for again.
   * @throws {UnknownTopicError}
   * @throws {UnavailableError} nothing was done.
   * @throws {OutcomeUnknownError} it was sent, and the connection or the time ended before the answer.
   */
  async ask<T>(
    topic: string,
    attempt: (segment: SegmentInfo, timeoutMs: number) => Promise<T | null>,
    options: { isRead: boolean } = { isRead: false },
  ): Promise<T> {
    const { isRead } = options;
    const deadlineMs = this.#clock.nowMs() + REQUEST_TIMEOUT_MS;
    for (let retryMs = RETRY_MS_MIN;; retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)) {
      const segment = openSegmentOf(await this.mustFindTopic(topic));
      const timeoutMs = deadlineMs - this.#clock.nowMs();
      if (timeoutMs <= 0) throw unavailable(topic, segment, isRead);
      // In one turn with the look at metadata: see `farewell`.
      this.underWay.begin(segment.leader);
      const done = await attempt(segment, timeoutMs).catch((error) => {
        if (wasCertainlyNotDone(error) || (isRead && isAnswerLost(error))) return null;
        throw asRequestError(error, topic, segment);
      }).finally(() => this.underWay.end(segment.leader));
      if (done !== null) return done;
      const now = this.#metadata.state.topics.get(topic);
      if (now && openSegmentOf(now) === segment) {
        await this.#metadata.changeOf(topic, retryMs);
      }
    }
  }

  /**
   * Brings metadata up to what the cluster has committed by now.
   *
   * @throws {UnavailableError} when there is no majority to ask.
   */
  async refresh(why: string): Promise<void> {
    await this.#metadata.refresh({ timeoutMs: REQUEST_TIMEOUT_MS }).catch((error) => {
      throw new UnavailableError(`${why}, and the cluster could not be asked: ${error.message}`);
    });
  }

  /**
   * The topic as known here, or, where it is unknown, after a look at what the cluster has committed: it
   * may have been registered through another node a moment ago.
   *
   * @throws {UnknownTopicError}
   */
  async mustFindTopic(topic: string): Promise<TopicInfo> {
    const known = this.#metadata.state.topics.get(topic);
    if (known) return known;
    await this.refresh(`topic ${topic} is not known here`);
    const found = this.#metadata.state.topics.get(topic);
    if (!found) throw new UnknownTopicError(topic);
    return found;
  }
}

function wasCertainlyNotDone(error: unknown): boolean {
  return error instanceof PeerUnavailableError || error instanceof OverloadedError ||
    (error instanceof RemoteError && error.code === RpcCode.overloaded);
}

function isAnswerLost(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof CallTimeoutError;
}

function asRequestError(error: unknown, topic: string, segment: SegmentInfo): unknown {
  if (isAnswerLost(error)) {
    return new OutcomeUnknownError(
      `node ${segment.leader}, which leads ${topic}/${segment.number}, did not answer: ` +
        `it may or may not have been done (${(error as Error).message})`,
    );
  }
  return error;
}

function unavailable(topic: string, segment: SegmentInfo, isRead: boolean): UnavailableError {
  return new UnavailableError(
    `node ${segment.leader}, which leads ${topic}/${segment.number}, did not ` +
      `${
        isRead ? "answer" : "take it"
      } within ${REQUEST_TIMEOUT_MS} ms: is it running and connected to a ` +
      `majority?${isRead ? "" : " Nothing was done"}`,
  );
}
