/**
 * Gives the frames of a cycle their places on disk and seals them. Does no I/O: what comes out is the list
 * of writes, and the catalog records of extents that had to be added.
 *
 * @module
 */

import { assert, type DiskFile, type DiskWrite } from "../world/mod.ts";
import { ByteWriter } from "./bytes.ts";
import { type CatalogRecord, encodeCatalogRecord, EXTENT_RECORD_BYTES } from "./catalog_record.ts";
import type { DataFile } from "./data_file.ts";
import type { DataFiles } from "./data_files.ts";
import { type ByteRange, Extent, FrameIndex } from "./extent.ts";
import { frameBytes, type FrameKey, newFrameHeader, sealFrame, TERMINATOR_BYTES } from "./frame.ts";
import { alignExtent, type StorageLimits } from "./limits.ts";
import type { LogState } from "./log_state.ts";
import { RECORD_HEADER_BYTES, RecordBatchBuilder } from "./record_batch.ts";
import type { Piece, PieceOwner, Staging } from "./staging.ts";
import { CATALOG_LOG_ID } from "./store_image.ts";

/** What a catalog extent keeps free, so that the record of the next one always fits. */
export const LINK_BYTES: number = frameBytes(RECORD_HEADER_BYTES + EXTENT_RECORD_BYTES);

/** How much smaller than wanted an extent may be before a new file is made. */
const EXTENT_SHRINK_MAX = 8;

/** Bytes that an extent must have for a log to go on; thrown where none has room. */
export class NeedsSpace {
  constructor(readonly bytes: number) {}
}

/** Records of a log that may be written without a sync; the field has 32 bits. */
export const LAG_MAX = 0xffffffff;

/** What marks the frames of this process. */
export interface WriterRun {
  run: number;
  nextGeneration: number;
}

/** Lays frames out, cycle after cycle. */
export class FrameWriter {
  /** Of this cycle: what goes to disk. */
  readonly writes: DiskWrite[] = [];
  /** Of this cycle: the files that were written. */
  readonly touched = new Set<DataFile>();
  readonly #spareWrites: DiskWrite[] = [];
  readonly #header = newFrameHeader();
  readonly #files: DataFiles;
  readonly #limits: StorageLimits;
  readonly #key: FrameKey;
  readonly #run: WriterRun;
  readonly #zeroes: Uint8Array;
  /** The disk is full: any space that is enough will do. */
  acceptsLeast = false;
  #records: CatalogRecord[] = [];
  #staging!: Staging;

  constructor(
    options: { files: DataFiles; limits: StorageLimits; key: FrameKey; run: WriterRun },
  ) {
    this.#files = options.files;
    this.#limits = options.limits;
    this.#key = options.key;
    this.#run = options.run;
    this.#zeroes = new Uint8Array(options.limits.zeroAheadBytes);
  }

  /** Starts a cycle. Records of new extents are added to `records`. */
  begin(staging: Staging, records: CatalogRecord[]): void {
    this.#spareWrites.push(...this.writes);
    this.writes.length = 0;
    this.touched.clear();
    this.#staging = staging;
    this.#records = records;
  }

  /**
   * Lays out a log's pieces, all or none.
   *
   * @throws {NeedsSpace} when the files have no room: nothing of the log was laid out then.
   */
  layOut(log: LogState, pieces: Piece[]): void {
    const { tail } = log;
    const before = {
      writes: this.writes.length,
      records: this.#records.length,
      tailBytes: tail?.sizeBytes ?? 0,
    };
    try {
      this.#layOutPieces(log, pieces);
    } catch (error) {
      if (!(error instanceof NeedsSpace)) throw error;
      this.writes.length = before.writes;
      this.#records.length = before.records;
      for (const extent of log.rollBack()) this.#files.give(extent.range);
      if (tail !== undefined) this.#restoreTail(log, { tail, sizeBytes: before.tailBytes });
      throw error;
    }
  }

