/**
 * The catalog: a log of its own (id 1) that says which logs there are and which extents are theirs, and
 * carries records that are not in their logs' extents yet (journal.ts).
 *
 * Its records go to disk in the same commit as the frames that need them: an extent whose record was lost
 * in a crash is free, and so are the frames in it, none of which was acknowledged; an extent whose record
 * survived without its frames is empty. Space that a record gives back is used again only once that
 * record is synced.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 1 + 4 | kind · log id |
 * | … | 1 log created: name (4 + n), own durability? (1), durability (5) |
 * | … | 2 log deleted |
 * | … | 3 extent added: file (4), start (8), size (8), generation (4), first (24), and of the log's extent before: the size that it keeps + 1, 0 where there was none (8), used bytes (8), last control + 1 (8) |
 * | … | 4 tail cut: point (24), extents that stay (4), the size (8), used bytes (8), last control + 1 (8) that the last of them keeps |
 * | … | 5 head trimmed: point (24), extents that go (4) |
 * | … | 6 data: position (8), offset (8), records (4), entries (4), position up to which the log was synced at home (8), packed records (journal.ts) |
 *
 * An extent's run is that of the frame which says so. A checkpoint may know already what a record behind it
 * says (it is taken from memory, where a change shows before its record is written): applying a record twice
 * changes nothing.
 *
 * @module
 */

import { ByteReader, type ByteWriter, MalformedError, putU64 } from "../world/mod.ts";
import { readDurability, readPoint, writeDurability, writePoint } from "./checkpoint.ts";
import type { LogPoint } from "./extent.ts";
import { type LogImage, newLogImage, type StoreImage } from "./store_image.ts";
import type { Durability } from "./types.ts";

/** A change of what logs and extents there are. */
export type CatalogRecord =
  | { kind: "created"; logId: number; name: string; durability: Durability | null }
  | { kind: "deleted"; logId: number }
  | {
    kind: "extent";
    logId: number;
    fileNumber: number;
    start: number;
    sizeBytes: number;
    generation: number;
    first: LogPoint;
    /**
     * The extent before this one is cut to so many bytes, of which frames use so many; −1: there was none
     * (those that replay knows were trimmed; the record of that comes later).
     */
    previousBytes: number;
    previousUsedBytes: number;
    previousLastControl: number;
  }
  | {
    kind: "tailCut";
    logId: number;
    end: LogPoint;
    extents: number;
    sizeBytes: number;
    usedBytes: number;
    lastControl: number;
  }
  | { kind: "headTrimmed"; logId: number; start: LogPoint; extents: number };

/** Records of a log in the journal. */
export interface DataFields {
  logId: number;
  position: number;
  offset: number;
  count: number;
  entryCount: number;
  /** Up to where the log was synced in its own extents when this was written. */
  homeSynced: number;
}

/** A data record with its packed records. */
export interface DataRecord extends DataFields {
  kind: "data";
  bytes: Uint8Array;
}

/** Bytes of a data record before the packed records. */
export const DATA_RECORD_BYTES = 1 + 4 + 8 + 8 + 4 + 4 + 8;
const DATA_KIND = 6;

/** Bytes of an extent record, packed: what must stay free in a catalog extent to link the next. */
export const EXTENT_RECORD_BYTES = 1 + 4 + 4 + 8 + 8 + 4 + 24 + 24;

const KINDS = ["created", "deleted", "extent", "tailCut", "headTrimmed"] as const;

/** Appends a record's bytes. */
export function encodeCatalogRecord(out: ByteWriter, record: CatalogRecord): void {
  out.u8(KINDS.indexOf(record.kind) + 1);
  out.u32(record.logId);
  switch (record.kind) {
    case "created":
      out.string(record.name);
      out.u8(record.durability === null ? 0 : 1);
      writeDurability(out, record.durability ?? "each");
      return;
    case "deleted":
      return;
    case "extent":
      out.u32(record.fileNumber);
      out.u64(record.start);
      out.u64(record.sizeBytes);
      out.u32(record.generation);
      writePoint(out, record.first);
      out.u64(record.previousBytes + 1);
      out.u64(record.previousUsedBytes);
      out.u64(record.previousLastControl + 1);
      return;
    case "tailCut":
      writePoint(out, record.end);
      out.u32(record.extents);
      out.u64(record.sizeBytes);
      out.u64(record.usedBytes);
      out.u64(record.lastControl + 1);
      return;
    case "headTrimmed":
      writePoint(out, record.start);
      out.u32(record.extents);
  }
}

/** Writes what stands before a data record's packed records. */
export function writeDataRecord(view: DataView, at: number, fields: DataFields): void {
  view.setUint8(at, DATA_KIND);
  view.setUint32(at + 1, fields.logId, true);
  putU64(view, at + 5, fields.position);
  putU64(view, at + 13, fields.offset);
  view.setUint32(at + 21, fields.count, true);
  view.setUint32(at + 25, fields.entryCount, true);
  putU64(view, at + 29, fields.homeSynced);
}

