/**
 * Reads that wait for a read index. Those that come in one turn share a request; a request without an
 * answer is asked again, also of another leader: a later answer is as good.
 *
 * @module
 */

import type { Random } from "../world/mod.ts";
import type { RaftCore } from "./core.ts";
import { RaftTimeoutError } from "./errors.ts";

interface Reader {
  resolve(index: number): void;
  reject(error: Error): void;
  readonly deadlineMs: number;
}

interface Request {
  readonly id: number;
  readers: Reader[];
  askedLeader: number | null;
  askedTerm: number;
  ageTicks: number;
}

/** After so many ticks without an answer, ask again. */
const RETRY_TICKS = 4;

export class ReadQueue {
  #nextId: number;
  #fresh: Reader[] = [];
  #requests = new Map<number, Request>();
  #count = 0;

  /**
   * Ids start at a random place: were they counted from zero, an answer that was under way while this node
   * restarted could be taken for that of a new request, and be older than the read.
   */
  constructor(random: Random) {
    this.#nextId = random.below(0x10_0000) * 0x1_0000_0000 + random.nextU32();
  }

  /** Readers that wait. */
  get size(): number {
    return this.#count;
  }
  /** Whether `ask` has something to do that can't wait for the next tick. */
  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  add(reader: Reader): void {
    this.#count++;
    this.#fresh.push(reader);
  }

  /** Asks the core for everything that has not been asked, or of another leader than the present one. */
  ask(core: RaftCore): void {
    if (this.#fresh.length > 0) {
      const id = this.#nextId++;
      this.#requests.set(id, {
        id,
        readers: this.#fresh,
        askedLeader: null,
        askedTerm: 0,
        ageTicks: 0,
      });
      this.#fresh = [];
    }
    for (const request of this.#requests.values()) {
      if (request.askedLeader === core.leader && request.askedTerm === core.term) continue;
      this.#askOne(core, request);
    }
  }

  tick(core: RaftCore, nowMs: number): void {
    for (const request of this.#requests.values()) {
      request.readers = request.readers.filter((reader) => {
        if (reader.deadlineMs > nowMs) return true;
        this.#count--;
        reader.reject(new RaftTimeoutError("No leader confirmed the read in time."));
        return false;
      });
      if (request.readers.length === 0) this.#requests.delete(request.id);
      else if (++request.ageTicks >= RETRY_TICKS) this.#askOne(core, request);
    }
  }

  /** The readers of that request; they may read once `index` is applied. */
  take(requestId: number): Reader[] {
    const request = this.#requests.get(requestId);
    if (request === undefined) return [];
    this.#requests.delete(requestId);
    this.#count -= request.readers.length;
    return request.readers;
  }

  rejectAll(error: Error): void {
    for (const request of this.#requests.values()) {
      for (const reader of request.readers) reader.reject(error);
    }
    for (const reader of this.#fresh) reader.reject(error);
    this.#requests.clear();
    this.#fresh = [];
    this.#count = 0;
  }

  #askOne(core: RaftCore, request: Request): void {
    if (!core.readIndex(request.id)) return;
    request.askedLeader = core.leader;
    request.askedTerm = core.term;
    request.ageTicks = 0;
  }
}
