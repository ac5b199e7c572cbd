/**
 * The client of a Walrus cluster.
 *
 * @module
 */

import { RealClock } from "../world/real/clock.ts";
import type { Clock } from "../world/clock.ts";
import { type Address, parseAddress } from "../world/network.ts";
import {
  type NodeList,
  type NodeMetrics,
  settingsText,
  type TopicList,
  type TopicSettings,
  type TopicState,
} from "./answers.ts";
import {
  errorFrom,
  ofPayload,
  readJson,
  readMessage,
  readOk,
  wrongAnswerError,
} from "./answer_values.ts";
import type { ClientOptions, FetchOptions } from "./client_options.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ClientClosedError, ConnectError, InvalidRequestError } from "./errors.ts";
import { Lanes } from "./lanes.ts";
import { bytesOf, refusalOfMessage } from "./message.ts";
import { NodeNetwork } from "./node_network.ts";
import {
  type Fetched,
  readFetched,
  readOffset,
  readOffsets,
  type TopicOffsets,
} from "./offset_answers.ts";
import { type TailedEntry, tailEntries, type TailOptions } from "./tail.ts";
import {
  ACCEPT_LOSS,
  APPEND_ENTRIES_MAX,
  type Command,
  FETCH_WAIT_MS_MAX,
  isTopicName,
  MAX_FRAME_BYTES_DEFAULT,
  packedBytes,
  type RequestWriter,
  type Response,
  TOPIC_NAME_RULE,
} from "./wire.ts";

const TIMEOUT_MS_DEFAULT = 10_000;
const CONNECT_TIMEOUT_MS_DEFAULT = 2_000;
const IN_FLIGHT_MAX_DEFAULT = 1024;
const WAITING_MAX_DEFAULT = 65_536;

/**
 * Talks to one node of a cluster, and to another one when that is gone. All calls may be made at once:
 * they are pipelined in the order in which they were made.
 *
 * **Never twice.** A `put`, `appendBatch`, `get`, `deleteTopic`, `trim` or `removeNode` that was sent and not
 * answered is not repeated on another connection; it rejects with `OutcomeUnknownError`. `register`, `fetch`,
 * `state` and the others, which may be repeated without harm, are.
 *
 * Any node takes any request. Puts of one client to one topic keep their order as long as one
 * connection holds; after an `OutcomeUnknownError`, look before you repeat.
 *
 * Every call may also reject with `ServerError` (the node said no), `RequestTimeoutError` (nothing
 * happened in time), `InvalidRequestError` (it can't be sent like that), `TooManyRequestsError` or
 * `ClientClosedError`; all of them, and only them, leave nothing behind.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { WalrusClient } from "./mod.ts";
 * import { startStandIn } from "./testing/mod.ts";
 *
 * // Any node of a cluster: "127.0.0.1:9091,127.0.0.1:9092". Here one in this process stands in for it.
 * await using node = await startStandIn();
 *
 * const client = await WalrusClient.connect(node.address);
 * await client.register("logs");
 * await Promise.all([client.put("logs", "first"), client.put("logs", "second")]);
 * const message = await client.get("logs"); // a Uint8Array, or null when there is nothing to read
 * strictEqual(new TextDecoder().decode(message!), "first");
 * await client.close();
 * ```
 */
export class WalrusClient {
  readonly #dispatcher: Dispatcher;
  readonly #lanes: Lanes;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maxFrameBytes: number;
  #closing: Promise<void> | null = null;

  private constructor(addresses: readonly Address[], options: ClientOptions) {
    this.#clock = options.clock ?? new RealClock();
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
    this.#maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES_DEFAULT;
    const makeDispatcher = () =>
      new Dispatcher(addresses, {
        timeoutMs: this.#timeoutMs,
        connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
        maxInFlight: options.maxInFlight ?? IN_FLIGHT_MAX_DEFAULT,
        maxWaiting: options.maxWaiting ?? WAITING_MAX_DEFAULT,
        network: options.network ?? new NodeNetwork(),
        clock: this.#clock,
      });
    this.#dispatcher = makeDispatcher();
    this.#lanes = new Lanes(makeDispatcher);
  }

  /**
   * Connects to the first of the addresses that answers.
   *
   * @param addresses `HOST:PORT`, several of them with commas between or as a list.
   * @throws {ConnectError} when none of them can be connected to; it says why for each.
   * @throws {InvalidRequestError} when one is not an address.
   */
  static async connect(
    addresses: string | readonly Address[],
    options: ClientOptions = {},
  ): Promise<WalrusClient> {
    const list = typeof addresses === "string" ? parseAddresses(addresses) : addresses;
    if (list.length === 0) {
      throw new InvalidRequestError("No address was given: HOST:PORT is needed.");
    }
    const client = new WalrusClient(list, options);
    const failures = await client.#dispatcher.connectOnce();
    if (failures !== null) throw new ConnectError(failures);
    return client;
  }