  /** The record that cut the extent will not be written: it keeps what it had. Nobody took it meanwhile. */
  #restoreTail(log: LogState, { tail, sizeBytes }: { tail: Extent; sizeBytes: number }): void {
    tail.sizeBytes = sizeBytes;
    this.#files.claim(tail.range);
    if (!tail.isGone) return;
    tail.isGone = false;
    log.extents.push(tail);
  }

  /** Lays out the catalog's records, the extents that it needs for itself included. */
  layOutCatalog(log: LogState, records: readonly CatalogRecord[]): void {
    const batch = new RecordBatchBuilder(records.length * 64 + 64);
    const bytes = new ByteWriter();
    for (const record of records) {
      bytes.clear();
      encodeCatalogRecord(bytes, record);
      batch.add(bytes.bytes, 0, bytes.length, "control");
    }
    this.#records = [];
    const owner: PieceOwner = { pieces: [] };
    this.#staging.add(owner, batch);
    this.layOut(log, owner.pieces);
  }

  #layOutPieces(log: LogState, pieces: Piece[]): void {
    let rest = 0;
    for (const piece of pieces) rest += frameBytes(piece.bodyBytes);
    for (const piece of pieces) {
      const bytes = frameBytes(piece.bodyBytes);
      const { tail } = log;
      const extent = tail !== undefined && this.#fits(tail, bytes, log)
        ? tail
        : this.#addExtent(log, { bytes, rest });
      this.#place(log, { extent, piece, bytes });
      rest -= bytes;
    }
    this.#terminate(log.tail!, pieces.at(-1)!);
    this.#maybeZeroAhead(log.tail!);
  }

  #fits(extent: Extent, bytes: number, log: LogState): boolean {
    const reserve = log.id === CATALOG_LOG_ID ? LINK_BYTES : 0;
    return extent.run === this.#run.run &&
      extent.laidBytes + bytes + reserve <= extent.sizeBytes;
  }

  #place(
    log: LogState,
    { extent, piece, bytes }: { extent: Extent; piece: Piece; bytes: number },
  ): void {
    const header = this.#header;
    const { laid } = log;
    header.bodyBytes = piece.bodyBytes;
    header.logId = log.id;
    header.run = extent.run;
    header.generation = extent.generation;
    header.count = piece.count;
    header.entryCount = piece.entryCount;
    header.lag = laid.position - log.synced.position;
    assert(header.lag <= LAG_MAX, "a log is synced before its lag outgrows the field");
    header.firstPosition = laid.position;
    header.firstOffset = laid.offset;
    sealFrame(piece.chunk, piece.start, { header, key: this.#key });
    piece.chunk.bytes.fill(0, piece.end, piece.start + bytes);
    const place = extent.laidBytes;
    extent.index ??= new FrameIndex();
    if (place - extent.index.lastPlace >= this.#limits.indexStrideBytes) {
      extent.index.add({ ...laid }, place);
    }
    if (piece.count > piece.entryCount) extent.laidControl = laid.position;
    this.#write(extent.file, {
      fileOffset: extent.start + place,
      buffer: piece.chunk.bytes,
      bufferOffset: piece.start,
      length: bytes,
    });
    extent.laidBytes += bytes;
    laid.position += piece.count;
    laid.offset += piece.entryCount;
    laid.payload += piece.bodyBytes - piece.count * RECORD_HEADER_BYTES;
  }

  /** Zeroes behind the last frame say that it is the last, where older bytes may follow. */
  #terminate(extent: Extent, piece: Piece): void {
    const end = piece.start + frameBytes(piece.bodyBytes);
    const length = Math.min(TERMINATOR_BYTES, extent.sizeBytes - extent.laidBytes);
    piece.chunk.bytes.fill(0, end, end + length);
    const write = this.writes.at(-1)!;
    assert(write.bufferOffset + write.length === end, "the last write is the last frame's");
    write.length += length;
  }

  /**
   * Overwriting what was written before costs half of writing to space that was only reserved (its
   * blocks must be marked as written in the file system's journal, at every sync). Small frames pay
   * for it once per many; for large ones it would be twice the work.
   */
  #maybeZeroAhead(extent: Extent): void {
    const ahead = this.#limits.zeroAheadBytes;
    const from = alignExtent(extent.laidBytes + TERMINATOR_BYTES);
    if (ahead === 0 || from <= extent.zeroedBytes) return;
    const isSmall = extent.laidBytes - extent.usedBytes <= ahead / 4;
    const length = Math.min(ahead, extent.sizeBytes - from);
    extent.zeroedBytes = from;
    if (!isSmall || length <= 0) return;
    extent.zeroedBytes = from + length;
    this.writes.push(this.#newWrite(extent.file.disk!, {
      fileOffset: extent.start + from,
      buffer: this.#zeroes,
      bufferOffset: 0,
      length,
    }));
  }

  #addExtent(log: LogState, { bytes, rest }: { bytes: number; rest: number }): Extent {
    const isCatalog = log.id === CATALOG_LOG_ID;
    const least = bytes + (isCatalog ? LINK_BYTES : 0);
    const { tail } = log;
    const keptBytes = tail === undefined || tail.laidBytes === 0
      ? 0
      : Math.min(tail.sizeBytes, alignExtent(tail.laidBytes + TERMINATOR_BYTES));
    const { range, isFresh } = this.#findRange(log, { least, rest, keptBytes });
    const generation = this.#run.nextGeneration++;
    const record = {
      kind: "extent",
      logId: log.id,
      fileNumber: range.file.number,
      start: range.start,
      sizeBytes: range.length,
      generation,
      first: { ...log.laid },
      previousBytes: keptBytes,
      previousUsedBytes: tail?.laidBytes ?? 0,
      previousLastControl: tail?.laidControl ?? -1,
    } as const;
    if (isCatalog && tail !== undefined) this.#link(log, { tail, record });
    else this.#records.push(record);
    if (tail !== undefined) {
      tail.sizeBytes = keptBytes;
      if (keptBytes === 0) log.extents.pop()!.isGone = true;
    }
    const extent = new Extent({
      ...range,
      sizeBytes: range.length,
      run: this.#run.run,
      generation,
      first: { ...log.laid },
      usedBytes: 0,
      lastControl: -1,
    });
    extent.isNew = true;
    if (isFresh) extent.zeroedBytes = 0;
    log.extents.push(extent);
    return extent;
  }

  /** The rest of an older run's extent where it is enough, otherwise new space. */
  #findRange(
    log: LogState,
    { least, rest, keptBytes }: { least: number; rest: number; keptBytes: number },
  ): { range: ByteRange; isFresh: boolean } {
    const { tail } = log;
    const spareAt = alignExtent(keptBytes);
    const spare = tail === undefined ? null : {
      file: tail.file,
      start: tail.start + spareAt,
      length: tail.range.length - spareAt,
    };
    const isUsable = spare !== null && spare.length >= least && spare.file.disk !== null &&
      spare.start + spare.length <= spare.file.sizeBytes && !tail!.isNew;
    if (isUsable) return { range: spare, isFresh: false };
    if (spare !== null) this.#files.give(spare);
    const { extentBytesMin, extentBytesMax } = this.#limits;
    const wanted = Math.max(
      alignExtent(least),
      Math.min(
        extentBytesMax,
        alignExtent(Math.max(extentBytesMin, log.allocatedBytes, rest + TERMINATOR_BYTES)),
      ),
    );
    const range = this.#takeRange(wanted, alignExtent(least));
    if (range === null) {
      if (spare !== null) this.#files.claim(spare);
      throw new NeedsSpace(wanted);
    }
    const isFresh = range.start >= range.file.writtenBytes;
    range.file.writtenBytes = Math.max(range.file.writtenBytes, range.start + range.length);
    return { range, isFresh };
  }

  /** A smaller extent than wanted will do where it uses up a file's end, or where nothing else is left. */
  #takeRange(wanted: number, least: number): ByteRange | null {
    const floor = this.acceptsLeast
      ? least
      : Math.max(least, this.#limits.extentBytesMin, wanted / EXTENT_SHRINK_MAX);
    for (let length = wanted; length > floor; length = alignExtent(length / 2)) {
      const range = this.#files.take(length);
      if (range !== null) return range;
      if (length === alignExtent(length / 2)) break;
    }
    return this.#files.take(alignExtent(floor));
  }

  /** The catalog's next extent is announced in the room that its last one kept for that. */
  #link(
    log: LogState,
    { tail, record }: { tail: Extent; record: Extract<CatalogRecord, { kind: "extent" }> },
  ): void {
    assert(tail.run === this.#run.run, "a run's first catalog extent is in its checkpoint");
    const batch = new RecordBatchBuilder();
    const bytes = new ByteWriter();
    const payload = log.laid.payload + EXTENT_RECORD_BYTES;
    record.first.position += 1;
    record.first.payload = payload;
    encodeCatalogRecord(bytes, record);
    batch.add(bytes.bytes, 0, bytes.length, "control");
    const owner: PieceOwner = { pieces: [] };
    this.#staging.add(owner, batch);
    this.#place(log, { extent: tail, piece: owner.pieces[0]!, bytes: LINK_BYTES });
  }

  /** Adds a write, or makes the last one longer where this one follows it on both sides. */
  #write(file: DataFile, place: Omit<DiskWrite, "file">): void {
    this.touched.add(file);
    const last = this.writes.at(-1);
    if (
      last !== undefined && last.file === file.disk && last.buffer === place.buffer &&
      last.bufferOffset + last.length === place.bufferOffset &&
      last.fileOffset + last.length === place.fileOffset
    ) {
      last.length += place.length;
      return;
    }
    this.writes.push(this.#newWrite(file.disk!, place));
  }

  #newWrite(file: DiskFile, place: Omit<DiskWrite, "file">): DiskWrite {
    const write = this.#spareWrites.pop();
    return write === undefined ? { file, ...place } : Object.assign(write, place, { file });
  }
}
