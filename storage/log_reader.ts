/**
 * Reads records back: finds the extent and the frame, checks every frame that it hands out.
 *
 * @module
 */

import { assert, type Disk } from "../world/mod.ts";
import { CorruptionError, LogClosedError, OutOfRangeError } from "./errors.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import { type Extent, FrameIndex, type LogPoint } from "./extent.ts";
import type { FrameKey } from "./frame.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import { RecordReader } from "./record_batch.ts";
import { lastControlAway, positionAway, readAway } from "./away_reads.ts";
import { ReadBuilder } from "./read_builder.ts";
import type { ReadLimits, ReadResult } from "./types.ts";

/** A frame that holds what was looked for. */
interface FoundFrame {
  extent: Extent;
  /** Nothing of the extent counts from this position on: records of the frame may have been cut. */
  reach: number;
  /** Where the frame starts in its extent. */
  place: number;
  end: number;
  first: LogPoint;
  count: number;
  entryCount: number;
  /** Packed records. */
  body: Uint8Array;
}

/** What was read is not this log's any more: it was cut or trimmed meanwhile. Look again. */
class StaleRead {}

/** Reads from the logs of one store. */
export class LogReader {
  readonly #disk: Disk;
  readonly #key: FrameKey;
  readonly #limits: StorageLimits;
  readonly #walks = new Map<Extent, Promise<void>>();
  /** Stands at the last large frame that was read: its records are read one by one, its bytes once. */
  #large: ExtentCursor | null = null;

  constructor(options: { disk: Disk; key: FrameKey; limits: StorageLimits }) {
    this.#disk = options.disk;
    this.#key = options.key;
    this.#limits = options.limits;
  }

  /** See `Log.read`. */
  read(log: LogState, position: number, limits: ReadLimits): Promise<ReadResult> {
    return this.#whileStale(log, position, () => this.#readOnce(log, position, limits));
  }

  /** How far the log reaches at a position within it, and where a tail that ends there would be cut. */
  pointAt(
    log: LogState,
    position: number,
  ): Promise<{ point: LogPoint; extentIndex: number; usedBytes: number }> {
    return this.#whileStale(log, position, () => this.#pointOnce(log, position));
  }