/** @throws {MalformedError} */
export function decodeCatalogRecord(bytes: Uint8Array): CatalogRecord | DataRecord {
  const from = new ByteReader(bytes);
  const code = from.u8();
  const kind = KINDS[code - 1];
  const logId = from.u32();
  if (code === DATA_KIND) {
    const [position, offset, count, entryCount] = [from.u64(), from.u64(), from.u32(), from.u32()];
    const homeSynced = from.u64();
    const bytes = from.rest();
    return { kind: "data", logId, position, offset, count, entryCount, homeSynced, bytes };
  }
  switch (kind) {
    case "created": {
      const name = from.string();
      const isOwn = from.u8() === 1;
      const durability = readDurability(from);
      return { kind, logId, name, durability: isOwn ? durability : null };
    }
    case "deleted":
      return { kind, logId };
    case "extent":
      return {
        kind,
        logId,
        fileNumber: from.u32(),
        start: from.u64(),
        sizeBytes: from.u64(),
        generation: from.u32(),
        first: readPoint(from),
        previousBytes: from.u64() - 1,
        previousUsedBytes: from.u64(),
        previousLastControl: from.u64() - 1,
      };
    case "tailCut":
      return {
        kind,
        logId,
        end: readPoint(from),
        extents: from.u32(),
        sizeBytes: from.u64(),
        usedBytes: from.u64(),
        lastControl: from.u64() - 1,
      };
    case "headTrimmed":
      return { kind, logId, start: readPoint(from), extents: from.u32() };
    default:
      throw new MalformedError("a catalog record of unknown kind");
  }
}

/** The logs of an image by id, changed by catalog records in their order. */
export class CatalogReplay {
  readonly image: StoreImage;
  /** Of each log, in order: what the journal holds of it since it was last known to be at home. */
  readonly data = new Map<number, DataRecord[]>();
  readonly #logs = new Map<number, LogImage>();

  constructor(image: StoreImage) {
    this.image = image;
    for (const log of image.logs) this.#logs.set(log.id, log);
  }

  get(logId: number): LogImage | undefined {
    return this.#logs.get(logId);
  }

  /** `run` is that of the frame in which the record stood. @throws {MalformedError} */
  apply(record: CatalogRecord | DataRecord, run: number): void {
    const { image } = this;
    if (record.kind === "created") {
      image.nextLogId = Math.max(image.nextLogId, record.logId + 1);
      if (this.#logs.has(record.logId)) return;
      this.#logs.set(record.logId, newLogImage(record.logId, record.name, record.durability));
      return;
    }
    const log = this.#logs.get(record.logId);
    if (log === undefined) {
      // It was deleted when the checkpoint was taken, and this was still on its way to disk.
      if (record.logId < image.nextLogId) return;
      throw new MalformedError(`no log has id ${record.logId}`);
    }
    switch (record.kind) {
      case "deleted":
        this.#logs.delete(record.logId);
        this.data.delete(record.logId);
        return;
      case "data": {
        const data = this.data.get(record.logId) ?? [];
        data.push({ ...record, bytes: record.bytes.slice() });
        this.data.set(record.logId, data);
        return;
      }
      case "extent":
        image.nextGeneration = Math.max(image.nextGeneration, record.generation + 1);
        addExtent(log, record, run);
        return;
      case "tailCut":
        // All that stays was brought home before.
        this.data.delete(record.logId);
        cutTail(log, record);
        return;
      case "headTrimmed":
        trimHead(log, record);
    }
  }

  /** The image with all that was applied. */
  finish(): StoreImage {
    return { ...this.image, logs: [...this.#logs.values()] };
  }
}

type RecordOf<Kind extends CatalogRecord["kind"]> = Extract<CatalogRecord, { kind: Kind }>;

function addExtent(log: LogImage, record: RecordOf<"extent">, run: number): void {
  const last = log.extents.at(-1);
  if (last !== undefined && record.previousBytes >= 0) {
    last.sizeBytes = record.previousBytes;
    // Not yet: recovery scans it from where the checkpoint left off, unless a cut says that it need not.
    last.closed = {
      usedBytes: record.previousUsedBytes,
      lastControl: record.previousLastControl,
    };
  }
  // One that nothing was written to leaves nothing behind.
  if (record.previousBytes === 0) log.extents.pop();
  log.extents.push({
    fileNumber: record.fileNumber,
    start: record.start,
    sizeBytes: record.sizeBytes,
    run,
    generation: record.generation,
    first: record.first,
    usedBytes: 0,
    lastControl: -1,
  });
}

function cutTail(log: LogImage, record: RecordOf<"tailCut">): void {
  if (record.extents > log.extents.length) throw new MalformedError("a tail that is not there");
  log.extents.length = record.extents;
  for (const extent of log.extents) Object.assign(extent, extent.closed);
  const last = log.extents.at(-1);
  if (last !== undefined) {
    last.sizeBytes = record.sizeBytes;
    last.usedBytes = record.usedBytes;
    last.lastControl = record.lastControl;
  }
  // Everything before was synced before the cut was written.
  log.known = { ...record.end };
  log.damage = log.damage.filter(({ first }) => first.position < record.end.position);
}

function trimHead(log: LogImage, record: RecordOf<"headTrimmed">): void {
  if (record.start.position <= log.start.position) return;
  if (record.extents > log.extents.length) throw new MalformedError("a head that is not there");
  log.extents.splice(0, record.extents);
  log.start = { ...record.start };
  const reach = log.extents[0]?.first ?? record.start;
  if (log.known.position < reach.position) log.known = { ...reach };
  log.damage = log.damage.filter(({ next }) => next.position > record.start.position);
}
