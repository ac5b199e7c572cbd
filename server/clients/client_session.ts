/**
 * One client connection: reads what has arrived, does it in order, answers in one write.
 *
 * What one read brought is executed in runs of like commands: `PUT`s and `APPEND`s as one batch a topic, `GET`s of
 * one topic as one take. The next read waits until everything is answered. So order needs no bookkeeping, a
 * slow disk slows its clients, and a connection costs no more memory than its buffers.
 *
 * The exception is a `FETCH` that waits: what is behind it is done meanwhile, and its answers are kept until the
 * `FETCH` is answered, as far as there is room for them.
 *
 * @module
 */

import {
  ACCEPT_LOSS,
  FrameReader,
  parseRequest,
  Request,
  type RequestKind,
  ResponseWriter,
  TopicInterner,
} from "../../client/wire.ts";
import { RecordReader } from "../../storage/mod.ts";
import { type Connection, unreachable } from "../../world/mod.ts";
import type { ClientService, LaterFetch } from "../controller.ts";
import { wireMessage } from "../errors.ts";
import { READ_BYTES_MAX } from "../config.ts";
import type { FetchSpec, GrantedSpec } from "../routing/mod.ts";
import type { Entries } from "../segments/mod.ts";
import { AnswerQueue } from "./answer_queue.ts";
import { AppendRun } from "./append_run.ts";
import { type BufferBudget, RetainedBuffer, type SessionBudgets } from "./buffer_budget.ts";

/** Answers are sent once there are so many bytes of them, even when the run goes on. */
const ANSWER_BYTES_MAX = 32 * 1024;
/** What the answer to a fetch is cut to while large answers that nobody reads fill their budget. */
const SMALL_FETCH_BYTES = 16 * 1024;
/** What the answers to one take of many `GET`s may need. */
const TAKE_BYTES = READ_BYTES_MAX + ANSWER_BYTES_MAX;
/** So many `GET`s at once need no budget. */
const SMALL_TAKE_ENTRIES = 16;
/** Waiting `FETCH`es of one connection; with so many of them, what is behind waits too. */
const WAITING_FETCHES_MAX = 64;

/** Made for each accepted connection; `run` ends with the connection. */
export class ClientSession {
  readonly #connection: Connection;
  /** Looked up for each command: a node that starts or stops serves differently. */
  readonly #service: () => ClientService;
  readonly #reader: FrameReader;
  readonly #retained: RetainedBuffer;
  readonly #answerBudget: BufferBudget;
  readonly #maxFrameBytes: number;
  readonly #request = new Request();
  readonly #topics = new TopicInterner();
  readonly #answers: AnswerQueue;
  readonly #appends = new AppendRun();
  #gets: { topic: string; count: number } | null = null;
  /** Waiting `FETCH`es, each with what resolves when its answer is known. */
  readonly #waiting: Map<LaterFetch, Promise<void>> = new Map();
  #reads = 0;
  /** Between a read and the last of its answers. */
  #isServing = false;
  #isFinishing = false;

