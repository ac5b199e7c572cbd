/**
 * From a directory to a store's state: the newest checkpoint that is whole, the catalog behind it, and the
 * frames behind what it knew. Reads only.
 *
 * @module
 */

import { type Clock, type Disk, type DiskRead, type Logger, MalformedError } from "../world/mod.ts";
import { CatalogReplay, type DataRecord, decodeCatalogRecord } from "./catalog_record.ts";
import { CHECKPOINT_NAMES, decodeCheckpoint } from "./checkpoint.ts";
import type { Crc32c } from "./crc32c.ts";
import { dataFileNumber } from "./data_file.ts";
import { cutForJournal } from "./cut_for_journal.ts";
import type { DataFiles } from "./data_files.ts";
import { ForeignDirectoryError, RottenJournalError } from "./errors.ts";
import { FRAME_HEADER_BYTES, type FrameKey, TERMINATOR_BYTES } from "./frame.ts";
import type { StorageLimits } from "./limits.ts";
import { journalGoesOn } from "./lost_journal.ts";
import { isSectorStart, LOOK_BEHIND_BYTES } from "./lost_sector.ts";
import { toDamagedRange } from "./log_state.ts";
import { RecordReader } from "./record_batch.ts";
import {
  CATALOG_LOG_ID,
  type ExtentImage,
  type LogImage,
  newLogImage,
  type StoreImage,
} from "./store_image.ts";
import { type TailFinding, TailScan } from "./tail_scan.ts";
import type { DamagedRange, RecoveryReport } from "./types.ts";
import type { UnprovenRun } from "./unproven.ts";

/** What recovery works with. */
export interface RecoveryWorld {
  disk: Disk;
  clock: Clock;
  logger: Logger;
  crc: Crc32c;
  limits: StorageLimits;
  /** Of this machine's start; "" where it can't be known. */
  bootId: string;
  /** For who only looks: what was known up to the damage in a rotten journal, instead of an error. */
  looksOnly?: boolean;
}

/** What recovery found. */
export interface Recovered {
  /** Everything as it is on disk now; the catalog's own log included. */
  image: StoreImage;
  /** By log id: what is durable in the journal and not at home, in order. */
  away: Map<number, DataRecord[]>;
  /** What no sync is known to cover: not to be built upon before it is written back. */
  unproven: UnprovenRun[];
  /**
   * Nobody's, but not free before both checkpoints speak of a new run: what stands behind the places where logs
   * were cut, and what of the journal the older checkpoint needs.
   */
  held: ExtentImage[];
  /** With `looksOnly`: a rotten frame of the journal; nothing behind it is known. */
  catalogDamage: DamagedRange | null;
  report: RecoveryReport;
}

/** Tails that are looked at in one call to the disk. */
const PROBES_AT_ONCE = 512;
/** Tails with something behind what was known that are read at once. */
const SCANS_AT_ONCE = 16;

/** A checkpoint and where it was read. */
export interface FoundCheckpoint {
  image: StoreImage;
  /** The other one of the two is missing or damaged. */
  isFallback: boolean;
  /** The file as it is; `null` for a store that is being made. */
  file: { name: string; bytes: Uint8Array } | null;
}

/**
 * The newest checkpoint; `null` in a directory without a store.
 *
 * @throws {ForeignDirectoryError}
 */
export async function readCheckpoint(
  disk: Disk,
  crc: Crc32c,
): Promise<FoundCheckpoint | null> {
  const found: FoundCheckpoint[] = [];
  let present = 0;
  for (const name of CHECKPOINT_NAMES) {
    const bytes = await disk.readSmall(name);
    if (bytes === null) continue;
    present++;
    const image = decodeCheckpoint(bytes, { name, crc });
    if (image !== null) found.push({ image, isFallback: false, file: { name, bytes } });
  }
  const newest = found.sort((a, b) => b.image.sequence - a.image.sequence)[0];
  if (newest !== undefined) {
    return { ...newest, isFallback: found.length < CHECKPOINT_NAMES.length };
  }
  await refuseForeign(disk, present);
  return null;
}

