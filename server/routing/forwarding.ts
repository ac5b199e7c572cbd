/**
 * Appends that another node has to take: what this node's clients sent within one turn of the event loop for one
 * segment leaves in one message, and its leader takes it as one append.
 *
 * @module
 */

import type { RecordBatch } from "../../storage/mod.ts";
import type { Clock } from "../../world/mod.ts";
import {
  METHOD,
  readAppendReply,
  readAppendUnitsReply,
  writeAppend,
  writeAppendUnits,
} from "../messages.ts";
import type { Peers } from "../network/mod.ts";
import type { Accepted } from "../segments/mod.ts";

/** A message takes no more batches when they would make it longer. */
const MESSAGE_BYTES_MAX = 1024 * 1024;

/** An append that the segment's leader is to be asked for. */
export interface ForwardedAppend {
  topic: string;
  segment: number;
  leader: number;
  batch: RecordBatch;
  /** Where the batch may be divided (see `SegmentWriter.append`). */
  ends: readonly number[] | null;
  timeoutMs: number;
}

interface Waiting {
  append: ForwardedAppend;
  resolve: (accepted: Accepted | null) => void;
  reject: (error: unknown) => void;
}

/** One message in the making. */
interface Message {
  waiting: Waiting[];
  bytes: number;
}

/** One per node. */
export class Forwarding {
  readonly #peers: Peers;
  readonly #clock: Clock;
  /** By leader, segment, and whether batches may be divided anywhere. */
  readonly #messages: Map<string, Message> = new Map();

  constructor(peers: Peers, clock: Clock) {
    this.#peers = peers;
    this.#clock = clock;
  }

  /**
   * Resolves with what the leader took of the batch, which stays as it is until then; `null` where it took
   * nothing of it: it does not lead the segment (any more), or the segment got full before.
   *
   * @throws the errors of `Peers.call`.
   */
  append(append: ForwardedAppend): Promise<Accepted | null> {
    const { leader, segment, topic, ends, batch } = append;
    const key = `${leader} ${ends === null ? "p" : "u"} ${segment} ${topic}`;
    let message = this.#messages.get(key);
    if (message !== undefined && message.bytes + batch.bytes.length > MESSAGE_BYTES_MAX) {
      this.#send(key, message);
      message = undefined;
    }
    if (message === undefined) {
      const begun: Message = message = { waiting: [], bytes: 0 };
      this.#messages.set(key, begun);
      this.#clock.soon(() => this.#send(key, begun));
    }
    message.bytes += batch.bytes.length;
    const { waiting } = message;
    return new Promise((resolve, reject) => waiting.push({ append, resolve, reject }));
  }

  async #send(key: string, message: Message): Promise<void> {
    if (this.#messages.get(key) !== message) return;
    this.#messages.delete(key);
    const { waiting } = message;
    try {
      const accepted = await this.#call(waiting.map(({ append }) => append));
      let start = 0;
      for (const { append, resolve } of waiting) {
        const { entryCount } = append.batch;
        const entries = accepted && Math.min(accepted.entries - start, entryCount);
        if (accepted === null || entries === null || entries <= 0) resolve(null);
        else resolve({ entries, firstOffset: accepted.firstOffset + start });
        start += entryCount;
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  async #call(appends: readonly ForwardedAppend[]): Promise<Accepted | null> {
    const [{ topic, segment, leader, ends }] = appends as [ForwardedAppend];
    const batches = appends.map(({ batch }) => batch);
    const timeoutMs = Math.min(...appends.map((append) => append.timeoutMs));
    if (ends !== null) {
      const body = writeAppendUnits({ topic, segment, batches, ends: endsOf(appends) });
      const answer = await this.#peers.call(leader, METHOD.appendUnits, body, { timeoutMs });
      return readAppendUnitsReply(answer);
    }
    const body = writeAppend({ topic, segment, batches });
    const answer = await this.#peers.call(leader, METHOD.append, body, { timeoutMs });
    const entries = readAppendReply(answer);
    // Nobody asks where single messages stand.
    return entries === null ? null : { entries, firstOffset: 0 };
  }
}

/** Ends of batches that stand one behind the other. */
function endsOf(appends: readonly ForwardedAppend[]): readonly number[] {
  if (appends.length === 1) return appends[0]!.ends!;
  const ends: number[] = [];
  let start = 0;
  for (const { ends: own, batch } of appends) {
    for (const end of own!) ends.push(start + end);
    start += batch.entryCount;
  }
  return ends;
}
