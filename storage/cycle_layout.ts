/**
 * What of a cycle goes where: to the logs' own extents, or to the journal.
 *
 * @module
 */

import { assert, DIRECT_BLOCK_BYTES, DiskError } from "../world/mod.ts";
import type { CatalogRecord } from "./catalog_record.ts";
import type { Cycle } from "./cycle.ts";
import type { DataFiles } from "./data_files.ts";
import { type ExtentSource, NeedsSpace } from "./extent_source.ts";
import type { Extent } from "./extent.ts";
import { frameBytes } from "./frame.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { type AwayFrame, type Journal, JournalData } from "./journal.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import { NO_PIECES, type Piece, type PieceOwner } from "./staging.ts";
import type { WriteList } from "./write_list.ts";

/** A log that was laid out at home, and what it takes to take that back. */
interface Homecoming {
  log: LogState;
  tail: Extent | undefined;
  sizeBytes: number;
  /** The tail was empty and went. */
  wasPopped: boolean;
}

/** Objects that are kept for the next cycles; more are left to the garbage collector. */
const SPARE_DATA_MAX = 16 * 1024;

/** Lays out one cycle after the other. */
export class CycleLayout {
  readonly list: WriteList;
  /** Of this cycle: the logs that are laid out in their own extents. */
  readonly home: Homecoming[] = [];
  data: JournalData[] = [];
  away: AwayFrame[] = [];
  journalMoved = false;
  /** All were to come home and not all have: another cycle is to follow. */
  moreToHome = false;
  readonly #source: ExtentSource;
  readonly #files: DataFiles;
  readonly #writer: FrameWriter;
  readonly #journal: Journal;
  readonly #limits: StorageLimits;
  readonly #spareData: JournalData[] = [];
  /** Records of the cycle that were there before any extent was added. */
  #givenRecords = 0;

  constructor(
    options: {
      list: WriteList;
      source: ExtentSource;
      files: DataFiles;
      writer: FrameWriter;
      journal: Journal;
      limits: StorageLimits;
    },
  ) {
    this.list = options.list;
    this.#source = options.source;
    this.#files = options.files;
    this.#writer = options.writer;
    this.#journal = options.journal;
    this.#limits = options.limits;
  }

  /** @throws {DiskError} `NoSpace` when nothing could be done about it. */
  async layOut(cycle: Cycle, awayLogs: ReadonlySet<LogState>): Promise<void> {
    this.begin();
    this.#givenRecords = cycle.records.length;
    for (let index = 0; index < cycle.dirty.length; index++) {
      const log = cycle.dirty[index]!;
      const pieces = cycle.pieces[index]!;
      if (!this.#goesHome(cycle, log, pieces) || !await this.#maybeHome(cycle, log, pieces)) {
        const data = this.#spareData.pop() ?? new JournalData();
        setData(data, log, pieces);
        this.data.push(data);
      }
    }
    this.moreToHome = cycle.mustHomeAll && this.data.length > 0;
    // Those that somebody waits for come first, whatever they have.
    if (cycle.homing.size > 0) {
      await this.#bringHome(cycle, { logs: cycle.homing, bytesMax: Infinity });
    }
    if (cycle.mustHomeAll) {
      await this.#bringHome(cycle, { logs: awayLogs, bytesMax: this.#limits.homingBytesMax });
    }
    await this.layOutJournal(cycle.records);
  }

