/**
 * One client connection: reads what has arrived, does it in order, answers in one write.
 *
 * What one read brought is executed in runs of equal commands: `PUT`s as one batch a topic, `GET`s of one
 * topic as one take. The next read waits until everything is answered. So order needs no bookkeeping, a
 * slow disk slows its clients, and a connection costs no more memory than its buffers.
 *
 * @module
 */

import {
  FrameReader,
  parseRequest,
  Request,
  type RequestKind,
  ResponseWriter,
  TopicInterner,
} from "../../client/wire.ts";
import { RecordReader } from "../../storage/mod.ts";
import { type Connection, unreachable } from "../../world/mod.ts";
import type { ClientService } from "../controller.ts";
import { wireMessage } from "../errors.ts";
import { PutRun } from "./put_run.ts";

/** Answers are sent once there are so many bytes of them, even when the run goes on. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** Made for each accepted connection; `run` ends with the connection. */
export class ClientSession {
  readonly #connection: Connection;
  /** Looked up for each command: a node that starts or stops serves differently. */
  readonly #service: () => ClientService;
  readonly #reader: FrameReader;
  readonly #maxFrameBytes: number;
  readonly #request = new Request();
  readonly #topics = new TopicInterner();
  readonly #answers = new ResponseWriter();
  readonly #puts = new PutRun();
  #gets: { topic: string; count: number } | null = null;
  /** Grows with every completed read and write: what the listener's sweep looks at. */
  #progress = 0;
  #isWriting = false;
  /** Between a read and the last of its answers. */
  #isServing = false;
  #isFinishing = false;

  constructor(
    connection: Connection,
    service: () => ClientService,
    options: { maxFrameBytes: number },
  ) {
    this.#connection = connection;
    this.#service = service;
    this.#reader = new FrameReader(options);
    this.#maxFrameBytes = options.maxFrameBytes;
  }

  /** Bytes that this session's buffers hold. */
  get bufferedBytes(): number {
    return this.#reader.bytes.length + this.#puts.bufferedBytes + this.#answers.lengthBytes;
  }

  get progress(): number {
    return this.#progress;
  }

  /** The client owes us something: the rest of a frame, or to read its answers. */
  get isOwed(): boolean {
    return this.#isWriting || this.#reader.isMidFrame;
  }

  /** Answers what it is doing, reads nothing more, and closes. */
  finish(): void {
    this.#isFinishing = true;
    if (!this.#isServing) this.#connection.close();
  }

  /** Serves until the client, `end` or `finish` closes the connection. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#isFinishing && await this.#serveRead()) { /* until the stream ends */ }
    } catch {
      // The connection broke: whatever was answered before has left, nobody waits for the rest.
    } finally {
      this.#connection.close();
    }
  }

  /** Tells the client why, as well as it can be told, and closes. */
  end(reason: string): void {
    if (this.#isWriting) return this.#connection.close();
    const last = new ResponseWriter();
    last.error(reason);
    this.#connection.write(last.bytes).catch(() => {}).finally(() => this.#connection.close());
  }

  /** One read and everything that came with it; false at the end of the stream. */
  async #serveRead(): Promise<boolean> {
    const count = await this.#connection.read(this.#reader.space());
    if (count === null) return false;
    this.#progress++;
    this.#isServing = true;
    this.#reader.filled(count);
    let status = this.#reader.next();
    while (status === "frame") {
      await this.#handleFrame();
      status = this.#reader.next();
    }
    await this.#finishRuns();
    if (status === "impossible") {
      this.#answers.error(
        `a frame of ${this.#reader.announcedBytes} bytes was announced, the limit is ` +
          `${this.#maxFrameBytes}: closing the connection`,
      );
    }
    await this.#sendAnswers();
    this.#isServing = false;
    return status !== "impossible";
  }

  /** Adds the frame to the run that it continues, or ends that run and does the frame. */
  async #handleFrame(): Promise<void> {
    const { bytes, start, end } = this.#reader;
    const request = this.#request;
    const kind = parseRequest(bytes, start, end, request);
    const topic = this.#topics.intern(bytes, request.topicStart, request.topicEnd);
    if (kind === "PUT") {
      if (this.#gets) await this.#finishRuns();
      this.#puts.add(topic, bytes, request.payloadStart, request.payloadEnd);
      return;
    }
    if (kind === "GET" && this.#gets?.topic === topic) {
      this.#gets.count++;
      return;
    }
    await this.#finishRuns();
    if (kind === "GET") this.#gets = { topic, count: 1 };
    else await this.#answer(kind, topic);
    if (this.#answers.lengthBytes > ANSWER_BYTES_MAX) await this.#sendAnswers();
  }

  async #answer(kind: Exclude<RequestKind, "PUT" | "GET">, topic: string): Promise<void> {
    const service = this.#service();
    const answers = this.#answers;
    try {
      switch (kind) {
        case "error":
          return answers.error(this.#request.error);
        case "REGISTER":
          await service.register(topic, this.#payloadText());
          return answers.ok();
        case "STATE":
          return answers.json(await service.state(topic));
        case "METRICS":
          return answers.json(await service.metrics());
        case "TOPICS":
          return answers.json(await service.topics());
        case "NODES":
          return answers.json(await service.nodes());
        case "REMOVE-NODE":
          await service.removeNode(Number(this.#payloadText()));
          return answers.ok();
        default:
          unreachable(kind);
      }
    } catch (error) {
      answers.error(wireMessage(error));
    }
  }

  /** Settings and ids are short text; only `PUT` carries bytes. */
  #payloadText(): string {
    const { payloadStart, payloadEnd } = this.#request;
    return new TextDecoder().decode(this.#reader.bytes.subarray(payloadStart, payloadEnd));
  }

  async #finishRuns(): Promise<void> {
    if (!this.#puts.isEmpty) await this.#puts.execute(this.#service(), this.#answers);
    if (this.#gets) {
      const { topic, count } = this.#gets;
      this.#gets = null;
      await this.#answerGets(topic, count);
    }
  }

  async #answerGets(topic: string, count: number): Promise<void> {
    for (let left = count; left > 0;) {
      try {
        const taken = await this.#service().take(topic, left);
        const entries = new RecordReader(taken.bytes);
        while (entries.next()) this.#answers.okPayload(entries.bytes, entries.start, entries.end);
        left -= taken.count;
        if (taken.isExhausted) {
          for (; left > 0; left--) this.#answers.empty();
        }
      } catch (error) {
        for (; left > 0; left--) this.#answers.error(wireMessage(error));
      }
      if (this.#answers.lengthBytes > ANSWER_BYTES_MAX) await this.#sendAnswers();
    }
  }

  async #sendAnswers(): Promise<void> {
    if (this.#answers.lengthBytes === 0) return;
    this.#isWriting = true;
    await this.#connection.write(this.#answers.bytes);
    this.#isWriting = false;
    this.#progress++;
    this.#answers.clear();
  }
}
