import assert from "node:assert/strict";
import { type Disk, DiskError, type DiskRead, type Logger, silentLogger } from "../world/mod.ts";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { dataFileName } from "./data_file.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES, frameEnd, newFrameHeader } from "./frame.ts";
import { LINK_BODY_BYTES, LINK_BYTES } from "./journal.ts";
import {
  batchOf,
  type LogStore,
  openLogStore,
  RottenJournalError,
  type StorageLimits,
  TINY_LIMITS,
} from "./mod.ts";
import { CATALOG_LOG_ID } from "./store_image.ts";

const FILE = dataFileName(1);
const FILE_BYTES = 16 << 20;
/** What a disk loses at once, at least. */
const SECTOR_BYTES = 512;
const LIMITS: StorageLimits = {
  ...TINY_LIMITS,
  fileBytesMin: FILE_BYTES,
  fileBytesMax: FILE_BYTES,
  // All that is acknowledged stands in the journal.
  awayBytesMax: 1 << 20,
  checkpointEveryBytes: 1 << 20,
  checkpointEveryJournalBytesMin: 1 << 20,
  checkpointEveryJournalBytes: 1 << 20,
};

/** The same in less space: what searches it is quick. */
const SHORT_LIMITS = { ...LIMITS, fileBytesMin: 256 << 10, fileBytesMax: 256 << 10 };

/** What was asked of the disk, and where it is bad. */
class Reads {
  readonly all: DiskRead[] = [];
  isBad = (_read: DiskRead): boolean => false;