async function refuseForeign(disk: Disk, present: number): Promise<void> {
  if (present > 0) {
    throw new ForeignDirectoryError(
      `The data directory's index (${CHECKPOINT_NAMES.join(" and ")}) is damaged or another ` +
        `program's. Restore one of the two files, or the directory, from a replica or a backup.`,
    );
  }
  const orphan = (await disk.list()).find(({ name }) => dataFileNumber(name) !== null);
  if (orphan === undefined) return;
  throw new ForeignDirectoryError(
    `The data directory holds ${orphan.name} but no index (${
      CHECKPOINT_NAMES.join(", ")
    }): it is ` +
      `not a whole Walrus store. Restore it, or choose an empty directory.`,
  );
}

/** Reads what the checkpoint does not know yet. */
export async function recover(
  checkpoint: FoundCheckpoint,
  files: DataFiles,
  world: RecoveryWorld,
): Promise<Recovered> {
  const startMs = world.clock.nowMs();
  const { isFallback } = checkpoint;
  const clean = checkpoint.image.isClean && !isFallback;
  const report: RecoveryReport = {
    clean,
    powerMayHaveFailed: !clean && !onlyTheProcessDied(checkpoint.image, world.bootId),
    logs: 0,
    bytes: 0,
    bytesScanned: 0,
    bytesWrittenBack: 0,
    durationMs: 0,
    torn: [],
    damaged: [],
  };
  const older = takeOlderJournal(checkpoint.image);
  const recovery = new Recovery(checkpoint.image, { files, world, report });
  // ⛔ Of the older checkpoint itself they are free, and somebody else's by now.
  if (!isFallback) recovery.held.push(...older);
  const image = report.clean ? checkpoint.image : await recovery.run();
  const { away, unproven, held, catalogDamage } = recovery;
  for (const log of image.logs) summarize(log, report);
  report.durationMs = world.clock.nowMs() - startMs;
  return { image, away, unproven, held, catalogDamage, report };
}

class Recovery {
  readonly #image: StoreImage;
  readonly #files: DataFiles;
  readonly #world: RecoveryWorld;
  readonly #report: RecoveryReport;
  #catalogIsTorn = false;
  /** Known up to here only; a store that is to be written to does not open then. */
  catalogDamage: DamagedRange | null = null;
  away = new Map<number, DataRecord[]>();
  readonly unproven: UnprovenRun[] = [];
  readonly held: ExtentImage[] = [];
  readonly #key: FrameKey;

  constructor(
    image: StoreImage,
    options: {
      files: DataFiles;
      world: RecoveryWorld;
      report: RecoveryReport;
    },
  ) {
    this.#image = image;
    this.#files = options.files;
    this.#world = options.world;
    this.#report = options.report;
    this.#key = { crc: options.world.crc, salt: image.salt };
  }

  async run(): Promise<StoreImage> {
    const image = await this.#replayCatalog();
    const logs = image.logs.filter(({ id }) => id !== CATALOG_LOG_ID);
    await this.#scanTails(logs);
    for (const log of logs) this.#joinAway(log);
    this.#judgeCertainty(logs);
    return image;
  }