  constructor(
    connection: Connection,
    service: () => ClientService,
    options: { maxFrameBytes: number; budgets: SessionBudgets },
  ) {
    this.#connection = connection;
    this.#answers = new AnswerQueue(connection);
    this.#service = service;
    const { maxFrameBytes, budgets } = options;
    this.#answerBudget = budgets.answers;
    const retained = this.#retained = new RetainedBuffer(budgets.reads);
    const mayRetain = (bytes: number) => retained.mayRetain(bytes);
    this.#reader = new FrameReader({ maxFrameBytes, mayRetain });
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Bytes that this session's buffers hold. */
  get bufferedBytes(): number {
    return this.#reader.bytes.length + this.#appends.bufferedBytes + this.#answers.bufferedBytes;
  }

  /** Grows with every completed read and write: what the listener's sweep looks at. */
  get progress(): number {
    return this.#reads + this.#answers.writes;
  }

  /** The client owes us something: the rest of a frame, or to read its answers. */
  get isOwed(): boolean {
    return this.#answers.isSending || this.#reader.isMidFrame;
  }

  /** Answers what it is doing, reads nothing more, and closes. What waits is answered as it is. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#isServing) this.#stopWaiting();
    else this.#answerWaiting().catch(() => {}).finally(() => this.#connection.close());
  }

  /** Serves until the client, `end` or `finish` closes the connection. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#isFinishing && await this.#serveRead()) { /* until the stream ends */ }
      // Who sends no more may still read: what waited is answered as it is.
      await this.#answerWaiting();
    } catch {
      // The connection broke: whatever was answered before has left, nobody waits for the rest.
    } finally {
      this.#stopWaiting();
      this.#connection.close();
      this.#retained.release();
      this.#answers.discard();
    }
  }

  /** Tells the client why, as well as it can be told, and closes. */
  end(reason: string): void {
    this.#stopWaiting();
    if (this.#answers.isSending) return this.#connection.close();
    const last = new ResponseWriter();
    last.error(reason);
    this.#connection.write(last.bytes).catch(() => {}).finally(() => this.#connection.close());
  }

  /** One read and everything that came with it; false at the end of the stream. */
  async #serveRead(): Promise<boolean> {
    const count = await this.#connection.read(this.#reader.space());
    if (count === null) return false;
    this.#reads++;
    this.#isServing = true;
    this.#reader.filled(count);
    let status = this.#reader.next();
    while (status === "frame") {
      const busy = this.#handleFrame();
      if (busy !== undefined) await busy;
      status = this.#reader.next();
    }
    await this.#finishRuns();
    if (status === "impossible") {
      this.#answers.writer.error(
        `a frame of ${this.#reader.announcedBytes} bytes was announced, the limit is ` +
          `${this.#maxFrameBytes}: closing the connection`,
      );
    }
    await this.#answers.send();
    if (this.#waiting.size > 0) await this.#roomForAnswers();
    this.#isServing = false;
    return status !== "impossible";
  }

  /**
   * Adds the frame to the run that it continues, or ends that run and does the frame. Returns nothing where
   * there is nothing to wait for: a promise for each message would be its largest cost.
   */
  #handleFrame(): Promise<void> | undefined {
    const { bytes, start, end } = this.#reader;
    const request = this.#request;
    const kind = parseRequest(bytes, start, end, request);
    const topic = this.#topics.intern(bytes, request.topicStart, request.topicEnd);
    if (kind === "PUT" || kind === "APPEND") return this.#addToRun(kind, topic);
    if (kind === "GET" && this.#gets?.topic === topic) {
      this.#gets.count++;
      return undefined;
    }
    return this.#endRunAndDo(kind, topic);
  }

  #addToRun(kind: "PUT" | "APPEND", topic: string): Promise<void> | undefined {
    const { payloadStart: start, payloadEnd: end } = this.#request;
    if (this.#gets || this.#appends.isFullFor(end - start)) {
      return this.#finishRuns().then(() => this.#addToRun(kind, topic));
    }
    const { bytes } = this.#reader;
    if (kind === "PUT") this.#appends.put(topic, bytes, start, end);
    else this.#appends.append(topic, { bytes, start, end, count: this.#request.count });
    return undefined;
  }

  async #endRunAndDo(
    kind: Exclude<RequestKind, "PUT" | "APPEND">,
    topic: string,
  ): Promise<void> {
    await this.#finishRuns();
    if (kind === "GET") this.#gets = { topic, count: 1 };
    else await this.#answer(kind, topic);
    await this.#roomForAnswers();
  }

  async #answer(
    kind: Exclude<RequestKind, "PUT" | "APPEND" | "GET">,
    topic: string,
  ): Promise<void> {
    const service = this.#service();
    try {
      switch (kind) {
        case "error":
          return this.#answers.writer.error(this.#request.error);
        case "REGISTER":
          await service.register(topic, this.#payloadText());
          return this.#answers.writer.ok();
        case "FETCH":
          return await this.#fetch(topic);
        case "OFFSETS": {
          const { first, next } = await service.offsets(topic);
          return this.#answers.writer.okText(`${first} ${next}`);
        }
        case "STATE":
          return this.#answerJson(await service.state(topic));
        case "METRICS":
          return this.#answerJson(await service.metrics());
        case "TOPICS":
          return this.#answerJson(await service.topics());
        case "NODES":
          return this.#answerJson(await service.nodes());
        case "REMOVE-NODE":
          await this.#removeNode();
          return this.#answers.writer.ok();
        case "DELETE":
          await service.deleteTopic(topic);
          return this.#answers.writer.ok();
        case "TRIM":
          await service.trim(topic, Number(this.#payloadText()));
          return this.#answers.writer.ok();
        default:
          unreachable(kind);
      }
    } catch (error) {
      this.#answers.writer.error(wireMessage(error));
    }
  }

  async #removeNode(): Promise<void> {
    const argument = this.#payloadText();
    const acceptLoss = argument.endsWith(ACCEPT_LOSS);
    await this.#service().removeNode(Number.parseInt(argument), { acceptLoss });
  }

  #answerJson(text: string): void {
    this.#answers.writer.json(text);
  }

  /** Answers at once where there is something, or nothing is to be waited for. */
  async #fetch(topic: string): Promise<void> {
    const { offset, count, maxBytes, waitMs } = this.#request;
    const spec = this.#granted({ offset, count, maxBytes });
    let entries: Entries;
    try {
      entries = await this.#service().fetch(topic, spec);
    } catch (error) {
      spec.release();
      throw error;
    }
    const release = () => {
      entries.release?.();
      spec.release();
    };
    if (entries.count === 0 && waitMs > 0 && !this.#isFinishing) {
      release();
      return this.#fetchLater(topic, { offset, count, maxBytes, waitMs });
    }
    const { bytes, count: found } = entries;
    this.#answers.entries({ firstOffset: offset, count: found, bytes, release });
  }

  /** What there is room for now: little while large answers that nobody reads fill their budget. */
  #granted({ offset, count, maxBytes }: FetchSpec): GrantedSpec {
    const budget = this.#answerBudget;
    if (maxBytes <= SMALL_FETCH_BYTES) return { offset, count, maxBytes, release: () => {} };
    if (budget.take(maxBytes)) {
      return { offset, count, maxBytes, release: () => budget.give(maxBytes) };
    }
    return { offset, count, maxBytes: SMALL_FETCH_BYTES, release: () => {} };
  }

  /** Who waits holds nothing; what is woken together must fit as well as what is asked together. */
  #fetchLater(topic: string, { waitMs, ...spec }: FetchSpec & { waitMs: number }): void {
    const { offset } = spec;
    const wait = { offset, waitMs, spec: () => this.#granted(spec) };
    const waiting = this.#service().fetchLater(topic, wait);
    const answer = this.#answers.later();
    const answered = waiting.entries.then(
      (entries) => answer.entries({ firstOffset: offset, ...entries }),
      (error) => answer.error(wireMessage(error)),
    );
    const left = answered.then(() => {
      this.#waiting.delete(waiting);
      return this.#answers.send();
    });
    // Where sending fails, the connection is gone: whoever reads from it hears of that.
    this.#waiting.set(waiting, left.catch(() => {}));
  }

  #stopWaiting(): void {
    for (const waiting of this.#waiting.keys()) waiting.cancel();
  }

  /** What waits is answered as it is, and everything behind it. */
  async #answerWaiting(): Promise<void> {
    this.#stopWaiting();
    await Promise.all(this.#waiting.values());
    await this.#answers.send();
  }

  /** Sends answers when there are many, and lets those that wait hold up no more than there is room for. */
  async #roomForAnswers(): Promise<void> {
    if (this.#answers.bufferedBytes > ANSWER_BYTES_MAX) await this.#answers.send();
    while (
      this.#waiting.size >= WAITING_FETCHES_MAX ||
      (this.#waiting.size > 0 && this.#answers.bufferedBytes > ANSWER_BYTES_MAX)
    ) await Promise.race(this.#waiting.values());
  }

  /** Settings and ids are short text; only `PUT` carries bytes. */
  #payloadText(): string {
    const { payloadStart, payloadEnd } = this.#request;
    return new TextDecoder().decode(this.#reader.bytes.subarray(payloadStart, payloadEnd));
  }

  async #finishRuns(): Promise<void> {
    if (!this.#appends.isEmpty) {
      const answer = await this.#appends.execute(this.#service());
      answer(this.#answers.writer);
    }
    if (this.#gets) {
      const { topic, count } = this.#gets;
      this.#gets = null;
      await this.#answerGets(topic, count);
    }
  }

  async #answerGets(topic: string, count: number): Promise<void> {
    const budget = this.#answerBudget;
    const isGranted = count > SMALL_TAKE_ENTRIES && budget.take(TAKE_BYTES);
    const mostAtOnce = isGranted ? count : SMALL_TAKE_ENTRIES;
    try {
      for (let left = count; left > 0;) {
        left -= await this.#answerTake(topic, { count: Math.min(left, mostAtOnce), left });
        await this.#roomForAnswers();
      }
      if (isGranted) await this.#answers.send();
    } finally {
      if (isGranted) budget.give(TAKE_BYTES);
    }
  }

  /** Answers at most `count` of the `left` last `GET`s, and returns how many. Where there is no more, all. */
  async #answerTake(
    topic: string,
    { count, left }: { count: number; left: number },
  ): Promise<number> {
    try {
      const taken = await this.#service().take(topic, count);
      const { writer } = this.#answers;
      const entries = new RecordReader(taken.bytes);
      while (entries.next()) writer.okPayload(entries.bytes, entries.start, entries.end);
      if (!taken.isExhausted) return taken.count;
      for (let empty = left - taken.count; empty > 0; empty--) writer.empty();
    } catch (error) {
      const { writer } = this.#answers;
      for (let failed = left; failed > 0; failed--) writer.error(wireMessage(error));
    }
    return left;
  }
}
