/**
 * The catalog as the store's journal: what happened since the newest checkpoint, in one run of blocks.
 * Besides changes of logs and extents it takes the frames of logs that have little to write in a
 * cycle, so that a cycle of ten thousand logs is one write and not ten thousand. Such frames stay in memory
 * until their log has enough for a write of its own, or until a checkpoint is due: then they *come home*,
 * to their log's extents. The journal keeps them until that checkpoint is on disk.
 *
 * @module
 */

import { ByteWriter } from "../world/mod.ts";
import {
  type CatalogRecord,
  DATA_RECORD_BYTES,
  encodeCatalogRecord,
  EXTENT_RECORD_BYTES,
  writeDataRecord,
} from "./catalog_record.ts";
import type { ExtentSource } from "./extent_source.ts";
import type { Extent } from "./extent.ts";
import { FRAME_HEADER_BYTES, frameBytes } from "./frame.ts";
import type { FrameSealer } from "./frame_writer.ts";
import type { StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import { CONTROL_BIT, RECORD_HEADER_BYTES } from "./record_batch.ts";
import { type BlockWrite, RunBuffer } from "./run_buffer.ts";
import { Chunk, type ChunkPool } from "./staging.ts";
import type { WriteList } from "./write_list.ts";
import type { ZeroAhead } from "./zero_ahead.ts";

/** The body of the frame that announces the next extent: its record alone. */
export const LINK_BODY_BYTES: number = RECORD_HEADER_BYTES + EXTENT_RECORD_BYTES;
/** What a journal extent keeps free, so that the record of the next one always fits. */
export const LINK_BYTES: number = frameBytes(LINK_BODY_BYTES);

/**
 * And what data leaves free for what is not data: on a full disk a log must still be deleted or trimmed for
 * there to be room again.
 */
export const RECORDS_RESERVE_BYTES = 512;

/** Where packed records stand in memory. */
export interface BodyPart {
  readonly chunk: Chunk;
  readonly bodyStart: number;
  readonly end: number;
}

/** Records of a log that go to the journal, packed, and where they stand in their log. */
export class JournalData {
  log!: LogState;
  /** One behind the other. */
  parts!: readonly BodyPart[];
  count = 0;
  entryCount = 0;
  position = 0;
  offset = 0;

  get logId(): number {
    return this.log.id;
  }
  get homeSynced(): number {
    return this.log.homeSynced;
  }
  get bodyBytes(): number {
    let bytes = 0;
    for (const part of this.parts) bytes += part.end - part.bodyStart;
    return bytes;
  }
}

/** What stands where in a log. */
interface RunOfRecords {
  count: number;
  entryCount: number;
  position: number;
  offset: number;
}

/** Packed records in memory that are durable in the journal and not at home yet. */
export class AwayFrame implements BodyPart, RunOfRecords {
  chunk: Chunk;
  bodyStart = 0;
  end = 0;
  count = 0;
  entryCount = 0;
  position = 0;
  offset = 0;

  constructor(chunk: Chunk) {
    this.chunk = chunk;
  }

  set({ chunk, bodyStart, end }: BodyPart, run: RunOfRecords): this {
    this.chunk = chunk;
    this.bodyStart = bodyStart;
    this.end = end;
    this.count = run.count;
    this.entryCount = run.entryCount;
    this.position = run.position;
    this.offset = run.offset;
    return this;
  }
}

/** What logs that are at home share. */
export const NOTHING_AWAY: readonly AwayFrame[] = Object.freeze([]);

/** Frames that are kept to be used again; more are left to the garbage collector. */
const SPARE_FRAMES_MAX = 64 * 1024;

/** Away frames that wait to be used again: they live long enough to be dear to collect. */
export class AwayPool {
  readonly #idle: AwayFrame[] = [];
  /** In place of a buffer that is in use elsewhere by now. */
  readonly #noChunk = new Chunk(new Uint8Array(0));

  take(chunk: Chunk): AwayFrame {
    const frame = this.#idle.pop() ?? new AwayFrame(chunk);
    frame.chunk = chunk;
    return frame;
  }

  give(frame: AwayFrame): void {
    frame.chunk = this.#noChunk;
    if (this.#idle.length < SPARE_FRAMES_MAX) this.#idle.push(frame);
  }
}

/** One frame of the journal in the making. */
interface PlannedFrame {
  bodyBytes: number;
  records: Uint8Array[];
  data: JournalData[];
}

/** Writes the journal. */
export class Journal {
  readonly log: LogState;
  readonly #source: ExtentSource;
  readonly #sealer: FrameSealer;
  readonly #list: WriteList;
  readonly #limits: StorageLimits;
  readonly #zeroAhead: ZeroAhead;
  readonly #run: RunBuffer;
  readonly #awayPool: AwayPool;
  readonly #bytes = new ByteWriter();
  #blocks: BlockWrite[] = [];
  /** Where frames go now. */
  #extent: Extent | null = null;

  constructor(
    options: {
      log: LogState;
      source: ExtentSource;
      sealer: FrameSealer;
      list: WriteList;
      limits: StorageLimits;
      zeroAhead: ZeroAhead;
      pool: ChunkPool;
      awayPool: AwayPool;
    },
  ) {
    this.log = options.log;
    this.#awayPool = options.awayPool;
    this.#source = options.source;
    this.#sealer = options.sealer;
    this.#list = options.list;
    this.#limits = options.limits;
    this.#zeroAhead = options.zeroAhead;
    this.#run = new RunBuffer(options.pool);
  }

  /** A run begins in an extent that the checkpoint will name. */
  startRun(extent: Extent): void {
    this.log.extents = [extent];
    this.#extent = extent;
    this.#run.startExtent();
    this.#run.settle();
  }

  /**
   * Lays out a cycle's records and then its data. Returns where each data's records are in memory, held.
   *
   * @throws {NeedsSpace} before anything has changed.
   */
  layOut(records: readonly CatalogRecord[], data: readonly JournalData[]): AwayFrame[] {
    this.#run.settle();
    const frames = this.#plan(records, data);
    const next = this.#makeRoom(frames);
    const away: AwayFrame[] = [];
    this.#blocks = [];
    for (const [index, frame] of frames.entries()) {
      if (index === next?.from) this.#goOn(next);
      this.#write(frame, away);
    }
    this.#flush();
    return away;
  }

  #plan(records: readonly CatalogRecord[], data: readonly JournalData[]): PlannedFrame[] {
    const frames: PlannedFrame[] = [];
    let open: PlannedFrame | null = null;
    const take = (bytes: number): PlannedFrame => {
      if (open === null || open.bodyBytes + bytes > this.#limits.frameBytesTarget) {
        open = { bodyBytes: 0, records: [], data: [] };
        frames.push(open);
      }
      open.bodyBytes += bytes;
      return open;
    };
    for (const record of records) {
      this.#bytes.clear();
      encodeCatalogRecord(this.#bytes, record);
      const bytes = this.#bytes.copy();
      take(RECORD_HEADER_BYTES + bytes.length).records.push(bytes);
    }
    for (const item of data) {
      take(RECORD_HEADER_BYTES + DATA_RECORD_BYTES + item.bodyBytes).data.push(item);
    }
    return frames;
  }

  /** Sees to it that all frames have room: those from `from` on get an extent of their own. */
  #makeRoom(frames: readonly PlannedFrame[]): (NextExtent & { from: number }) | null {
    const { log } = this;
    const tail = log.tail!;
    const reserve = frames.some(({ data }) => data.length > 0) ? RECORDS_RESERVE_BYTES : 0;
    let room = tail.sizeBytes - LINK_BYTES - reserve - tail.laidBytes;
    let from = 0;
    while (from < frames.length && frameBytes(frames[from]!.bodyBytes) <= room) {
      room -= frameBytes(frames[from]!.bodyBytes);
      from++;
    }
    if (from === frames.length) return null;
    let position = log.laid.position + 1;
    let payload = log.laid.payload + EXTENT_RECORD_BYTES;
    for (const frame of frames.slice(0, from)) {
      const count = frame.records.length + frame.data.length;
      position += count;
      payload += frame.bodyBytes - count * RECORD_HEADER_BYTES;
    }
    let least = LINK_BYTES + reserve;
    for (const frame of frames.slice(from)) least += frameBytes(frame.bodyBytes);
    const tailBytes = tail.sizeBytes - reserve - room; // the link's included
    const { extent, record } = this.#source.add(log, {
      least,
      rest: least,
      tailBytes,
      first: { position, offset: 0, payload },
    });
    return { from, extent, record };
  }

  /** The next extent is announced in the room that the last one kept for that. */
  #goOn({ extent, record }: NextExtent): void {
    this.#bytes.clear();
    encodeCatalogRecord(this.#bytes, record);
    const link = {
      bodyBytes: RECORD_HEADER_BYTES + this.#bytes.lengthBytes,
      records: [this.#bytes.copy()],
      data: [],
    };
    this.#write(link, []);
    this.#flush();
    this.#run.startExtent();
    this.#extent = extent;
  }

  #write(frame: PlannedFrame, away: AwayFrame[]): void {
    const extent = this.#extent!;
    const bytes = frameBytes(frame.bodyBytes);
    const { chunk, start } = this.#run.extend(bytes, this.#blocks);
    let at = start + FRAME_HEADER_BYTES;
    for (const record of frame.records) {
      chunk.view.setUint32(at, (CONTROL_BIT | record.length) >>> 0, true);
      chunk.bytes.set(record, at + RECORD_HEADER_BYTES);
      at += RECORD_HEADER_BYTES + record.length;
    }
    for (const item of frame.data) at = this.#writeData(item, { chunk, at, away });
    chunk.bytes.fill(0, at, start + bytes);
    const count = frame.records.length + frame.data.length;
    const { bodyBytes } = frame;
    this.#sealer.seal(this.log, extent, {
      chunk,
      start,
      bodyBytes,
      count,
      entryCount: 0,
      goesOn: false,
    });
  }

  #writeData(
    item: JournalData,
    { chunk, at, away }: { chunk: Chunk; at: number; away: AwayFrame[] },
  ): number {
    const start = at + RECORD_HEADER_BYTES + DATA_RECORD_BYTES;
    let end = start;
    for (const { chunk: from, bodyStart, end: bodyEnd } of item.parts) {
      chunk.bytes.set(from.bytes.subarray(bodyStart, bodyEnd), end);
      end += bodyEnd - bodyStart;
    }
    const length = end - at - RECORD_HEADER_BYTES;
    chunk.view.setUint32(at, (CONTROL_BIT | length) >>> 0, true);
    writeDataRecord(chunk.view, at + RECORD_HEADER_BYTES, item);
    chunk.holds++;
    const frame = this.#awayPool.take(chunk);
    frame.bodyStart = start;
    frame.end = end;
    frame.count = item.count;
    frame.entryCount = item.entryCount;
    frame.position = item.position;
    frame.offset = item.offset;
    away.push(frame);
    return end;
  }

  #flush(): void {
    const extent = this.#extent!;
    this.#run.take(this.#blocks, extent.range.length);
    let end = 0, bytes = 0;
    for (const { chunk, start, length, place } of this.#blocks) {
      end = place + length;
      bytes += length;
      this.#list.add(extent.file, {
        fileOffset: extent.start + place,
        buffer: chunk.bytes,
        bufferOffset: start,
        length,
      });
    }
    this.#blocks = [];
    this.#zeroAhead.maybeAdd(extent, { end, bytes });
  }
}

/** The extent that the journal goes on in. */
interface NextExtent {
  extent: Extent;
  record: CatalogRecord & { kind: "extent" };
}
