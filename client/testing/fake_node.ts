/**
 * A node for the client's tests: topics in memory behind the real codec, on any network, with the
 * misbehaviours that a client must bear.
 *
 * @module
 */

import {
  type Address,
  type Connection,
  formatAddress,
  type Listener,
  type Network,
} from "../../world/network.ts";
import type { NodeList, TopicList } from "../answers.ts";
import { FrameReader, parseRequest, Request, ResponseWriter, unpackEntries } from "../wire.ts";
import { FrameWriter } from "../frame_writer.ts";

/** What the node does with requests from now on; all but `refuse` take effect in its topics. */
export type FakeBehaviour =
  | "answer"
  /** Does it, and says nothing. */
  | "silent"
  /** Does it, and closes the connection instead of answering. */
  | "close"
  /** Answers something that is no answer. */
  | "garbage"
  /** Answers `ERR` and does nothing. */
  | "refuse"
  /** Does it, and answers that it doesn't know. */
  | "doubt";

/** What an entry counts against the limit of a fetch, whatever it has. */
const FAKE_ENTRY_BYTES = 8;

/** What it says of every topic. */
const FAKE_TOPIC: Omit<TopicList["topics"][number], "topic"> = {
  segments: 1,
  leader_node: 1,
  sealed_entries: 0,
  sealed_bytes: 0,
  replication_factor: 1,
  fsync: null,
};

interface FakeTopic {
  messages: Uint8Array[];
  cursor: number;
}

/** Serves until `stop()`. */
export class FakeNode {
  behaviour: FakeBehaviour = "answer";
  readonly topics = new Map<string, FakeTopic>();
  /** Requests as they came, as `COMMAND topic argument`, without the payload of a `PUT`. */
  readonly requests: string[] = [];
  /** The most requests that one read brought. */
  requestsInOneRead = 0;
  readonly #listener: Listener;
  readonly #connections = new Set<Connection>();

  private constructor(listener: Listener) {
    this.#listener = listener;
    this.#accept();
  }

  static async start(network: Network, address: Address): Promise<FakeNode> {
    return new FakeNode(await network.listen(address));
  }

  get address(): Address {
    return this.#listener.address;
  }

  /** Payloads of a topic as text. */
  texts(topic: string): string[] {
    const messages = this.topics.get(topic)?.messages ?? [];
    return messages.map((message) => new TextDecoder().decode(message));
  }

  dropConnections(): void {
    for (const connection of this.#connections) connection.close();
  }

  stop(): void {
    this.#listener.close();
    this.dropConnections();
  }

  get #asNode(): NodeList["nodes"][number] {
    const address = formatAddress(this.address);
    const counts = { leads: this.topics.size, holds: this.topics.size };
    const way = { draining: false, given_up: false };
    const who = { id: 1, incarnation: "fake", role: "leader", live: true } as const;
    return { ...who, raft_addr: address, client_addr: address, ...way, ...counts };
  }

  async #accept(): Promise<void> {
    while (true) {
      const connection = await this.#listener.accept();
      if (connection === null) return;
      this.#connections.add(connection);
      this.#serve(connection).catch(() => {}).finally(() => connection.close());
    }
  }

  async #serve(connection: Connection): Promise<void> {
    const reader = new FrameReader();
    const request = new Request();
    while (true) {
      const count = await connection.read(reader.space());
      if (count === null) return;
      reader.filled(count);
      const writer = new ResponseWriter();
      let requests = 0;
      while (reader.next() === "frame") {
        requests++;
        parseRequest(reader.bytes, reader.start, reader.end, request);
        const topic = text(reader.bytes.subarray(request.topicStart, request.topicEnd));
        const payload = reader.bytes.slice(request.payloadStart, request.payloadEnd);
        const isBytes = request.kind === "PUT" || request.kind === "APPEND";
        const argument = isBytes
          ? ""
          : request.kind === "FETCH"
          ? `${request.offset} wait=${request.waitMs}`
          : text(payload);
        const words = [request.kind, topic, argument].filter((word) => word !== "");
        this.requests.push(words.join(" "));
        this.#handle(request, { topic, payload, writer });
        if (this.behaviour === "close") return;
      }
      this.requestsInOneRead = Math.max(this.requestsInOneRead, requests);
      if (writer.lengthBytes > 0) await connection.write(writer.bytes);
    }
  }

  #handle(
    request: Request,
    parts: { topic: string; payload: Uint8Array; writer: ResponseWriter },
  ): void {
    if (this.behaviour === "refuse") return parts.writer.error("no room for another connection");
    const isAnswering = this.behaviour === "answer";
    this.#do(request, { ...parts, writer: isAnswering ? parts.writer : new ResponseWriter() });
    if (this.behaviour === "doubt") parts.writer.error("outcome unknown: node 2 did not answer");
    if (this.behaviour === "garbage") parts.writer.addTextFrame("HTTP/1.1 400 Bad Request");
  }

  #do(
    request: Request,
    { topic: name, payload, writer }: {
      topic: string;
      payload: Uint8Array;
      writer: ResponseWriter;
    },
  ): void {
    if (request.kind === "error") return writer.error(request.error);
    if (request.kind === "METRICS") return writer.json(`{"id":1,"state":"Leader"}`);
    if (request.kind === "REGISTER") {
      if (!this.topics.has(name)) this.topics.set(name, { messages: [], cursor: 0 });
      return writer.ok();
    }
    if (request.kind === "TOPICS") {
      const topics = [...this.topics.keys()].map((topic) => ({ ...FAKE_TOPIC, topic }));
      return writer.json(JSON.stringify({ topics }));
    }
    if (request.kind === "NODES") return writer.json(JSON.stringify({ nodes: [this.#asNode] }));
    if (request.kind === "REMOVE-NODE") return writer.ok();
    const topic = this.topics.get(name);
    if (topic === undefined) return writer.error(`unknown topic ${name}: register it first`);
    if (request.kind === "STATE") return writer.json(`{"current_segment":1,"leader_node":1}`);
    if (request.kind === "PUT") {
      topic.messages.push(payload);
      return writer.ok();
    }
    if (request.kind === "APPEND") {
      const first = topic.messages.push(...unpackEntries(payload, request.count)) - request.count;
      return writer.okText(`${first}`);
    }
    const next = topic.messages.length;
    if (request.kind === "OFFSETS") return writer.okText(`0 ${next}`);
    if (request.kind === "FETCH") {
      const { offset, count } = request;
      if (offset > next) return writer.error(`offset out of range: ${offset}, the next is ${next}`);
      // Nobody waits here: a test adds messages before it asks.
      if (offset === next) return writer.empty();
      const fitting = Math.max(1, Math.min(count, Math.floor(request.maxBytes / FAKE_ENTRY_BYTES)));
      const entries = topic.messages.slice(offset, offset + fitting);
      return writer.okEntries(offset, entries.length, packed(entries));
    }
    const message = topic.messages[topic.cursor];
    if (message === undefined) return writer.empty();
    topic.cursor++;
    writer.okPayload(message);
  }
}

function packed(entries: readonly Uint8Array[]): Uint8Array {
  const writer = new FrameWriter();
  for (const entry of entries) writer.addFrame(entry);
  return writer.bytes;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
