/**
 * What a node must not forget of segments that it does not write: which it has fenced, and of which it
 * may have forgotten something itself (DESIGN.md §6, "Certain").
 *
 * They stand in a log of their own, `fences/N`, which is synced before an append to it resolves whatever
 * durability the node's topics have: a fence that is forgotten loses acknowledged entries. Several logs
 * count together: a new one is written whole before the old one goes.
 *
 * | bytes | field of one record |
 * | ----- | ----- |
 * | 4, n | topic, length and UTF-8 |
 * | 4 | segment number |
 * | 1 | 0 fenced; 1 uncertain: what this node holds of it may be less than it acknowledged; 2 doubt: this node may have forgotten something, of which segments is not known yet (topic and number are empty) |
 *
 * @module
 */

import { ByteReader, ByteWriter } from "../../world/mod.ts";
import {
  batchOf,
  DiskFullError,
  type Log,
  type LogStore,
  RecordBatchBuilder,
  RecordReader,
} from "../../storage/mod.ts";
import type { SegmentTarget } from "./open_segment.ts";
import { segmentLogName } from "./segment_name.ts";

const LOG_PREFIX = "fences/";
/** Bytes of fences that one read brings. */
const READ_BYTES = 256 * 1024;

/** Whether a log of that name holds fences. */
export function isFenceLogName(name: string): boolean {
  return name.startsWith(LOG_PREFIX);
}

/** One per node. */
export class Fences {
  readonly #store: LogStore;
  #log: Log;
  /** Fenced segments, by the name of their log, from the moment at which the fence was asked for. */
  readonly #fenced: Map<string, SegmentTarget>;
  /** Of these, the ones whose fence is on disk. */
  readonly #durable: Set<string>;
  readonly #uncertain: Map<string, SegmentTarget>;
  readonly #writing: Map<string, Promise<void>> = new Map();
  #hasDoubt: boolean;
  #isWritten: boolean;
  /** Made by a `renew` that found no room: the next one takes it. */
  #begun: Log | null = null;

  private constructor(store: LogStore, log: Log, found: FoundFences) {
    this.#store = store;
    this.#log = log;
    this.#fenced = found.fenced;
    this.#durable = new Set(found.fenced.keys());
    this.#uncertain = found.uncertain;
    this.#hasDoubt = found.hasDoubt;
    this.#isWritten = found.isWritten;
  }

  /** Reads all fences. On a full disk the node is in doubt until `renew` finds room. */
  static async open(store: LogStore): Promise<Fences> {
    const found: FoundFences = {
      fenced: new Map(),
      uncertain: new Map(),
      hasDoubt: false,
      isWritten: true,
    };
    const logs = store.list().filter(({ name }) => name.startsWith(LOG_PREFIX));
    for (const log of logs) await readFences(log, found);
    const log = logs.at(-1) ?? store.create(`${LOG_PREFIX}1`, { durability: "each" });
    try {
      // What recovery found may stand in the page cache only, and must not be told before it is on disk.
      for (const each of logs) await each.sync();
      // ⛔ Only this start knows that the power may have failed: were the process killed before it has heard from
      // the cluster what to be uncertain of, the next one would believe what is left of a log, or that there was none.
      if (store.recovery.powerMayHaveFailed && !found.hasDoubt) {
        await log.append(batchOf(encode({ topic: "", segment: 0 }, KIND_DOUBT)));
        found.hasDoubt = true;
      }
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      // Where the power may have failed the next process finds that out too: the store's run could not begin either.
      found.hasDoubt ||= store.recovery.powerMayHaveFailed;
      found.isWritten = false;
    }
    return new Fences(store, log, found);
  }

  /** It is not known yet of which segments something may have been forgotten; `renew` ends it. */
  get hasDoubt(): boolean {
    return this.#hasDoubt;
  }

  /** False where there was no room to make durable what was read; `renew` does. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** False where a fence may have been forgotten; `renew` ends it. */
  get isCertain(): boolean {
    return this.#logs().every((log) => log.certain);
  }