  /** The node's address that requests go to now; `null` while there is no connection. */
  get address(): string | null {
    return this.#dispatcher.address;
  }

  /** Requests that were made and not answered yet. */
  get outstanding(): number {
    return this.#dispatcher.outstanding;
  }

  /**
   * Creates the topic unless it is there. Repeated by itself when the answer was lost: what counts is that the topic is
   * there with these settings when it resolves. (Where another client deletes the topic, or promises to keep more or
   * less, in that very moment, the repetition comes last.)
   *
   * @param settings What the topic has of its own; for a topic that is there, what it must have.
   * @throws {ServerError} when the topic is there with other settings.
   */
  register(topic: string, settings: TopicSettings = {}): Promise<void> {
    return this.#request("REGISTER", topic, { argument: settingsText(settings), read: readOk });
  }

  /**
   * Appends one message; resolves when it is committed.
   *
   * @param payload Any bytes, or a text that becomes UTF-8. Don't change the bytes before it resolves.
   * @throws {UnknownTopicError} when the topic was not registered.
   * @throws {OutcomeUnknownError} when the answer was lost: the message may be there or not.
   * @throws {InvalidRequestError} when the text has half of a surrogate pair in it.
   */
  put(topic: string, payload: Uint8Array | string): Promise<void> {
    const refusal = refusalOfMessage(payload);
    if (refusal !== null) return Promise.reject(refusal);
    const bytes = bytesOf(payload);
    return this.#request("PUT", topic, {
      bodyBytes: bytes.length,
      write: (writer) => writer.addPut(topic, bytes),
      read: readOk,
    });
  }

  /**
   * Appends messages together, all or none, one behind the other; resolves with the offset of the first when
   * they are committed.
   *
   * @param messages 1 to 100,000, together within the longest request. Don't change them before it resolves.
   * @throws {UnknownTopicError} when the topic was not registered.
   * @throws {OutcomeUnknownError} when the answer was lost: the batch may be there, whole, or not.
   */
  appendBatch(topic: string, messages: readonly (Uint8Array | string)[]): Promise<number> {
    for (const message of messages) {
      const refusal = refusalOfMessage(message);
      if (refusal !== null) return Promise.reject(refusal);
    }
    const entries = messages.map(bytesOf);
    if (entries.length < 1 || entries.length > APPEND_ENTRIES_MAX) {
      return Promise.reject(
        new InvalidRequestError(
          `A batch has 1 to ${APPEND_ENTRIES_MAX} messages, not ${entries.length}.`,
        ),
      );
    }
    return this.#request("APPEND", topic, {
      bodyBytes: packedBytes(entries) + String(entries.length).length + 1,
      write: (writer) => writer.addAppend(topic, entries),
      read: ofPayload(readOffset),
    });
  }

  /**
   * Reads messages from an offset on, without moving any cursor. Where the topic ends there, it waits for
   * `waitMs` at most and then brings no entries.
   *
   * @param offset Of the first message, counted from 0.
   * @throws {UnknownTopicError} when the topic was not registered.
   * @throws {OffsetOutOfRangeError} when the offset is beyond the next one to come.
   *
   * @example
   * ```ts
   * import { strictEqual } from "node:assert/strict";
   * import { WalrusClient } from "./mod.ts";
   * import { startStandIn } from "./testing/mod.ts";
   *
   * await using node = await startStandIn();
   * await using client = await WalrusClient.connect(node.address);
   * await client.register("logs");
   * strictEqual(await client.appendBatch("logs", ["first", "second", "third"]), 0);
   *
   * const { entries, nextOffset } = await client.fetch("logs", 1, { maxEntries: 10 });
   * strictEqual(new TextDecoder().decode(entries[0]), "second");
   * strictEqual(nextOffset, 3);
   * ```
   */
  fetch(topic: string, offset: number, options: FetchOptions = {}): Promise<Fetched> {
    const refusal = refusalOfFetch(offset, options);
    if (refusal !== null) return Promise.reject(refusal);
    const request: RequestOptions<Fetched> = {
      write: (writer) => writer.addFetch(topic, offset, options),
      waitMs: Math.min(options.waitMs ?? 0, FETCH_WAIT_MS_MAX),
      read: (response) =>
        response.kind === "empty"
          ? { value: { firstOffset: offset, entries: [], nextOffset: offset } }
          : ofPayload(readFetched)(response),
    };
    if (request.waitMs === 0) return this.#request("FETCH", topic, request);
    return this.#waitingRequest("FETCH", topic, { ...request, signal: options.signal ?? null });
  }

  /**
   * Which messages of the topic can be read: the first that is there, and the next one to come.
   *
   * @throws {UnknownTopicError} when the topic was not registered.
   */
  offsets(topic: string): Promise<TopicOffsets> {
    return this.#request("OFFSETS", topic, { read: ofPayload(readOffsets) });
  }

  /**
   * Follows a topic: its messages from an offset on, in order, each once, and then those that come, until the
   * loop is left or the signal says so. Goes on at another node when one is lost.
   *
   * @throws {UnknownTopicError | OffsetOutOfRangeError | ServerError | ClientClosedError} from the loop.
   *
   * @example
   * ```ts
   * import { deepStrictEqual } from "node:assert/strict";
   * import { WalrusClient } from "./mod.ts";
   * import { startStandIn } from "./testing/mod.ts";
   *
   * await using node = await startStandIn();
   * await using client = await WalrusClient.connect(node.address);
   * await client.register("logs");
   * await client.appendBatch("logs", ["first", "second"]);
   *
   * const seen: string[] = [];
   * for await (const { offset, payload } of client.tail("logs", { from: 0 })) {
   *   seen.push(`${offset} ${new TextDecoder().decode(payload)}`);
   *   if (seen.length === 2) break;
   * }
   * deepStrictEqual(seen, ["0 first", "1 second"]);
   * ```
   */
  tail(topic: string, options: TailOptions = {}): AsyncGenerator<TailedEntry, void, undefined> {
    return tailEntries((offset, limits) => this.fetch(topic, offset, limits), options);
  }

  /**
   * Takes the next message at the topic's shared cursor; `null` when there is none now. The cursor is
   * the same for all clients, whichever node they ask: each message is given to one of them.
   *
   * @throws {UnknownTopicError} when the topic was not registered.
   * @throws {OutcomeUnknownError} when the answer was lost: the cursor may have passed a message.
   */
  get(topic: string): Promise<Uint8Array | null> {
    return this.#request("GET", topic, { read: readMessage });
  }

  /**
   * The topic's segments, their leaders and counts.
   *
   * @throws {UnknownTopicError} when the topic was not registered.
   */
  state(topic: string): Promise<TopicState> {
    return this.#request("STATE", topic, { read: readJson<TopicState> });
  }

  /** The node's view of the cluster. */
  metrics(): Promise<NodeMetrics> {
    return this.#request("METRICS", "", { read: readJson<NodeMetrics> });
  }

  /** All topics, as the node knows them. */
  topics(): Promise<TopicList> {
    return this.#request("TOPICS", "", { read: readJson<TopicList> });
  }

  /** All nodes of the cluster, as the node sees them. */
  nodes(): Promise<NodeList> {
    return this.#request("NODES", "", { read: readJson<NodeList> });
  }

  /**
   * Begins to move everything off a node, which then leaves the cluster: `nodes()` shows how far it is.
   *
   * @param options `acceptLoss`: the node will never come back, and what can't be found out without it is given up:
   * segments that wait for its answer are sealed with what the others have, and say `may_have_lost`.
   * @throws {ServerError} when there is no such node, or it is the last one.
   * @throws {OutcomeUnknownError} when the answer was lost: look at `nodes()`. It is not repeated, since another
   * node may have joined with the id.
   */
  removeNode(id: number, options: { acceptLoss?: boolean } = {}): Promise<void> {
    const argument = `${id}${options.acceptLoss ? ACCEPT_LOSS : ""}`;
    return this.#request("REMOVE-NODE", "", { argument, read: readOk });
  }

  /**
   * Deletes the topic and everything in it; done already where it is not there. Replicas give the space back.
   *
   * @throws {OutcomeUnknownError} when the answer was lost: the topic may be deleted or not. It is not repeated,
   * since somebody may have made a topic of that name anew.
   */
  deleteTopic(topic: string): Promise<void> {
    return this.#request("DELETE", topic, { read: readOk });
  }

  /**
   * Drops what of the topic lies in whole sealed segments before an offset. A shared cursor that points there
   * goes on at the first message that is left.
   *
   * @param offset Of the first message that must stay.
   * @throws {UnknownTopicError} when the topic was not registered.
   * @throws {OutcomeUnknownError} when the answer was lost: `offsets()` says what is left. It is not repeated,
   * since somebody may have made a topic of that name anew.
   */
  trim(topic: string, offset: number): Promise<void> {
    return this.#request("TRIM", topic, { argument: String(offset), read: readOk });
  }

  /**
   * Waits for what was asked, each within its time, then ends the connection. New requests are refused, and
   * fetches that wait at a node are given up.
   */
  close(): Promise<void> {
    if (this.#closing === null) this.#lanes.close();
    return this.#closing ??= this.#dispatcher.close();
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #request<T>(command: Command, topic: string, options: RequestOptions<T>): Promise<T> {
    return this.#requestOver(this.#dispatcher, { ...options, command, topic });
  }

  /** Over a connection that nothing else waits for. */
  async #waitingRequest<T>(
    command: Command,
    topic: string,
    { signal, ...options }: RequestOptions<T> & { signal: AbortSignal | null },
  ): Promise<T> {
    signal?.throwIfAborted();
    if (this.#closing !== null) throw new ClientClosedError("The client is closed.");
    const lane = this.#lanes.take();
    const giveUp = () => lane.abandon(signal!.reason);
    signal?.addEventListener("abort", giveUp);
    try {
      return await this.#requestOver(lane, { ...options, command, topic });
    } finally {
      signal?.removeEventListener("abort", giveUp);
      if (!signal?.aborted) this.#lanes.giveBack(lane);
      else this.#lanes.forget(lane);
    }
  }

  #requestOver<T>(
    dispatcher: Dispatcher,
    options: RequestOptions<T> & { command: Command; topic: string },
  ): Promise<T> {
    const { command, topic, argument = "", read } = options;
    const refusal = this.#refusalOf(command, topic, options.bodyBytes ?? 0);
    if (refusal !== null) return Promise.reject(refusal);
    const words = [command, topic, argument].filter((word) => word !== "");
    return new Promise<T>((resolve, reject) => {
      dispatcher.submit({
        command,
        topic,
        deadlineMs: this.#clock.nowMs() + this.#timeoutMs + (options.waitMs ?? 0),
        readsWhenSent: 0,
        settled: false,
        write: options.write ?? ((writer) => writer.addCommand(words.join(" "))),
        answer: (response) => {
          if (response.kind === "error") return reject(errorFrom(response.message));
          const result = read(response);
          if (result === null) throw wrongAnswerError(command, response);
          resolve(result.value);
        },
        fail: reject,
      });
    });
  }

  #refusalOf(command: Command, topic: string, bodyBytes: number): Error | null {
    if (this.#closing !== null) return new ClientClosedError("The client is closed.");
    if (topic === "" ? TOPIC_COMMANDS.has(command) : !isTopicName(topic)) {
      return new InvalidRequestError(
        `Bad topic name ${JSON.stringify(topic)}: ${TOPIC_NAME_RULE}.`,
      );
    }
    const frameBytes = command.length + topic.length + bodyBytes + SPACES_BYTES_MAX;
    if (frameBytes <= this.#maxFrameBytes) return null;
    return new InvalidRequestError(
      `${bodyBytes} bytes of message make a request of ${frameBytes} bytes; ` +
        `the limit is ${this.#maxFrameBytes}.`,
    );
  }
}

