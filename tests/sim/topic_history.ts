/**
 * What clients were told of one topic, held against what really happened to it and what is left of it in the end.
 *
 * @module
 */

import { checkCursor, type Take } from "../checkers/cursor.ts";
import { checkTopic, type Problem } from "../cluster/checkers.ts";
import type { Attempt } from "../cluster/history.ts";
import { type Chronicle, type Life, offsetOf, type Place, recordOf } from "./chronicle.ts";
import type { Losses } from "./losses.ts";

/** One `PUT` or `APPEND`. */
export interface Sent {
  readonly topic: string;
  /** One for each entry, in their order. */
  readonly attempts: readonly Attempt[];
  /** The life that the asked node knew when it was asked, or an older one than the node knew of. */
  readonly minBorn: number;
  /** What an `APPEND` was answered; `null` while, or for ever, it isn't known. */
  offset: number | null;
}

/** One answer to a `FETCH` that brought entries. */
export interface Seen {
  readonly topic: string;
  readonly reader: string;
  readonly minBorn: number;
  readonly offset: number;
  readonly values: readonly string[];
}

/** One `GET`. */
export interface SimTake extends Take {
  readonly minBorn: number;
}

/** Everything about one topic. */
export interface TopicHistory {
  readonly topic: string;
  readonly chronicle: Chronicle;
  readonly sent: readonly Sent[];
  readonly seen: readonly Seen[];
  readonly takes: readonly SimTake[];
  /** What replicas hold of the life that is there, from its first offset on. */
  readonly left: { readonly firstOffset: number; readonly entries: readonly string[] };
  readonly losses: Losses;
}

/** What a history came to. */
export interface HistoryReport {
  problems: string[];
  /** Acknowledged entries that are gone, as a seal says. */
  lost: number;
}

/**
 * Checks, life by life: what `checkTopic` and `checkCursor` do; batches whole, at their offset, in one segment; what
 * was read committed, at its own offset, and not of a life that the asked node knew to be over; what was
 * acknowledged not in such a one either; what is left the same as what was appended.
 */
export function checkHistory(history: TopicHistory): HistoryReport {
  return new HistoryChecker(history).check();
}

/** A life with its whole content, trimmed entries too. */
interface FullLife {
  readonly life: Life;
  readonly entries: readonly string[];
  readonly offsets: ReadonlyMap<string, number>;
}

class HistoryChecker {
  readonly #history: TopicHistory;
  readonly #places: ReadonlyMap<number, Place>;
  readonly #placeOf = new Map<string, Place>();
  readonly #values = new Map<number, string>();
  readonly #lives = new Map<number, FullLife>();
  readonly #problems: string[] = [];
  #lost = 0;

  constructor(history: TopicHistory) {
    this.#history = history;
    this.#places = history.chronicle.placesOf(history.topic);
    for (const { attempts } of history.sent) {
      for (const { value } of attempts) {
        const record = recordOf(value);
        this.#values.set(record, value);
        const place = this.#places.get(record);
        if (place) this.#placeOf.set(value, place);
      }
    }
    for (const life of history.chronicle.livesOf(history.topic)) {
      const entries = this.#contentOf(life);
      const offsets = new Map(entries.map((value, offset) => [value, offset]));
      this.#lives.set(life.born, { life, entries, offsets });
    }
  }