  /** The catalog can't have holes: which extents are whose would be a guess. */
  async #replayCatalog(): Promise<StoreImage> {
    const replay = new CatalogReplay(this.#image);
    const catalog = replay.get(CATALOG_LOG_ID) ?? newLogImage(CATALOG_LOG_ID, "catalog", null);
    const scan = this.#scanOf(catalog);
    const finding = await scan.run((body, run) => {
      // Behind a hole nothing is to be understood: it is refused below, with its place.
      if (catalog.damage.length === 0) applyRecords(replay, body, run);
    });
    this.#noteScanned(scan);
    const [damage] = catalog.damage;
    if (damage !== undefined) {
      const { first, fileOffset } = damage;
      const file = this.#files.get(damage.fileNumber).name;
      if (!this.#world.looksOnly) throw new RottenJournalError(first.position, file, fileOffset);
      this.catalogDamage = toDamagedRange(damage);
    }
    const image = replay.finish();
    const logs = image.logs.filter(({ id }) => id !== CATALOG_LOG_ID);
    cutForJournal(logs, [...catalog.extents, ...scan.cutOff]);
    if (damage === undefined) await this.#mustEndHere(image, finding);
    if (this.catalogDamage === null) this.#noteTorn(catalog, finding);
    this.#catalogIsTorn = finding.torn !== null || damage !== undefined;
    this.away = replay.data;
    return image;
  }

  /** Rot in the frame that says where the journal goes on looks torn: nothing is known to stand behind it. */
  async #mustEndHere(image: StoreImage, finding: TailFinding): Promise<void> {
    const place = finding.torn ?? finding.lostFrom;
    if (place === null) return;
    const { disk, limits, logger } = this.#world;
    const world = { disk, limits, logger, files: this.#files, key: this.#key };
    const { goesOn, position } = await journalGoesOn(image, world);
    if (goesOn === "unsynced") finding.torn ??= place;
    if (goesOn !== "synced") return;
    const { file, fileOffset } = place;
    if (!this.#world.looksOnly) throw new RottenJournalError(position, file, fileOffset);
    this.catalogDamage = { firstPosition: position, endPosition: position + 1, file, fileOffset };
  }

  /** Most tails end where they were known to end: one small read for each, many in one call, shows it. */
  async #scanTails(logs: readonly LogImage[]): Promise<void> {
    const pending: LogImage[] = [];
    const growing = logs.filter((log) => this.#mayHaveGrown(log));
    for (let from = 0; from < growing.length; from += PROBES_AT_ONCE) {
      pending.push(...await this.#probe(growing.slice(from, from + PROBES_AT_ONCE)));
    }
    const work = async () => {
      for (let log = pending.pop(); log !== undefined; log = pending.pop()) {
        const scan = this.#scanOf(log);
        this.#noteTorn(log, await scan.run(() => {}));
        this.#noteScanned(scan);
      }
    };
    await Promise.all(Array.from({ length: SCANS_AT_ONCE }, work));
  }

  /**
   * ⛔ No run writes to extents of those before it, and the index of a run knows all that counts of them. What
   * stands behind is a frame that was refused: taken for the log's, it would hide what was acknowledged since,
   * at the same positions, in the journal.
   */
  #mayHaveGrown({ extents }: LogImage): boolean {
    return extents.at(-1)?.run === this.#image.run;
  }

  /** Those of the logs that have something, or may have, behind what is known. */
  async #probe(logs: readonly LogImage[]): Promise<LogImage[]> {
    const reads: (DiskRead | null)[] = logs.map((log) => this.#probeOf(log));
    const wanted = reads.filter((read) => read !== null);
    if (wanted.length > 0) await this.#world.disk.read(wanted);
    for (const { length } of wanted) this.#report.bytesScanned += length;
    return logs.filter((_, index) => {
      const read = reads[index];
      if (read === null || read === undefined) return true;
      return read.got < read.length || read.buffer.some((byte) => byte !== 0);
    });
  }

  #probeOf(log: LogImage): DiskRead | null {
    const last = log.extents.at(-1);
    if (last === undefined || last.first.position > log.known.position) return null;
    const place = last.usedBytes;
    const file = this.#files.get(last.fileNumber).disk;
    const rest = last.sizeBytes - place;
    if (file === null || rest < FRAME_HEADER_BYTES) return null;
    const fileOffset = last.start + place;
    const length = isSectorStart(fileOffset) ? Math.min(LOOK_BEHIND_BYTES, rest) : TERMINATOR_BYTES;
    const buffer = new Uint8Array(length);
    return { file, fileOffset, buffer, bufferOffset: 0, length, got: 0 };
  }

  #scanOf(log: LogImage): TailScan {
    const { disk, limits } = this.#world;
    return new TailScan(log, { disk, limits, key: this.#key, files: this.#files });
  }

  #noteScanned(scan: TailScan): void {
    this.#report.bytesScanned += scan.bytesScanned;
    for (const run of scan.unproven.runs) this.unproven.push(run);
    this.held.push(...scan.cutOff);
  }

  #noteTorn(log: LogImage, finding: TailFinding): void {
    if (finding.torn === null) return;
    log.isUncertain = true;
    const { file, fileOffset } = finding.torn;
    const { position } = log.known;
    this.#report.torn.push({ log: log.name, position, file, fileOffset });
    this.#world.logger.log("warn", "a torn tail was cut", {
      log: log.name,
      position,
      file,
      fileOffset,
    });
  }

  /**
   * The journal's records of a log that its extents do not have. Where they begin behind the log's end, what
   * was written at home between the two is gone. If it had been synced there, that is damage; if not, it
   * was never acknowledged as durable, and neither is what came after it: the log ends before.
   */
  #joinAway(log: LogImage): void {
    const data = this.away.get(log.id);
    if (data === undefined) return;
    let end = log.known.position;
    const joined: DataRecord[] = [];
    for (const [index, record] of data.entries()) {
      const { position, count } = record;
      if (position + count <= end) continue;
      if (position > end) {
        log.isUncertain = true;
        const rest = data.slice(index);
        const isRot = rest.some(({ homeSynced }) => homeSynced > end);
        if (isRot) this.#noteLostHome(log, record);
        if (isRot) joined.length = 0;
        else break;
      }
      joined.push(record);
      end = position + count;
    }
    if (joined.length > 0) this.away.set(log.id, joined);
    else this.away.delete(log.id);
  }

  /** A tail that was taken for torn is rotten after all. */
  #noteLostHome(log: LogImage, record: DataRecord): void {
    noteLostHome(log, record);
    this.#report.torn = this.#report.torn.filter((torn) => torn.log !== log.name);
  }

  /** DESIGN.md §6, "Certain". It stays so: what may be missing does not come back with a restart. */
  #judgeCertainty(logs: readonly LogImage[]): void {
    const isAllWritten = onlyTheProcessDied(this.#image, this.#world.bootId);
    for (const log of logs) {
      const mayMiss = (log.durability ?? this.#image.durability) !== "each" && !isAllWritten;
      // With the catalog's tail, a record of any log's newest extent may have gone.
      if (mayMiss || log.damage.length > 0 || this.#catalogIsTorn) log.isUncertain = true;
    }
  }
}

/** All of the journal but the extent in which replay begins. */
function takeOlderJournal({ logs }: StoreImage): ExtentImage[] {
  const extents = logs.find(({ id }) => id === CATALOG_LOG_ID)?.extents ?? [];
  return extents.splice(0, extents.length - 1);
}

/** The machine is the same start that wrote the image: what was written and not synced is all there. */
function onlyTheProcessDied(image: StoreImage, bootId: string): boolean {
  return image.bootId !== "" && image.bootId === bootId;
}

/** What the log had at home, and in the journal before it, can't be told apart from here to that record. */
function noteLostHome(log: LogImage, { position, offset }: DataRecord): void {
  const last = log.extents.at(-1);
  const next = { position, offset, payload: log.known.payload };
  log.damage.push({
    fileNumber: last?.fileNumber ?? 0,
    fileOffset: (last?.start ?? 0) + (last?.usedBytes ?? 0),
    first: { ...log.known },
    next,
  });
  log.known = { ...next };
}

function applyRecords(replay: CatalogReplay, body: Uint8Array, run: number): void {
  const reader = new RecordReader(body);
  while (reader.next()) {
    try {
      replay.apply(decodeCatalogRecord(reader.payload()), run);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      // Checksums hold, and yet it makes no sense: no guess is better than none.
      throw new ForeignDirectoryError(
        `The catalog can't be understood (${error.message}). Restore the data directory from a ` +
          `replica or a backup.`,
        { cause: error },
      );
    }
  }
}

function summarize(log: LogImage, report: RecoveryReport): void {
  if (log.id === CATALOG_LOG_ID) return;
  report.logs++;
  report.bytes += log.known.payload - log.start.payload;
  for (const damage of log.damage) {
    report.damaged.push({
      log: log.name,
      firstPosition: damage.first.position,
      endPosition: damage.next.position,
      file: `data-${String(damage.fileNumber).padStart(8, "0")}`,
      fileOffset: damage.fileOffset,
    });
  }
}