  /** Segments whose fence is on disk. */
  get fenced(): SegmentTarget[] {
    return [...this.#fenced].filter(([name]) => this.#durable.has(name)).map(([, at]) => at);
  }

  /** Segments of which this node may have forgotten something. */
  get uncertain(): SegmentTarget[] {
    return [...this.#uncertain.values()];
  }

  /** Whether the segment is fenced. */
  has(target: SegmentTarget): boolean {
    return this.#fenced.has(segmentLogName(target.topic, target.segment));
  }

  /** Whether this node may have forgotten something of the segment. */
  isUncertain(target: SegmentTarget): boolean {
    return this.#uncertain.has(segmentLogName(target.topic, target.segment));
  }

  /**
   * Fences the segment. From the call on `has` says so; ⛔ it resolves when the fence is durable, and only
   * then may it be told. Where it can't be made durable it holds all the same, and rejects.
   */
  add(target: SegmentTarget): Promise<void> {
    const name = segmentLogName(target.topic, target.segment);
    this.#fenced.set(name, target);
    if (this.#durable.has(name)) return Promise.resolve();
    const writing = this.#writing.get(name) ?? this.#write(name, encode(target, KIND_FENCED));
    this.#writing.set(name, writing);
    return writing;
  }

  /**
   * Notes durably of which segments something may have been forgotten, besides those that are known, and
   * begins a new log: what happened to the old one counts no more. Fences of segments that are sealed are let
   * go; ⛔ only where every later process of this node knows that from its first moment on.
   */
  async renew(
    uncertain: readonly SegmentTarget[],
    isSealed: (target: SegmentTarget) => boolean,
  ): Promise<void> {
    for (const target of uncertain) {
      this.#uncertain.set(segmentLogName(target.topic, target.segment), target);
    }
    const old = this.#logs().filter((log) => log !== this.#begun);
    const number = Number(this.#log.name.slice(LOG_PREFIX.length)) + 1;
    const log = this.#begun ??
      this.#store.create(`${LOG_PREFIX}${number}`, { durability: "each" });
    this.#begun = log;
    const batch = new RecordBatchBuilder();
    const kinds = [[this.#fenced, KIND_FENCED], [this.#uncertain, KIND_UNCERTAIN]] as const;
    for (const [targets, kind] of kinds) {
      for (const [name, target] of targets) {
        if (isSealed(target)) targets.delete(name);
        else batch.add(encode(target, kind));
      }
    }
    // From here on new fences go to the new log; whichever log has one, it counts.
    this.#log = log;
    // Not those that are added while this is on its way: their own write makes them durable.
    const written = [...this.#fenced.keys()];
    if (batch.count > 0) await log.append(batch);
    else await log.sync();
    this.#begun = null;
    for (const name of written) this.#durable.add(name);
    for (const each of old) await this.#store.delete(each.name);
    this.#hasDoubt = false;
    this.#isWritten = true;
  }

  #logs(): Log[] {
    return this.#store.list().filter(({ name }) => name.startsWith(LOG_PREFIX));
  }

  async #write(name: string, fence: Uint8Array): Promise<void> {
    try {
      await this.#log.append(batchOf(fence));
      this.#durable.add(name);
    } finally {
      this.#writing.delete(name);
    }
  }
}

interface FoundFences {
  fenced: Map<string, SegmentTarget>;
  uncertain: Map<string, SegmentTarget>;
  hasDoubt: boolean;
  isWritten: boolean;
}

const KIND_FENCED = 0;
const KIND_UNCERTAIN = 1;
const KIND_DOUBT = 2;

async function readFences(log: Log, found: FoundFences): Promise<void> {
  for (let position = log.startPosition; position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: READ_BYTES });
    const records = new RecordReader(run.bytes);
    while (records.next()) {
      const reader = new ByteReader(records.payload());
      const target = { topic: reader.string(), segment: reader.u32() };
      const kind = reader.u8();
      if (kind === KIND_DOUBT) found.hasDoubt = true;
      else {
        const targets = kind === KIND_UNCERTAIN ? found.uncertain : found.fenced;
        targets.set(segmentLogName(target.topic, target.segment), target);
      }
    }
    position = run.firstPosition + run.count;
  }
}

function encode(target: SegmentTarget, kind: number): Uint8Array {
  return new ByteWriter().string(target.topic).u32(target.segment).u8(kind).view;
}