  check(): HistoryReport {
    this.#checkLeft();
    for (const full of this.#lives.values()) this.#checkLife(full);
    for (const sent of this.#history.sent) this.#checkSent(sent);
    // Behind a loss others take the offsets.
    if (!this.#history.losses.hasAny) {
      for (const seen of this.#history.seen) this.#checkSeen(seen);
      for (const full of this.#lives.values()) this.#checkTakes(full);
      this.#checkTaken();
    }
    return { problems: this.#problems, lost: this.#lost };
  }

  /** From its first entry to its last; what was trimmed, or lies in a deleted life, as it was appended. */
  #contentOf(life: Life): string[] {
    const { firstOffset, entries: left } = this.#history.left;
    const entries: string[] = [];
    for (const segment of life.segments) {
      if (life.isCurrent && segment.baseOffset >= firstOffset) break;
      const records = segment.records.filter((record) => record > 0);
      for (const record of records.slice(0, segment.count ?? records.length)) {
        entries.push(this.#values.get(record) ?? `record ${record}`);
      }
    }
    return life.isCurrent ? [...entries.slice(0, firstOffset), ...left] : entries;
  }

  /** What replicas hold is what writers appended: a prefix of it in the segment that is open. */
  #checkLeft(): void {
    const { left: { entries, firstOffset }, chronicle, topic } = this.#history;
    const current = chronicle.currentOf(topic);
    for (const [index, value] of entries.entries()) {
      const place = this.#placeOf.get(value);
      if (place === undefined) continue; // a phantom
      const { segment } = place;
      if (segment.born !== current?.born) {
        this.#add("resurrected", value, `is there, and was appended before its topic was deleted`);
      } else if (offsetOf(place) !== firstOffset + index && !this.#history.losses.hasAny) {
        this.#add(
          "moved",
          value,
          `is at ${firstOffset + index}, and was appended at ${offsetOf(place)}`,
        );
      }
    }
  }

  #checkLife({ life, entries }: FullLife): void {
    const { losses, sent } = this.#history;
    const attempts = sent.flatMap((request) => request.attempts).filter(({ value }) => {
      const place = this.#placeOf.get(value);
      return place ? place.segment.born === life.born : life.isCurrent;
    });
    const byValue = new Map(attempts.map((attempt) => [attempt.value, attempt]));
    for (const problem of checkTopic(attempts, entries)) {
      if (isLoss(problem) && losses.explain(byValue.get(problem.value)!)) this.#lost++;
      else this.#add(problem.kind, problem.value, problem.message);
    }
  }

  #checkSent(sent: Sent): void {
    const [first] = sent.attempts;
    const place = this.#placeOf.get(first!.value);
    if (first!.outcome === "ok" && place && place.segment.born < sent.minBorn) {
      const message =
        `was acknowledged by a node that knew that its topic was deleted, and stands ` +
        `in ${this.#history.topic}/${place.segment.number}`;
      this.#add("strayed", first!.value, message);
    }
    if (sent.attempts.length > 1 || sent.offset !== null) this.#checkBatch(sent);
  }

  #checkBatch({ attempts, offset }: Sent): void {
    const [{ value, writer }] = attempts as [Attempt];
    const places = attempts.map((attempt) => this.#placeOf.get(attempt.value));
    const { segment } = places.find((place) => place !== undefined) ?? {};
    const full = segment && this.#lives.get(segment.born);
    if (segment === undefined || full === undefined) return; // never appended
    const found = attempts.map((attempt) => full.offsets.get(attempt.value));
    const there = found.filter((at) => at !== undefined);
    if (there.length === 0) return;
    const name = `the batch of ${attempts.length} of ${writer}`;
    if (there.length < attempts.length) {
      return this.#add("torn", value, `${name}: only ${there.length} of it are there`);
    }
    if (found.some((at, index) => at !== found[0]! + index)) {
      return this.#add("torn", value, `${name} stands at ${found}`);
    }
    if (places.some((place) => place?.segment !== segment)) {
      return this.#add("torn", value, `${name} is in more than one segment`);
    }
    if (offset !== null && offset !== found[0] && !this.#history.losses.hasAny) {
      this.#add("wrong offset", value, `${name} is at ${found[0]}, and ${offset} was answered`);
    }
  }

  #checkSeen({ minBorn, offset, reader, values }: Seen): void {
    for (const [index, value] of values.entries()) {
      const at = offset + index;
      const place = this.#placeOf.get(value);
      if (place === undefined) {
        this.#add("phantom", value, `was read at ${at} by ${reader}, and nobody appended it`);
      } else if (place.segment.born < minBorn) {
        this.#add(
          "resurrected",
          value,
          `was read at ${at} by ${reader} from a node that knew that its topic was deleted`,
        );
      } else if (offsetOf(place) !== at) {
        const message = `was read at ${at} by ${reader}, and was appended at ${offsetOf(place)}`;
        this.#add("moved", value, message);
      } else if (!this.#isCommitted(value, place)) {
        this.#add("read before commit", value, `was read at ${at} by ${reader}, and is not there`);
      }
    }
  }

  #isCommitted(value: string, { segment, index }: Place): boolean {
    if (segment.count !== null) return index < segment.count;
    const full = this.#lives.get(segment.born)!;
    return !full.life.isCurrent || full.offsets.has(value);
  }

  #checkTakes({ life, entries }: FullLife): void {
    const takes = this.#history.takes.filter(({ outcome, value }) =>
      outcome === "unknown" ||
      (outcome === "ok" && this.#placeOf.get(value!)?.segment.born === life.born)
    );
    const { firstOffset } = this.#history.left;
    const options = { isDrained: life.isCurrent, firstOffset };
    for (const { kind, value, message } of checkCursor(takes, entries, options)) {
      this.#add(kind, value, message);
    }
  }

  #checkTaken(): void {
    for (const { minBorn, outcome, reader, value } of this.#history.takes) {
      if (outcome !== "ok") continue;
      const place = this.#placeOf.get(value!);
      if (place === undefined) {
        this.#add("phantom", value!, `was given to ${reader}, and nobody appended it`);
      } else if (place.segment.born < minBorn) {
        const message = `was given to ${reader} by a node that knew that its topic was deleted`;
        this.#add("resurrected", value!, message);
      }
    }
  }

  #add(kind: string, value: string, message: string): void {
    this.#problems.push(`${kind}: ${value.slice(0, 60)} ${message}`);
  }
}

function isLoss({ kind }: Problem): boolean {
  return kind === "lost";
}