  /** The disk with its reads noted, and refused where it is bad. */
  of(disk: Disk): Disk {
    return new Proxy(disk, {
      get: (target, name) => {
        if (name === "read") return (reads: readonly DiskRead[]) => this.#read(disk, reads);
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  async #read(disk: Disk, reads: readonly DiskRead[]): Promise<void> {
    this.all.push(...reads);
    if (reads.some((read) => this.isBad(read))) {
      throw new DiskError("read", "Io", FILE, "A sector can't be read.");
    }
    await disk.read(reads);
  }
}

/** Whoever had the drive before is killed. */
function open(
  drive: SimDrive,
  { reads = new Reads(), logger = silentLogger, limits = LIMITS }: {
    reads?: Reads;
    logger?: Logger;
    limits?: StorageLimits;
  } = {},
): Promise<LogStore> {
  drive.kill();
  const disk = reads.of(drive.mount());
  const world = { disk, clock: new RealClock(), random: new SeededRandom(2), logger };
  return openLogStore(world, { limits });
}

/** Where a frame of the journal stands, and the length of its body. */
interface Place {
  at: number;
  bodyBytes: number;
}

/** A killed store with so many entries, and the frames of its journal in their order. */
async function storeOf(
  entries: number,
  { limits = LIMITS, lengths = () => 90 }: {
    limits?: StorageLimits;
    /** Of each entry. */
    lengths?: (index: number) => number;
  } = {},
): Promise<{ drive: SimDrive; frames: Place[] }> {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const store = await open(drive, { limits });
  const log = store.create("log");
  for (let index = 0; index < entries; index++) {
    await log.append(batchOf(new Uint8Array(lengths(index)).fill(7)));
  }
  drive.kill();
  return { drive, frames: framesOf(drive) };
}

/** The frames of the journal that are in the first file, in their order. */
function framesOf(drive: SimDrive): Place[] {
  const bytes = drive.copyFile(FILE).subarray(0, 1 << 20);
  const view = new DataView(bytes.buffer);
  const header = newFrameHeader();
  const frames: (Place & { position: number })[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; at += 8) {
    decodeFrameHeader(view, at, header);
    const { bodyBytes, firstPosition: position, logId, run, entryCount } = header;
    if (logId !== CATALOG_LOG_ID || run === 0 || entryCount !== 0 || bodyBytes === 0) continue;
    frames.push({ at, bodyBytes, position });
    at = frameEnd(at, bodyBytes) - 8;
  }
  return frames.sort((a, b) => a.position - b.position);
}

/** The journal is in its first extent: near to where a link may stand. */
const FEW = 12;
/** It went on in a second one, and there is much in that. */
const MANY = 60;

function indexOfLink(frames: readonly Place[]): number {
  const found = frames.findIndex(({ bodyBytes }) => bodyBytes === LINK_BODY_BYTES);
  assert(found > 0 && found < frames.length - 4, "the journal went on, and has more behind");
  return found;
}

/** Bytes read where nothing was ever written. */
function searched({ all }: Reads): DiskRead[] {
  return all.filter(({ fileOffset, length }) => fileOffset + length > 1 << 20);
}

Deno.test("journalGoesOn() reads no free space for a frame that can't be the link", async () => {
  const { drive, frames } = await storeOf(FEW);
  const last = frames.at(-1)!;
  drive.flipBit(FILE, last.at + FRAME_HEADER_BYTES + last.bodyBytes - 3, 1);
  const reads = new Reads();
  const store = await open(drive, { reads });
  assert.deepEqual(store.recovery.torn.map(({ log }) => log), ["catalog"]);
  assert.equal(searched(reads).length, 0);
});

Deno.test("journalGoesOn() searches for a damaged header, in few reads, and says so", async () => {
  const { drive, frames } = await storeOf(FEW);
  drive.flipBit(FILE, frames.at(-1)!.at + 12, 1);
  const reads = new Reads();
  const lines: string[] = [];
  const logger = {
    ...silentLogger,
    log: (_: unknown, message: string) => void lines.push(message),
  };
  const store = await open(drive, { reads, logger });
  assert.equal(store.recovery.torn.length, 1);
  const found = searched(reads);
  const bytes = found.reduce((sum, { length }) => sum + length, 0);
  assert(bytes > FILE_BYTES - (2 << 20) && found.length < 10, `${bytes} in ${found.length}`);
  assert.equal(lines.filter((line) => line.includes("free space")).length, 2, lines.join("\n"));
});

Deno.test("journalGoesOn() finds the journal behind a link that rots, whatever of it does", async () => {
  const { drive, frames } = await storeOf(MANY);
  const index = indexOfLink(frames);
  const [before, link] = [frames[index - 1]!, frames[index]!];
  const behindHeader = link.at + FRAME_HEADER_BYTES;
  const damages: [string, number, number, number?][] = [
    ["its length, to less", link.at + 4, link.at + 5],
    ["its length, to more", link.at + 4, link.at + 5, 0x80],
    ["its checksum and length", link.at, link.at + 8],
    ["its body", behindHeader + 9, behindHeader + 30],
    ["its header", link.at + 8, link.at + 40],
    ["all of it", link.at, behindHeader + link.bodyBytes],
    ["the end of the frame before, and it", link.at - 16, behindHeader + link.bodyBytes],
  ];
  assert(before.at < link.at - 16);
  const bytes = drive.copyFile(FILE);
  for (const [what, from, to, mask = 0x55] of damages) {
    const rotten = bytes.slice();
    for (let at = from; at < to; at++) rotten[at] = rotten[at]! ^ mask;
    drive.kill();
    drive.putFile(FILE, rotten);
    await assert.rejects(open(drive), RottenJournalError, what);
  }
});

Deno.test("journalGoesOn() passes over sectors that can't be read", async () => {
  const { drive, frames } = await storeOf(FEW);
  const BAD = 10 << 20;
  const reads = new Reads();
  reads.isBad = ({ fileOffset, length }) => fileOffset <= BAD && BAD < fileOffset + length;
  drive.flipBit(FILE, frames.at(-1)!.at + 12, 1);
  const lines: string[] = [];
  const logger = {
    ...silentLogger,
    log: (_: unknown, message: string, fields: unknown) =>
      void lines.push(message + JSON.stringify(fields)),
  };
  const store = await open(drive, { reads, logger });
  assert.equal(store.recovery.torn.length, 1);
  const told = lines.filter((line) => line.includes(`"fileOffset":${BAD},"blocks":1`));
  assert.equal(told.length, 1, lines.join("\n"));

  // And finds what stands beside such a sector.
  const linked = await storeOf(MANY);
  linked.drive.flipBit(FILE, linked.frames[indexOfLink(linked.frames)]!.at + 12, 1);
  reads.isBad = ({ fileOffset, length }) =>
    fileOffset <= (1 << 20) && (1 << 20) < fileOffset + length;
  await assert.rejects(open(linked.drive, { reads }), RottenJournalError);
});

/** Where the sector begins that the byte is in. */
function sectorOf(at: number): number {
  return at - at % SECTOR_BYTES;
}

/** The same drive with something done to its first file. */
function damaged(drive: SimDrive, damage: (bytes: Uint8Array) => void): SimDrive {
  const bytes = drive.copyFile(FILE);
  damage(bytes);
  drive.kill();
  drive.putFile(FILE, bytes);
  return drive;
}

Deno.test("journalGoesOn() finds the journal behind a link that became zeroes, with the end of the frame before it", async () => {
  for (const before of [8, 16, 24, 80, SECTOR_BYTES]) {
    const { drive, frames } = await storeOf(MANY);
    const link = frames[indexOfLink(frames)]!;
    damaged(drive, (bytes) => bytes.fill(0, link.at - before, link.at + LINK_BYTES));
    await assert.rejects(open(drive), RottenJournalError, `${before} bytes before it`);
  }
});

Deno.test("journalGoesOn() finds the journal behind any sector or block that became zeroes near the link", async () => {
  // The first entry's length moves all that is behind, so that frames begin and end at any place of a sector.
  for (let shift = 0; shift < SECTOR_BYTES; shift += 8) {
    const lengths = (index: number) => index === 0 ? 90 + shift : 90;
    const { drive, frames } = await storeOf(MANY, { lengths, limits: SHORT_LIMITS });
    const link = frames[indexOfLink(frames)]!;
    const good = drive.copyFile(FILE);
    for (const lengthBytes of [SECTOR_BYTES, 8 * SECTOR_BYTES]) {
      const first = link.at - link.at % lengthBytes;
      for (const at of [first, first + lengthBytes]) {
        if (at >= link.at + LINK_BYTES) continue;
        drive.kill();
        drive.putFile(FILE, good);
        damaged(drive, (bytes) => bytes.fill(0, at, at + lengthBytes));
        const what = `${lengthBytes} zeroes from ${at}, the link at ${link.at}`;
        await assert.rejects(open(drive, { limits: SHORT_LIMITS }), RottenJournalError, what);
      }
    }
  }
});

Deno.test("Recovery goes by what stands behind a sector that became zeroes where a frame begins", async () => {
  let tried = 0;
  for (let shift = 0; shift < SECTOR_BYTES; shift += 8) {
    const lengths = (index: number) => index === 0 ? 90 + shift : 500;
    const { drive, frames } = await storeOf(FEW, { lengths, limits: SHORT_LIMITS });
    const found = frames.findIndex(({ at }, index) => index > 1 && at === sectorOf(at));
    if (found < 0 || found > frames.length - 3) continue;
    tried++;
    const { at } = frames[found]!;
    damaged(drive, (bytes) => bytes.fill(0, at, at + SECTOR_BYTES));
    const opening = open(drive, { limits: SHORT_LIMITS });
    await assert.rejects(opening, RottenJournalError, `zeroes from ${at}`);
  }
  assert(tried > 3, `${tried} had a frame at the beginning of a sector`);
});

Deno.test("journalGoesOn() finds the journal behind a file that was cut, wherever", async () => {
  // Most of an extent is far from where the link may be.
  const extentBytesMax = 64 << 10;
  const limits = {
    ...LIMITS,
    fileBytesMin: extentBytesMax,
    fileBytesMax: extentBytesMax,
    extentBytesMax,
    journalExtentBytesMin: extentBytesMax,
  };
  const { drive, frames } = await storeOf(420, { limits });
  const link = frames.at(-1)!;
  assert.equal(link.bodyBytes, LINK_BODY_BYTES, "the next extent is in another file");
  const files = new Map(drive.names().map((name) => [name, drive.copyFile(name)]));
  for (const at of [link.at - 16, link.at, link.at + 8, link.at + 60, frames[100]!.at + 20]) {
    drive.kill();
    for (const [name, bytes] of files) drive.putFile(name, bytes);
    drive.cutFile(FILE, at);
    await assert.rejects(open(drive, { limits }), RottenJournalError, `cut at ${at} of ${link.at}`);
  }
});

Deno.test("journalGoesOn() reads no free space for an end that no lost sector can have made", async () => {
  const { drive } = await storeOf(FEW);
  const reads = new Reads();
  await open(drive, { reads });
  assert.equal(searched(reads).length, 0);
});
