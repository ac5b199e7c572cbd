/**
 * Whoever looks after the topics of the simulated cluster: trims them, deletes them, and makes them again.
 *
 * @module
 */

import { openSegmentOf, segmentAt } from "../../server/metadata/mod.ts";
import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Chronicle, TrimStory } from "./chronicle.ts";
import { SimClient } from "./client.ts";
import type { Horizon } from "./horizon.ts";
import type { Shape } from "./shape.ts";
import type { Transcript } from "./transcript.ts";

const RETRY_MS = 100;
/** A node gives up a request before that: what it did not say then it will not do any more, milliseconds. */
const REQUEST_MS_MAX = 6000;

/** What the keeper acts with. */
export interface KeeperParts {
  clock: SimClock;
  network: SimNetwork;
  random: SeededRandom;
  shape: Shape;
  transcript: Transcript;
  hosts: readonly string[];
  chronicle: Chronicle;
  horizon: Horizon;
  onFailure: (message: string) => void;
}

/** One per simulation; does one thing at a time. */
export class Keeper {
  readonly #parts: KeeperParts;
  /** The largest offset that anybody ever asked for, by topic and life. */
  readonly #asked = new Map<string, number>();
  /** What the wall clock shows at the start: where it has jumped, nobody can tell how old something is. */
  readonly #wallStartMs: number;
  #isRunning = true;
  #work: Promise<void> = Promise.resolve();
  /** When it was last not told what became of something. */
  #unansweredMs = -Infinity;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#wallStartMs = parts.clock.wallMs() - Math.floor(parts.clock.nowMs());
  }

  /** Looks after the topics until it is stopped. */
  start(): void {
    this.#work = this.#run();
  }

  async #run(): Promise<void> {
    const { clock, random, shape } = this.#parts;
    const trims = random.fork("trims");
    const remakes = random.fork("remakes");
    const everyMs = shape.remade?.everyMs ?? 0;
    let nextTrimMs = shape.trimEveryMs > 0 ? clock.nowMs() : Infinity;
    let nextRemakeMs = everyMs > 0 ? clock.nowMs() : Infinity;
    while (this.#isRunning && Math.min(nextTrimMs, nextRemakeMs) < Infinity) {
      if (nextTrimMs <= nextRemakeMs) {
        nextTrimMs = Math.max(nextTrimMs, clock.nowMs()) + trims.between(0, 2 * shape.trimEveryMs);
        await sleep(clock, Math.max(0, Math.min(nextTrimMs, nextRemakeMs) - clock.nowMs()));
        if (this.#isRunning) await this.trim(trims.pick(shape.topics), trims);
      } else {
        nextRemakeMs = Math.max(nextRemakeMs, clock.nowMs()) + remakes.between(0, 2 * everyMs);
        await sleep(clock, Math.max(0, Math.min(nextTrimMs, nextRemakeMs) - clock.nowMs()));
        if (this.#isRunning) await this.remake(shape.remade!.topic, remakes);
      }
    }
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** What it asked for has happened, or won't any more, and all topics are there. */
  async settle(): Promise<void> {
    const { clock, shape } = this.#parts;
    await this.#work;
    const leftMs = this.#unansweredMs + REQUEST_MS_MAX - clock.nowMs();
    if (leftMs > 0) await sleep(clock, leftMs);
    for (const topic of shape.topics) await this.register(topic);
  }

  /** Makes the topic where it isn't there; again and again until a node says that it is. */
  async register(topic: string): Promise<void> {
    const { chronicle, clock, shape } = this.#parts;
    const settings = shape.settings[shape.topics.indexOf(topic)] ?? "";
    while (await this.#ask(`REGISTER ${topic} ${settings}`.trim()) !== "OK") {
      await sleep(clock, RETRY_MS);
    }
    if (!chronicle.state.topics.has(topic)) {
      this.#parts.onFailure(`REGISTER ${topic} is OK, and there is no such topic`);
    }
  }

  /** Deletes the topic; true once a node says that it has. */
  async delete(topic: string): Promise<boolean> {
    const { chronicle, horizon } = this.#parts;
    horizon.blur(topic);
    const before = chronicle.state.topics.get(topic);
    const answer = await this.#ask(`DELETE ${topic}`);
    if (answer !== "OK") return false;
    const now = chronicle.state.topics.get(topic);
    if (before && now?.bornSegment === before.bornSegment) {
      this.#parts.onFailure(`DELETE ${topic} is OK, and the topic is still there`);
    }
    return true;
  }

  /** Deletes the topic and makes it again, through any nodes. */
  async remake(topic: string, random: SeededRandom): Promise<void> {
    await this.delete(topic);
    await sleep(this.#parts.clock, random.pick([0, 0, random.between(0, 400)]));
    await this.register(topic);
  }

  /** Trims the topic somewhere. */
  async trim(topic: string, random: SeededRandom): Promise<void> {
    const end = this.endOfSealed(topic);
    if (end === null) return;
    await this.trimTo(
      topic,
      random.pick([random.below(end + 1), random.below(end + 1), end, end + 1000]),
    );
  }

  /** The offset behind all that is sealed; `null` where there is no such topic. */
  endOfSealed(topic: string): number | null {
    const known = this.#parts.chronicle.state.topics.get(topic);
    return known ? openSegmentOf(known).baseOffset : null;
  }

  /** Has what is before the offset go. */
  async trimTo(topic: string, offset: number): Promise<void> {
    const { chronicle } = this.#parts;
    const before = chronicle.state.topics.get(topic);
    if (before === undefined) return;
    const key = `${topic} ${before.bornSegment}`;
    this.#asked.set(key, Math.max(this.#asked.get(key) ?? 0, offset));
    const wanted = offset > before.segments[0]!.baseOffset
      ? segmentAt(before, offset).number
      : before.segments[0]!.number;
    if (await this.#ask(`TRIM ${topic} ${offset}`) !== "OK") return;
    const now = chronicle.state.topics.get(topic);
    if (now?.bornSegment === before.bornSegment && now.segments[0]!.number < wanted) {
      this.#parts.onFailure(
        `TRIM ${topic} ${offset} is OK, and the topic begins at segment ` +
          `${now.segments[0]!.number}, not ${wanted}`,
      );
    }
  }

  /** ⛔ Nothing goes that nobody asked for, and that the topic has promised to keep. */
  onTrim({ topic, firstOffset, removed }: TrimStory): void {
    const asked = this.#asked.get(`${topic.name} ${topic.bornSegment}`) ?? 0;
    if (firstOffset <= asked) return;
    const broken = this.#brokenPromise({ topic, firstOffset, removed });
    if (broken !== null) {
      this.#parts.onFailure(`${topic.name} was trimmed to ${firstOffset}, and ${broken}`);
    }
  }

  #brokenPromise({ topic, firstOffset, removed }: TrimStory): string | null {
    const { bytes, entries, ms } = topic.retention;
    if (bytes === null && entries === null && ms === null) return "nobody asked for that";
    const open = openSegmentOf(topic);
    const story = this.#parts.chronicle.segment(topic.name, open.number);
    const appended = story?.records.filter((record) => record > 0).length ?? 0;
    const left = open.baseOffset + appended - firstOffset;
    if (entries !== null && left < entries) {
      return `keeps ${left} entries, and promised to keep ${entries}`;
    }
    const { clock } = this.#parts;
    if (ms === null || clock.wallMs() - Math.floor(clock.nowMs()) !== this.#wallStartMs) {
      return null;
    }
    const young = removed.find(({ sealedMs }) => clock.wallMs() - sealedMs < ms);
    if (young === undefined) return null;
    return `segment ${young.number} was sealed ${
      clock.wallMs() - young.sealedMs
    } ms ago, not ${ms}`;
  }

  async #ask(request: string): Promise<string> {
    const { clock, hosts, network, random, transcript } = this.#parts;
    const host = random.pick(hosts);
    let answer: string;
    try {
      const client = await SimClient.connect({ clock, network }, "keeper", host);
      try {
        answer = await client.ask((out) => out.addTextFrame(request));
      } catch {
        answer = "(closed)";
        this.#unansweredMs = clock.nowMs();
      }
      client.close();
    } catch {
      answer = "(not connected)";
    }
    if (answer.startsWith("ERR ")) this.#unansweredMs = clock.nowMs();
    transcript.add("keeper", `${request} at ${host} → ${answer}`);
    return answer;
  }
}