  /** Starts over. */
  begin(): void {
    this.list.clear();
    this.home.length = 0;
    for (const data of this.data) {
      if (this.#spareData.length < SPARE_DATA_MAX) this.#spareData.push(data);
    }
    this.data.length = 0;
    this.away = [];
    this.journalMoved = false;
  }

  /** Lays out the journal's part, with what `data` has. */
  async layOutJournal(records: readonly CatalogRecord[]): Promise<void> {
    this.journalMoved = records.length > 0 || this.data.length > 0;
    if (!this.journalMoved) return;
    await this.#withRoom(() => this.away = this.#journal.layOut(records, this.data));
  }

  /**
   * Takes back a layout: its frames count for nothing. True: as if it had never been, and what was to be
   * recorded besides is returned; otherwise a new run must say so.
   */
  undo(cycle: Cycle, { hasWritten }: { hasWritten: boolean }): CatalogRecord[] | null {
    const isUntouched = !hasWritten && cycle.releases.length === 0 &&
      this.#journal.log.laid.position === this.#journal.log.homed.position &&
      this.home.every(({ log, tail, wasPopped }) =>
        // Nobody cut or trimmed the log while the layout waited for a file.
        tail === undefined || (wasPopped ? tail.isGone : log.extents.includes(tail))
      );
    for (const extent of this.#journal.log.rollBack()) this.#files.give(extent.range);
    // In reverse: each took space from what those before it had left.
    for (const { log, tail, sizeBytes } of this.home.splice(0).reverse()) {
      if (isUntouched) this.#source.undo(log, { tail, sizeBytes });
      else for (const extent of log.rollBack()) this.#files.give(extent.range);
    }
    return isUntouched ? cycle.records.slice(0, this.#givenRecords) : null;
  }

  /** Logs that have nothing new. Of all logs as many as one cycle may bring: memory is bounded by that. */
  async #bringHome(
    cycle: Cycle,
    { logs, bytesMax }: { logs: ReadonlySet<LogState>; bytesMax: number },
  ): Promise<void> {
    if (logs.size === 0) return;
    const done = new Set(cycle.dirty);
    for (const { log } of this.home) done.add(log);
    let bytes = 0;
    for (const log of [...logs]) {
      const isDone = log.away.length === 0 || log.isClosed || done.has(log);
      if (isDone) continue;
      if (bytes >= bytesMax) {
        this.moreToHome = true;
        return;
      }
      // One that finds no room counts for nothing: a cycle that brought none is the last.
      if (await this.#maybeHome(cycle, log, [])) bytes += log.awayBytes;
    }
  }

  #goesHome(cycle: Cycle, log: LogState, pieces: readonly Piece[]): boolean {
    if (cycle.homing.has(log)) return true;
    let bytes = log.awayBytes;
    for (const piece of pieces) bytes += piece.bodyBytes;
    return bytes >= this.#limits.homeBytesMin;
  }

  /** False where there is no room: what is away stays away, what is new follows it. */
  async #maybeHome(cycle: Cycle, log: LogState, pieces: readonly Piece[]): Promise<boolean> {
    const homeward = this.#piecesFor(cycle, log, pieces);
    const layOut = () => {
      const { tail } = log;
      const sizeBytes = tail?.sizeBytes ?? 0;
      this.#writer.layOut(log, homeward, cycle.records);
      const wasPopped = tail?.isGone ?? false;
      this.home.push({ log, tail, sizeBytes, wasPopped });
    };
    try {
      // Room is there nearly always: no promise for it then.
      if (!this.#maybe(layOut)) await this.#withRoom(layOut);
    } catch (error) {
      if (isNoSpace(error)) return false;
      throw error;
    } finally {
      if (log.away.length > 0) cycle.staging.recycle(homeward);
    }
    return true;
  }

  /** The log's pieces as they are, or behind what was away. */
  #piecesFor(cycle: Cycle, log: LogState, pieces: readonly Piece[]): readonly Piece[] {
    const { staging } = cycle;
    if (log.away.length === 0) {
      const owner: PieceOwner = { pieces: [...pieces], lead: -1 };
      staging.gather(owner);
      return owner.pieces;
    }
    const owner: PieceOwner = { pieces: NO_PIECES, lead: -1 };
    staging.startBlock(this.#leadOf(log, pieces));
    for (const { chunk, bodyStart, end, count, entryCount } of log.away) {
      staging.add(owner, { bytes: chunk.bytes.subarray(bodyStart, end), count, entryCount });
    }
    for (const { chunk, bodyStart, end, count, entryCount, goesOn } of pieces) {
      const bytes = chunk.bytes.subarray(bodyStart, end);
      if (goesOn) staging.addPart(owner, { bytes, count, entryCount, goesOn });
      else staging.add(owner, { bytes, count, entryCount });
    }
    staging.endBlock();
    return owner.pieces;
  }

  /** Where in a block of its file the log will go on, unless it turns out to need more room. */
  #leadOf(log: LogState, pieces: readonly Piece[]): number {
    const { tail } = log;
    if (tail === undefined || tail.run !== this.#source.run.run) return 0;
    let bytes = log.awayBytes;
    for (const piece of pieces) bytes += piece.bodyBytes;
    return tail.laidBytes + frameBytes(bytes) <= tail.sizeBytes
      ? tail.laidBytes % DIRECT_BLOCK_BYTES
      : 0;
  }

  #maybe(layOut: () => void): boolean {
    try {
      layOut();
      return true;
    } catch (error) {
      if (error instanceof NeedsSpace) return false;
      throw error;
    }
  }

  /** Tries again with another file where the files have no room. */
  async #withRoom(layOut: () => void): Promise<void> {
    for (;;) {
      try {
        return layOut();
      } catch (error) {
        if (!(error instanceof NeedsSpace)) throw error;
        try {
          await this.#files.grow(error.bytes);
        } catch (failure) {
          if (!isNoSpace(failure)) throw failure;
          return this.#withLeastRoom(layOut, failure);
        }
      }
    }
  }

  /** The disk is full, but there may be a hole in the files that is large enough. */
  #withLeastRoom(layOut: () => void, failure: unknown): void {
    this.#source.acceptsLeast = true;
    try {
      layOut();
    } catch (error) {
      throw error instanceof NeedsSpace ? failure : error;
    } finally {
      this.#source.acceptsLeast = false;
    }
  }
}

/** Whether a disk operation found no room. A sync that finds none has lost data: that is another thing. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof DiskError && error.code === "NoSpace" && error.op !== "sync";
}

/** What is away, to be written to the journal of a new run. */
export function dataOfAway(log: LogState): JournalData[] {
  return log.away.map((frame) => {
    const { count, entryCount, position, offset } = frame;
    const run = { count, entryCount, position, offset };
    return Object.assign(new JournalData(), { log, parts: [frame], ...run });
  });
}

function setData(data: JournalData, log: LogState, pieces: readonly Piece[]): void {
  data.log = log;
  data.parts = pieces;
  data.count = data.entryCount = 0;
  for (const piece of pieces) {
    data.count += piece.count;
    data.entryCount += piece.entryCount;
  }
  data.position = log.written.position;
  data.offset = log.written.offset;
  assert(data.count > 0, "a log has records to write");
}
