/**
 * Reads everything of a store and says what is wrong with it. Changes nothing.
 *
 * @module
 */

import { type Clock, type Disk, type Logger, silentLogger } from "../world/mod.ts";
import type { DataRecord } from "./catalog_record.ts";
import type { Crc32c } from "./crc32c.ts";
import { DataFiles } from "./data_files.ts";
import type { Extent } from "./extent.ts";
import { ExtentCursor } from "./extent_cursor.ts";
import type { FrameKey } from "./frame.ts";
import { resolveLimits, type StorageLimits } from "./limits.ts";
import { LogState } from "./log_state.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";
import { readCheckpoint, recover } from "./recovery.ts";
import { CATALOG_LOG_ID, type LogImage } from "./store_image.ts";

/** What verification needs. */
export interface VerifyWorld {
  disk: Disk;
  clock: Clock;
  crc: Crc32c;
  logger?: Logger;
  bootId?: string;
  limits?: Partial<StorageLimits>;
}

/** A place that can't be read. */
export interface BadFrame {
  log: string;
  firstPosition: number;
  /** One past the last position that is lost with it. */
  endPosition: number;
  file: string;
  fileOffset: number;
  /**
   * Torn: the end of a log, as a stop of the machine leaves what was being written. Nothing acknowledged is lost
   * then; but what rotted as the very last of its log looks the same.
   */
  kind: "rotten" | "torn";
}

/** One log and what it holds. */
export interface VerifiedLog {
  name: string;
  startPosition: number;
  endPosition: number;
  startOffset: number;
  endOffset: number;
  payloadBytes: number;
  frames: number;
  certain: boolean;
}

/** What verification found. */
export interface VerifyReport {
  /** The last process closed the store. */
  clean: boolean;
  logs: VerifiedLog[];
  bad: BadFrame[];
  files: number;
  fileBytes: number;
  bytesRead: number;
  durationMs: number;
}

/** Read at once. */
const WINDOW_BYTES = 1 << 20;

/**
 * Checks every frame of every log; `null` where the directory has no store.
 *
 * A rotten journal is among what is bad, as `catalog`: the logs are then what was known up to there.
 *
 * @throws {ForeignDirectoryError} when not even the index can be read.
 */
export async function verifyStore(world: VerifyWorld): Promise<VerifyReport | null> {
  const { disk, clock, crc, logger = silentLogger, bootId = "" } = world;
  const startMs = clock.nowMs();
  const limits = resolveLimits(world.limits);
  const checkpoint = await readCheckpoint(disk, crc);
  if (checkpoint === null) return null;
  const files = await DataFiles.open(disk, limits);
  try {
    const { image, away, catalogDamage, report } = await recover(checkpoint, files, {
      disk,
      clock,
      logger,
      crc,
      limits,
      bootId,
      looksOnly: true,
    });
    const key = { crc, salt: image.salt };
    const verifier = new Verifier({ disk, files, key });
    const logs: VerifiedLog[] = [];
    for (const log of image.logs) {
      if (log.id !== CATALOG_LOG_ID) logs.push(await verifier.verify(log, away.get(log.id) ?? []));
    }
    const torn = report.torn.map(({ log, position, file, fileOffset }): BadFrame => ({
      log,
      firstPosition: position,
      endPosition: position,
      file,
      fileOffset,
      kind: "torn",
    }));
    const journal: BadFrame[] = catalogDamage === null
      ? []
      : [{ log: "catalog", ...catalogDamage, kind: "rotten" }];
    return {
      clean: report.clean,
      logs,
      bad: [...journal, ...torn, ...verifier.bad],
      files: files.count,
      fileBytes: files.totalBytes,
      bytesRead: verifier.bytesRead,
      durationMs: clock.nowMs() - startMs,
    };
  } finally {
    await files.close();
  }
}

class Verifier {
  readonly bad: BadFrame[] = [];
  bytesRead = 0;
  readonly #disk: Disk;
  readonly #files: DataFiles;
  readonly #key: FrameKey;

  constructor(options: { disk: Disk; files: DataFiles; key: FrameKey }) {
    this.#disk = options.disk;
    this.#files = options.files;
    this.#key = options.key;
  }

  async verify(image: LogImage, away: readonly DataRecord[]): Promise<VerifiedLog> {
    const log = new LogState(image, { files: this.#files, durability: "each" });
    let frames = away.length;
    // The journal's frames were checked when it was replayed.
    for (const { bytes, count, entryCount } of away) {
      this.bytesRead += bytes.length;
      log.end.position += count;
      log.end.offset += entryCount;
      log.end.payload += bytes.length - count * RECORD_HEADER_BYTES;
    }
    for (const [index, extent] of log.extents.entries()) {
      frames += await this.#verifyExtent(log, { index, extent });
    }
    return {
      name: log.name,
      startPosition: log.start.position,
      endPosition: log.end.position,
      startOffset: log.start.offset,
      endOffset: log.end.offset,
      payloadBytes: log.end.payload - log.start.payload,
      frames,
      certain: !log.isUncertain && !this.bad.some((bad) => bad.log === log.name),
    };
  }

  async #verifyExtent(
    log: LogState,
    { index, extent }: { index: number; extent: Extent },
  ): Promise<number> {
    const reach = log.extentEnd(index);
    const cursor = new ExtentCursor(extent, {
      disk: this.#disk,
      key: this.#key,
      logId: log.id,
      reach,
      at: extent.first,
      place: 0,
      endPlace: extent.usedBytes,
      windowBytes: WINDOW_BYTES,
    });
    let frames = 0;
    while (cursor.at.position < reach.position) {
      const verdict = cursor.tryJudge() ?? await cursor.judge();
      if (verdict === "frame" && cursor.bodyIsWhole()) {
        frames++;
        this.bytesRead += cursor.header.bodyBytes;
        cursor.advance();
        continue;
      }
      const firstPosition = cursor.at.position;
      const fileOffset = extent.start + cursor.place;
      const { position: endPosition } = await cursor.skipDamage();
      const file = extent.file.name;
      this.bad.push({
        log: log.name,
        firstPosition,
        endPosition,
        file,
        fileOffset,
        kind: "rotten",
      });
    }
    return frames;
  }
}
