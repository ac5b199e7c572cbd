/**
 * The index checkpoint: a small file with everything that recovery needs but the newest tail.
 *
 * Two of them take turns (`checkpoint-a`, `checkpoint-b`), each replaced as a whole, so that rot in one
 * costs a longer scan and no data. The catalog keeps what happened since the older of the two.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 8 | `WALRUSCP` |
 * | 4 | CRC-32C of all that follows |
 * | 4 | format version |
 * | 8 + 4 + n | sequence · store id |
 * | 4 + 4 + 4 + 4 | salt · run · next generation · next log id |
 * | 1 + 4 + n + 5 | clean? · boot id · durability |
 * | 4 | logs |
 * | … | each: id (4), name (4 + n), flags (1: uncertain, own durability), durability (5), start (24), known (24), extents (4), damaged runs (4) |
 * | … | its extents, each: file (4), start (8), size (8), run (4), generation (4), first (24), used (8), last control + 1 (8) |
 * | … | its damaged runs, each: file (4), file offset (8), first (24), next (24) |
 *
 * A point (24) is position, offset and payload bytes; a durability (5) is 0, 1 or 2 for `each`, `none` and
 * `ms`, and the milliseconds.
 *
 * @module
 */

import { ByteReader, ByteWriter, MalformedError } from "../world/mod.ts";
import type { Crc32c } from "./crc32c.ts";
import { ForeignDirectoryError } from "./errors.ts";
import type { LogPoint } from "./extent.ts";
import type { DamageImage, ExtentImage, LogImage, StoreImage } from "./store_image.ts";
import type { Durability } from "./types.ts";

/** The two files, and which of them a sequence number goes to. */
export const CHECKPOINT_NAMES = ["checkpoint-a", "checkpoint-b"] as const;
/** What this program writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

const MAGIC = new TextEncoder().encode("WALRUSCP");
const CRC_AT = MAGIC.length;
const VERSION_AT = CRC_AT + 4;
const BODY_AT = VERSION_AT + 4;
const FLAG_UNCERTAIN = 1;
const FLAG_OWN_DURABILITY = 2;

/** The bytes of a checkpoint. */
export function encodeCheckpoint(image: StoreImage, crc: Crc32c): Uint8Array {
  const out = new ByteWriter(64 * 1024);
  out.raw(MAGIC);
  out.u32(0);
  out.u32(FORMAT_VERSION);
  writeHead(out, image);
  out.u32(image.logs.length);
  for (const log of image.logs) writeLog(out, log);
  const bytes = out.copy();
  new DataView(bytes.buffer).setUint32(CRC_AT, crc(bytes, VERSION_AT, bytes.length, 0), true);
  return bytes;
}

