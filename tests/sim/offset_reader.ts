/**
 * Clients that read by offset: they follow a topic, wait at its end, go back, and begin anew where they fell behind
 * what was trimmed.
 *
 * @module
 */

import { type Fetched, readFetched, readOffsets } from "../../client/offset_answers.ts";
import { sleep } from "../../world/mod.ts";
import type { SeededRandom, SimClock } from "../../world/sim/mod.ts";
import type { SimClient } from "./client.ts";
import type { Horizon } from "./horizon.ts";
import type { Shape } from "./shape.ts";
import type { Seen } from "./topic_history.ts";
import type { Transcript } from "./transcript.ts";

/** Requests on one connection, at most. */
const REQUESTS_MAX = 40;
/** Longest pause after an error, milliseconds. */
const ERROR_PAUSE_MS = 150;
const OK_BYTES = 3;

/** What a reader is made from. */
export interface OffsetReaderParts {
  clock: SimClock;
  shape: Shape;
  transcript: Transcript;
  horizon: Horizon;
  bornAt: (host: string, topic: string) => number;
  isReading: () => boolean;
  onFailure: (message: string) => void;
}

/** Where it notes what it was given. */
export interface ReaderNotes {
  readonly seen: Seen[];
  checkError: (request: string, answer: string) => void;
}

/** What one `FETCH` came to; `null`: an error. */
export type FetchOutcome = Fetched | "empty" | "out of range" | null;

/** One reader, which keeps its place from one connection to the next. */
export class OffsetReader {
  readonly #parts: OffsetReaderParts;
  readonly #notes: ReaderNotes;
  /** The next offset, by topic. */
  readonly #places = new Map<string, number>();

  constructor(parts: OffsetReaderParts, notes: ReaderNotes) {
    this.#parts = parts;
    this.#notes = notes;
  }

  /** Reads from one topic until the connection ends, or had its share. */
  async read(name: string, client: SimClient, random: SeededRandom): Promise<void> {
    const { clock, isReading, shape } = this.#parts;
    const topic = random.pick(shape.topics);
    for (let left = random.below(REQUESTS_MAX); left >= 0 && isReading(); left--) {
      if (client.isClosed) return;
      const place = this.#places.get(topic) ?? 0;
      const isBack = random.chance(0.15);
      const offset = isBack ? random.below(place + 1) : place;
      const waitMs = random.pick([undefined, undefined, 50, 400, 3000]);
      const limits = {
        ...(random.chance(0.5) && { maxEntries: 1 + random.below(20) }),
        ...(random.chance(0.3) && { maxBytes: 1 + random.below(200) }),
        ...(waitMs !== undefined && { waitMs }),
      };
      const outcome = await this.fetch(client, { topic, reader: name, offset, limits });
      if (outcome === "out of range") await this.#beginAnew(client, { topic, random });
      else if (outcome === null) await sleep(clock, random.between(0, ERROR_PAUSE_MS));
      else {
        if (outcome !== "empty" && !isBack) this.#places.set(topic, outcome.nextOffset);
        await sleep(clock, random.between(0, shape.thinkMsMax));
      }
    }
  }

  /** One `FETCH`. */
  async fetch(
    client: SimClient,
    request: {
      topic: string;
      reader: string;
      offset: number;
      limits: { maxEntries?: number; maxBytes?: number; waitMs?: number };
    },
  ): Promise<FetchOutcome> {
    const { bornAt, horizon, onFailure, transcript } = this.#parts;
    const { topic, reader, offset, limits } = request;
    const minBorn = bornAt(client.host, topic);
    const knownEnd = horizon.endOf(topic);
    const answer = await client.askForBytes((out) => out.addFetch(topic, offset, limits))
      .catch(() => null);
    const what = `FETCH ${topic} ${offset} ${JSON.stringify(limits)} at ${client.host}`;
    const text = answer === null ? "(closed)" : new TextDecoder().decode(answer).slice(0, 60);
    transcript.add(reader, `${what} → ${text}`);
    if (answer === null) return null;
    // A topic that is being deleted may lack whatever was known of it.
    const isKnown = knownEnd > 0 && !horizon.isBlurred(topic);
    if (text === "EMPTY") {
      if (isKnown && offset < knownEnd) onFailure(`${what} is EMPTY, and goes on to ${knownEnd}`);
      return "empty";
    }
    if (text.startsWith("ERR offset out of range")) {
      const isThere = offset >= horizon.firstOf(topic) && offset <= knownEnd;
      if (isKnown && isThere) onFailure(`${what} is out of range, and goes on to ${knownEnd}`);
      return "out of range";
    }
    this.#notes.checkError(what, text);
    if (text.startsWith("ERR ")) return null;
    const fetched = readFetched(answer.subarray(OK_BYTES));
    if (fetched === null || fetched.firstOffset !== offset || fetched.entries.length === 0) {
      onFailure(`${what} is answered ${text}`);
      return null;
    }
    if (fetched.entries.length > (limits.maxEntries ?? Infinity)) {
      onFailure(`${what} brought ${fetched.entries.length} entries`);
    }
    const committedEnd = horizon.committedEndOf(topic);
    if (!horizon.isBlurred(topic) && fetched.nextOffset > committedEnd) {
      onFailure(
        `${what} brought entries that are not committed: only those before ${committedEnd} are`,
      );
    }
    const values = fetched.entries.map((entry) => new TextDecoder().decode(entry));
    this.#notes.seen.push({ topic, reader, minBorn, offset, values });
    horizon.note(topic, fetched.nextOffset);
    return fetched;
  }

  /** `OFFSETS`; `null`: an error. */
  async offsets(
    client: SimClient,
    topic: string,
  ): Promise<{ first: number; next: number } | null> {
    const { horizon, onFailure, transcript } = this.#parts;
    const knownEnd = horizon.endOf(topic);
    const answer = await client.askForBytes((out) => out.addTextFrame(`OFFSETS ${topic}`))
      .catch(() => null);
    const text = answer === null ? "(closed)" : new TextDecoder().decode(answer);
    transcript.add("offsets", `OFFSETS ${topic} at ${client.host} → ${text}`);
    if (!text.startsWith("OK ")) return null;
    const offsets = readOffsets(answer!.subarray(OK_BYTES))!;
    if (horizon.isBlurred(topic)) return offsets;
    const isRight = offsets.first <= offsets.next && offsets.next >= knownEnd &&
      offsets.first <= horizon.firstOf(topic);
    if (!isRight) {
      onFailure(
        `OFFSETS ${topic} is ${text}, and goes from ${horizon.firstOf(topic)} to ${knownEnd}`,
      );
    }
    return offsets;
  }

  async #beginAnew(
    client: SimClient,
    { topic, random }: { topic: string; random: SeededRandom },
  ): Promise<void> {
    const offsets = await this.offsets(client, topic);
    if (offsets === null) return;
    const { first, next } = offsets;
    this.#places.set(topic, random.chance(0.5) ? first : first + random.below(next - first + 1));
  }
}