  /** See `Log.positionOfOffset`. */
  positionOfOffset(log: LogState, offset: number): Promise<number> {
    if (offset < log.start.offset || offset >= log.written.offset) {
      throw new OutOfRangeError(
        `Log ${log.name} has entries ${log.start.offset} to ${log.written.offset}, not ${offset}.`,
      );
    }
    return this.#whileStale(log, null, () => {
      if (offset >= log.homed.offset) return Promise.resolve(positionAway(log, offset));
      return this.#positionOnce(log, offset);
    });
  }

  /** See `Log.lastControl`. */
  lastControl(log: LogState): Promise<{ position: number; payload: Uint8Array } | null> {
    return this.#whileStale(log, null, async () => {
      const away = lastControlAway(log);
      if (away !== null) return away;
      for (const { lastControl } of log.extents.toReversed()) {
        const found = lastControl < 0 ? null : await this.#lastControlIn(log, lastControl);
        if (found !== null) return found;
      }
      return null;
    });
  }

  /** Position of the extent's last frame that has a control record before `position`; -1: none has. */
  async lastControlFrame(log: LogState, extent: Extent, position: number): Promise<number> {
    const cursor = this.#cursor(log, { extent, point: null, moreBytes: WALK_WINDOW_BYTES });
    let last = -1;
    while (cursor.at.position < position) {
      const verdict = cursor.tryJudge() ?? await cursor.judge();
      this.#checkStale(log, extent, null);
      if (verdict !== "frame") {
        await this.#damageAt(log, cursor);
        continue;
      }
      const { count, entryCount } = cursor.header;
      if (count > entryCount && hasControlBefore(cursor.body(), cursor.at.position, position)) {
        last = cursor.at.position;
      }
      cursor.advance();
    }
    return last;
  }

  /** The frame index of an extent, made by walking over it where it is not known. */
  async ensureIndex(log: LogState, extentIndex: number): Promise<FrameIndex> {
    const extent = log.extents[extentIndex]!;
    if (extent.index === null) {
      let walk = this.#walks.get(extent);
      if (walk === undefined) {
        walk = this.#walk(log, extentIndex).finally(() => this.#walks.delete(extent));
        this.#walks.set(extent, walk);
      }
      await walk;
    }
    return extent.index!;
  }

  async #whileStale<T>(
    log: LogState,
    position: number | null,
    attempt: () => Promise<T>,
  ): Promise<T> {
    for (let attempts = 0; attempts < STALE_READS_MAX; attempts++) {
      if (log.isClosed) throw new LogClosedError(`Log ${log.name} is closed.`);
      if (position !== null) checkRange(log, position);
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StaleRead)) throw error;
      }
    }
    assert(false, `log ${log.name} holds what its counters say`);
  }

  async #readOnce(log: LogState, position: number, limits: ReadLimits): Promise<ReadResult> {
    if (position >= log.written.position) return emptyResult(position, log.written);
    if (position >= log.homed.position) return readAway(log, position, limits);
    const cursor = this.#largeAt(log, position) ??
      await this.#cursorAt(log, position, limits.maxBytes, limits.window);
    const reach = Math.min(cursor.reach.position, log.homed.position);
    const out = new ReadBuilder(position, limits);
    while (cursor.at.position < reach && !out.isFull) {
      let verdict = cursor.tryJudge();
      if (verdict === null) {
        // What the window does not have is left for the next read, once there is something.
        if (out.count > 0) break;
        verdict = await cursor.judge();
        this.#checkStale(log, cursor.extent, position);
      }
      if (verdict !== "frame") {
        if (out.count > 0) break;
        throw await this.#damageAt(log, cursor);
      }
      out.take({ ...cursor.header, body: cursor.body() }, { at: cursor.at, reach });
      const mayKeep = limits.window === undefined; // else the caller fills it with other things
      if (mayKeep && cursor.header.bodyBytes >= LARGE_FRAME_BYTES) this.#large = cursor;
      cursor.advance();
    }
    if (out.count === 0) throw new StaleRead();
    return out.finish({ mayMove: this.#large !== cursor });
  }

  /** The cursor at the large frame, if it holds the position. Nobody else uses it meanwhile. */
  #largeAt(log: LogState, position: number): ExtentCursor | null {
    const cursor = this.#large;
    if (cursor === null || cursor.extent.isGone || !log.extents.includes(cursor.extent)) {
      return null;
    }
    this.#large = null;
    if (!cursor.rewind()) return null;
    const { at, header } = cursor;
    const holds = at.position <= position && position < at.position + header.count;
    return holds && position < cursor.reach.position ? cursor : null;
  }

  async #pointOnce(
    log: LogState,
    position: number,
  ): Promise<{ point: LogPoint; extentIndex: number; usedBytes: number }> {
    if (position === log.homed.position) {
      const last = log.extents.length - 1;
      const usedBytes = log.extents[last]?.usedBytes ?? 0;
      return { point: { ...log.homed }, extentIndex: last, usedBytes };
    }
    const frame = await this.#frameAt(log, position);
    if (frame.first.position === position) {
      const { first: point, extent, place: usedBytes } = frame;
      return { point, extentIndex: log.extents.indexOf(extent), usedBytes };
    }
    const point = { ...frame.first };
    const reader = new RecordReader(frame.body);
    while (point.position < position && reader.next()) {
      point.position++;
      if (!reader.isControl) point.offset++;
      point.payload += reader.end - reader.start;
    }
    return { point, extentIndex: log.extents.indexOf(frame.extent), usedBytes: frame.end };
  }

  async #positionOnce(log: LogState, offset: number): Promise<number> {
    const cursor = await this.#cursorAtOffset(log, offset);
    const { extent } = cursor;
    const reach = cursor.reach.position;
    while (cursor.at.position < reach) {
      const verdict = cursor.tryJudge() ?? await cursor.judge();
      this.#checkStale(log, extent, null);
      if (verdict !== "frame") throw await this.#damageAt(log, cursor);
      if (cursor.header.firstOffset + cursor.header.entryCount > offset) {
        return positionInBody(cursor.body(), cursor.at, offset);
      }
      cursor.advance();
    }
    // The entry is in a run that was damaged and jumped over.
    const damage = log.damage.find(({ first, next }) =>
      first.offset <= offset && offset < next.offset
    );
    throw new CorruptionError(
      log.name,
      damage?.first.position ?? reach,
      extent.file.name,
      damage?.fileOffset ?? extent.start,
    );
  }

  async #lastControlIn(
    log: LogState,
    framePosition: number,
  ): Promise<{ position: number; payload: Uint8Array } | null> {
    const frame = await this.#frameAt(log, framePosition);
    const reader = new RecordReader(frame.body);
    let found: { position: number; payload: Uint8Array } | null = null;
    for (let position = frame.first.position; reader.next(); position++) {
      if (position >= frame.reach || position < log.start.position) continue;
      if (reader.isControl) found = { position, payload: reader.payload().slice() };
    }
    return found;
  }

  /** The frame that holds a position. @throws {CorruptionError | StaleRead} */
  async #frameAt(log: LogState, position: number): Promise<FoundFrame> {
    const cursor = await this.#cursorAt(log, position, 0);
    const reach = cursor.reach.position;
    while (cursor.at.position < reach) {
      const verdict = cursor.tryJudge() ?? await cursor.judge();
      this.#checkStale(log, cursor.extent, position);
      if (verdict !== "frame") throw await this.#damageAt(log, cursor);
      const { count, entryCount } = cursor.header;
      if (cursor.at.position + count > position) {
        const { extent, place, end } = cursor;
        const body = cursor.body();
        return { extent, reach, place, end, first: { ...cursor.at }, count, entryCount, body };
      }
      cursor.advance();
    }
    throw new StaleRead();
  }

  async #cursorAt(
    log: LogState,
    position: number,
    moreBytes: number,
    window?: Uint8Array,
  ): Promise<ExtentCursor> {
    const extent = log.extents[log.extentAt(position)];
    if (extent === undefined) throw new StaleRead();
    const index = await this.ensureIndex(log, log.extents.indexOf(extent));
    this.#checkStale(log, extent, position);
    const point = index.atPosition(position);
    return this.#cursor(log, { extent, point, moreBytes, window });
  }

  async #cursorAtOffset(log: LogState, offset: number): Promise<ExtentCursor> {
    // Of extents that begin at the same offset (the ones before hold no entries), the last has it.
    let extentIndex = log.extents.length - 1;
    while (extentIndex > 0 && log.extents[extentIndex]!.first.offset > offset) extentIndex--;
    const extent = log.extents[extentIndex];
    if (extent === undefined) throw new StaleRead();
    const index = await this.ensureIndex(log, extentIndex);
    this.#checkStale(log, extent, null);
    return this.#cursor(log, { extent, point: index.atOffset(offset), moreBytes: 0 });
  }

  #cursor(
    log: LogState,
    { extent, point, moreBytes, window }: {
      extent: Extent;
      point: (LogPoint & { place: number }) | null;
      moreBytes: number;
      window?: Uint8Array | undefined;
    },
  ): ExtentCursor {
    const { indexStrideBytes } = this.#limits;
    return new ExtentCursor(extent, {
      disk: this.#disk,
      key: this.#key,
      logId: log.id,
      reach: log.extentEnd(log.extents.indexOf(extent)),
      at: point ?? extent.first,
      place: point?.place ?? 0,
      endPlace: extent.usedBytes,
      windowBytes: indexStrideBytes + moreBytes,
      window,
    });
  }

  /** Space that was given back may hold anything: what looks like damage then is none. */
  #checkStale(log: LogState, extent: Extent, position: number | null): void {
    if (extent.isGone || log.isClosed) throw new StaleRead();
    if (position !== null && position >= log.homed.position) throw new StaleRead();
  }

  /** Notes that the frame at the cursor is rotten, finds where the log goes on, and says so. */
  async #damageAt(log: LogState, cursor: ExtentCursor): Promise<CorruptionError> {
    const { extent } = cursor;
    const first = { ...cursor.at };
    const fileOffset = extent.start + cursor.place;
    const next = await cursor.skipDamage();
    this.#checkStale(log, extent, null);
    log.addDamage({ fileNumber: extent.file.number, fileOffset, first, next: { ...next } });
    if (extent.index !== null && cursor.place < cursor.endPlace) {
      if (extent.index === FrameIndex.NO_POINTS) extent.index = new FrameIndex();
      extent.index.insert(cursor.at, cursor.place);
    }
    return new CorruptionError(log.name, first.position, extent.file.name, fileOffset);
  }

  async #walk(log: LogState, extentIndex: number): Promise<void> {
    const extent = log.extents[extentIndex]!;
    const index = new FrameIndex();
    const cursor = this.#cursor(log, { extent, point: null, moreBytes: WALK_WINDOW_BYTES });
    let isBehindDamage = false;
    while (cursor.at.position < cursor.reach.position) {
      const verdict = cursor.tryJudge() ?? await cursor.judge();
      this.#checkStale(log, extent, null);
      if (verdict !== "frame") {
        await this.#damageAt(log, cursor);
        isBehindDamage = true;
        continue;
      }
      const isDue = cursor.place - index.lastPlace >= this.#limits.indexStrideBytes;
      if (isDue || isBehindDamage) index.add(cursor.at, cursor.place);
      isBehindDamage = false;
      cursor.advance();
    }
    extent.index = index.size === 0 ? FrameIndex.NO_POINTS : index;
  }
}

