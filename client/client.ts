/**
 * The client of a Walrus cluster.
 *
 * @module
 */

import { RealClock } from "../world/real/clock.ts";
import type { Clock } from "../world/clock.ts";
import { type Address, type Network, parseAddress } from "../world/network.ts";
import {
  type NodeList,
  type NodeMetrics,
  settingsText,
  type TopicList,
  type TopicSettings,
  type TopicState,
} from "./answers.ts";
import { Dispatcher } from "./dispatcher.ts";
import {
  ClientClosedError,
  ConnectError,
  InvalidRequestError,
  OutcomeUnknownError,
  ProtocolError,
  ServerError,
  UnknownTopicError,
} from "./errors.ts";
import { NodeNetwork } from "./node_network.ts";
import {
  type Command,
  isTopicName,
  MAX_FRAME_BYTES_DEFAULT,
  type Response,
  TOPIC_NAME_RULE,
} from "./wire.ts";

/** Where and how to connect. All have defaults. */
export interface ClientOptions {
  /** How long a request may take, from the call to the answer, milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** How long connecting to one address may take, milliseconds. Default 2,000. */
  connectTimeoutMs?: number;
  /** Requests that may be sent without an answer yet. Default 1,024. */
  maxInFlight?: number;
  /** Requests that may wait to be sent; more are refused. Default 65,536. */
  maxWaiting?: number;
  /** The longest request that the node takes, bytes; its `--max-frame-bytes`. Default 16 MiB. */
  maxFrameBytes?: number;
  /** How connections are made. Default: TCP through `node:net`. */
  network?: Pick<Network, "connect">;
  /** Default: the machine's. */
  clock?: Clock;
}

const TIMEOUT_MS_DEFAULT = 10_000;
const CONNECT_TIMEOUT_MS_DEFAULT = 2_000;
const IN_FLIGHT_MAX_DEFAULT = 1024;
const WAITING_MAX_DEFAULT = 65_536;

/**
 * Talks to one node of a cluster, and to another one when that is gone. All calls may be made at once:
 * they are pipelined in the order in which they were made.
 *
 * **Never twice.** A `put` or `get` that was sent and not answered is not repeated on another
 * connection; it rejects with `OutcomeUnknownError`. `register`, `state` and `metrics`, which may be
 * repeated without harm, are.
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
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maxFrameBytes: number;
  #closing: Promise<void> | null = null;

  private constructor(addresses: readonly Address[], options: ClientOptions) {
    this.#clock = options.clock ?? new RealClock();
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
    this.#maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES_DEFAULT;
    this.#dispatcher = new Dispatcher(addresses, {
      timeoutMs: this.#timeoutMs,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
      maxInFlight: options.maxInFlight ?? IN_FLIGHT_MAX_DEFAULT,
      maxWaiting: options.maxWaiting ?? WAITING_MAX_DEFAULT,
      network: options.network ?? new NodeNetwork(),
      clock: this.#clock,
    });
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
   * Creates the topic unless it is there.
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
   */
  put(topic: string, payload: Uint8Array | string): Promise<void> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    return this.#request("PUT", topic, { payload: bytes, read: readOk });
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
   * @throws {ServerError} when there is no such node, or it is the last one.
   */
  removeNode(id: number): Promise<void> {
    return this.#request("REMOVE-NODE", "", { argument: String(id), read: readOk });
  }

  /** Waits for what was asked, each within its time, then ends the connection. New requests are refused. */
  close(): Promise<void> {
    return this.#closing ??= this.#dispatcher.close();
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #request<T>(command: Command, topic: string, options: RequestOptions<T>): Promise<T> {
    const payload = options.payload ?? null;
    const refusal = this.#refusalOf(command, topic, payload?.length ?? 0);
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise<T>((resolve, reject) => {
      this.#dispatcher.submit({
        command,
        topic,
        argument: options.argument ?? "",
        payload,
        deadlineMs: this.#clock.nowMs() + this.#timeoutMs,
        readsWhenSent: 0,
        settled: false,
        answer: (response) => {
          if (response.kind === "error") return reject(errorFrom(response.message));
          const result = options.read(response);
          if (result === null) throw wrongAnswerError(command, response);
          resolve(result.value);
        },
        fail: reject,
      });
    });
  }

  #refusalOf(command: Command, topic: string, payloadBytes: number): Error | null {
    if (this.#closing !== null) return new ClientClosedError("The client is closed.");
    if (topic === "" ? TOPIC_COMMANDS.has(command) : !isTopicName(topic)) {
      return new InvalidRequestError(
        `Bad topic name ${JSON.stringify(topic)}: ${TOPIC_NAME_RULE}.`,
      );
    }
    const frameBytes = command.length + topic.length + payloadBytes + SPACES_BYTES_MAX;
    if (frameBytes <= this.#maxFrameBytes) return null;
    return new InvalidRequestError(
      `A message of ${payloadBytes} bytes makes a request of ${frameBytes} bytes; ` +
        `the limit is ${this.#maxFrameBytes}.`,
    );
  }
}

/** In a request, besides its words. */
const SPACES_BYTES_MAX = 2;

/** Commands that speak of a topic. */
const TOPIC_COMMANDS: ReadonlySet<Command> = new Set(["REGISTER", "PUT", "GET", "STATE"]);

interface RequestOptions<T> {
  payload?: Uint8Array;
  argument?: string;
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

function readOk(response: Response): { value: void } | null {
  return response.kind === "ok" ? { value: undefined } : null;
}

function readMessage(response: Response): { value: Uint8Array | null } | null {
  // The view ends with the next read: the message is the caller's own.
  if (response.kind === "payload") return { value: response.payload.slice() };
  return response.kind === "empty" ? { value: null } : null;
}

function readJson<T>(response: Response): { value: T } | null {
  if (response.kind !== "json") return null;
  try {
    return { value: JSON.parse(response.text) as T };
  } catch (cause) {
    throw new ProtocolError("The node's JSON can't be parsed.", { cause });
  }
}

/** The first words of a message say what kind of error it is; the rest is for people. */
function errorFrom(message: string): ServerError | OutcomeUnknownError {
  if (message.startsWith("unknown topic")) return new UnknownTopicError(message);
  if (message.startsWith("outcome unknown")) return new OutcomeUnknownError(message);
  return new ServerError(message);
}

function wrongAnswerError(command: Command, response: Response): ProtocolError {
  return new ProtocolError(
    `The answer to ${command} is not one to that (${response.kind}): is this a Walrus client port?`,
  );
}