/**
 * What a checkpoint says; `null` where the bytes are damaged.
 *
 * @throws {ForeignDirectoryError} when it is whole and of a newer format.
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  { name, crc }: { name: string; crc: Crc32c },
): StoreImage | null {
  if (bytes.length < BODY_AT) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!MAGIC.every((byte, at) => bytes[at] === byte)) return null;
  if (view.getUint32(CRC_AT, true) !== crc(bytes, VERSION_AT, bytes.length, 0)) return null;
  const version = view.getUint32(VERSION_AT, true);
  if (version > FORMAT_VERSION) {
    throw new ForeignDirectoryError(
      `${name} has format version ${version}, this program reads up to ${FORMAT_VERSION}: ` +
        `it was written by a newer Walrus. Start that version, or choose another data directory.`,
    );
  }
  try {
    return readImage(new ByteReader(bytes.subarray(BODY_AT)));
  } catch (error) {
    if (error instanceof MalformedError || error instanceof RangeError) return null;
    throw error;
  }
}

function readImage(from: ByteReader): StoreImage {
  const head = readHead(from);
  const count = from.u32();
  const logs: LogImage[] = [];
  for (let index = 0; index < count; index++) logs.push(readLog(from));
  return { ...head, logs };
}

function writeHead(out: ByteWriter, image: StoreImage): void {
  out.u64(image.sequence);
  out.string(image.storeId);
  out.u32(image.salt);
  out.u32(image.run);
  out.u32(image.nextGeneration);
  out.u32(image.nextLogId);
  out.u8(image.isClean ? 1 : 0);
  out.string(image.bootId);
  writeDurability(out, image.durability);
}

function readHead(from: ByteReader): Omit<StoreImage, "logs"> {
  return {
    sequence: from.u64(),
    storeId: from.string(),
    salt: from.u32(),
    run: from.u32(),
    nextGeneration: from.u32(),
    nextLogId: from.u32(),
    isClean: from.u8() === 1,
    bootId: from.string(),
    durability: readDurability(from),
  };
}

function writeLog(out: ByteWriter, log: LogImage): void {
  out.u32(log.id);
  out.string(log.name);
  out.u8((log.isUncertain ? FLAG_UNCERTAIN : 0) | (log.durability ? FLAG_OWN_DURABILITY : 0));
  writeDurability(out, log.durability ?? "each");
  writePoint(out, log.start);
  writePoint(out, log.known);
  out.u32(log.extents.length);
  out.u32(log.damage.length);
  for (const extent of log.extents) writeExtent(out, extent);
  for (const damage of log.damage) writeDamage(out, damage);
}

function readLog(from: ByteReader): LogImage {
  const [id, name, flags] = [from.u32(), from.string(), from.u8()];
  const durability = readDurability(from);
  const [start, known] = [readPoint(from), readPoint(from)];
  const [extentCount, damageCount] = [from.u32(), from.u32()];
  const extents: ExtentImage[] = [];
  for (let index = 0; index < extentCount; index++) extents.push(readExtent(from));
  const damage: DamageImage[] = [];
  for (let index = 0; index < damageCount; index++) damage.push(readDamage(from));
  return {
    id,
    name,
    durability: flags & FLAG_OWN_DURABILITY ? durability : null,
    isUncertain: (flags & FLAG_UNCERTAIN) !== 0,
    start,
    known,
    extents,
    damage,
  };
}

function writeExtent(out: ByteWriter, extent: ExtentImage): void {
  out.u32(extent.fileNumber);
  out.u64(extent.start);
  out.u64(extent.sizeBytes);
  out.u32(extent.run);
  out.u32(extent.generation);
  writePoint(out, extent.first);
  out.u64(extent.usedBytes);
  out.u64(extent.lastControl + 1);
}

function readExtent(from: ByteReader): ExtentImage {
  return {
    fileNumber: from.u32(),
    start: from.u64(),
    sizeBytes: from.u64(),
    run: from.u32(),
    generation: from.u32(),
    first: readPoint(from),
    usedBytes: from.u64(),
    lastControl: from.u64() - 1,
  };
}

function writeDamage(out: ByteWriter, damage: DamageImage): void {
  out.u32(damage.fileNumber);
  out.u64(damage.fileOffset);
  writePoint(out, damage.first);
  writePoint(out, damage.next);
}

function readDamage(from: ByteReader): DamageImage {
  return {
    fileNumber: from.u32(),
    fileOffset: from.u64(),
    first: readPoint(from),
    next: readPoint(from),
  };
}

/** Shared with the catalog's records. */
export function writePoint(out: ByteWriter, point: LogPoint): void {
  out.u64(point.position);
  out.u64(point.offset);
  out.u64(point.payload);
}

/** Shared with the catalog's records. */
export function readPoint(from: ByteReader): LogPoint {
  return { position: from.u64(), offset: from.u64(), payload: from.u64() };
}

/** Shared with the catalog's records. */
export function writeDurability(out: ByteWriter, durability: Durability): void {
  out.u8(durability === "each" ? 0 : durability === "none" ? 1 : 2);
  out.u32(typeof durability === "object" ? durability.ms : 0);
}

/** Shared with the catalog's records. */
export function readDurability(from: ByteReader): Durability {
  const [kind, ms] = [from.u8(), from.u32()];
  if (kind > 2) throw new MalformedError(`no durability is ${kind}`);
  return kind === 0 ? "each" : kind === 1 ? "none" : { ms };
}