/** Read at once while walking over an extent. */
const WALK_WINDOW_BYTES = 1 << 20;
/** From here on a frame is kept for the next read: one of 64 MiB would be read again for each record. */
const LARGE_FRAME_BYTES = 1 << 20;
/** A read that meets a cut or a trim starts again; more often than this is a fault of ours. */
const STALE_READS_MAX = 1000;

function positionInBody(body: Uint8Array, first: LogPoint, offset: number): number {
  const reader = new RecordReader(body);
  let at = first.offset;
  for (let position = first.position; reader.next(); position++) {
    if (reader.isControl) continue;
    if (at++ === offset) return position;
  }
  return first.position;
}

function hasControlBefore(body: Uint8Array, first: number, position: number): boolean {
  const reader = new RecordReader(body);
  for (let at = first; at < position && reader.next(); at++) {
    if (reader.isControl) return true;
  }
  return false;
}

function checkRange(log: LogState, position: number): void {
  if (position >= log.start.position && position <= log.end.position) return;
  throw new OutOfRangeError(
    `Log ${log.name} has records ${log.start.position} to ${log.end.position}, not ${position}.`,
  );
}

function emptyResult(position: number, end: LogPoint): ReadResult {
  return {
    bytes: new Uint8Array(0),
    count: 0,
    entryCount: 0,
    firstPosition: position,
    firstOffset: end.offset,
    goesOn: false,
  };
}