/** In a request, besides its words. */
const SPACES_BYTES_MAX = 2;

/** Commands that speak of a topic. */
const TOPIC_COMMANDS: ReadonlySet<Command> = new Set([
  "REGISTER",
  "PUT",
  "GET",
  "APPEND",
  "FETCH",
  "OFFSETS",
  "STATE",
  "DELETE",
  "TRIM",
]);

interface RequestOptions<T> {
  /** Packs the request, where it is more than words. */
  write?: (writer: RequestWriter) => void;
  /** Length of what stands behind the topic, where it can be long. */
  bodyBytes?: number;
  /** What stands behind command and topic, mostly nothing: settings, a node's id. */
  argument?: string;
  /** How long the node itself may wait before it answers, milliseconds. */
  waitMs?: number;
  /** The value that the answer carries; `null` when it is no answer to that command. */
  read: (response: Response) => { value: T } | null;
}

/** Splits `HOST:PORT,HOST:PORT`. @throws {InvalidRequestError} */
function parseAddresses(text: string): Address[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const address = parseAddress(part);
    if (address !== undefined) return address;
    throw new InvalidRequestError(
      `${JSON.stringify(part)} is not an address: HOST:PORT is needed.`,
    );
  });
}

function refusalOfFetch(offset: number, options: FetchOptions): InvalidRequestError | null {
  const { maxEntries = 1, maxBytes = 1, waitMs = 0 } = options;
  const limits = { offset: [offset, 0], maxEntries: [maxEntries, 1], maxBytes: [maxBytes, 1] };
  for (const [name, [value, least]] of Object.entries({ ...limits, waitMs: [waitMs, 0] })) {
    if (Number.isSafeInteger(value) && value! >= least!) continue;
    return new InvalidRequestError(`${name} is ${value}: a whole number from ${least} is needed.`);
  }
  return null;
}
