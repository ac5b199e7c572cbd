/**
 * Walks over the frames of one extent, loading it window by window: for reading, for recovery, and for
 * verification.
 *
 * @module
 */

import type { Disk, DiskRead } from "../world/mod.ts";
import { copyPoint, type Extent, type LogPoint } from "./extent.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, type FrameKey } from "./frame.ts";
import { FrameScanner, type FrameVerdict } from "./frame_scan.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";

/** What a cursor starts from. */
export interface CursorOptions {
  disk: Disk;
  key: FrameKey;
  logId: number;
  /** Where the next extent begins, or what is written: nothing of this extent counts from there on. */
  reach: Readonly<LogPoint>;
  /** What the frame at `place` begins with. */
  at: Readonly<LogPoint>;
  /** Where the first frame to look at starts in the extent. */
  place: number;
  /** Frames end here at the latest. */
  endPlace: number;
  /** Loaded at once. */
  windowBytes: number;
  /** Memory to load into, where it is large enough. */
  window?: Uint8Array | undefined;
}

/** A place in an extent where a frame should begin, and what it should begin with. */
export class ExtentCursor {
  readonly extent: Extent;
  readonly reach: Readonly<LogPoint>;
  readonly at: LogPoint;
  place: number;
  readonly endPlace: number;
  readonly #disk: Disk;
  readonly #key: FrameKey;
  readonly #logId: number;
  readonly #given: Uint8Array | undefined;
  #windowBytes: number;
  #windowPlace = 0;
  #window: Uint8Array = new Uint8Array(0);
  #scanner: FrameScanner | null = null;
  /** Where the frame that was judged last stands, if it was good. */
  #goodPlace = -1;

  constructor(extent: Extent, options: CursorOptions) {
    this.extent = extent;
    this.reach = { ...options.reach };
    this.at = { position: 0, offset: 0, payload: 0 };
    copyPoint(this.at, options.at);
    this.place = options.place;
    this.endPlace = options.endPlace;
    this.#disk = options.disk;
    this.#key = options.key;
    this.#logId = options.logId;
    this.#windowBytes = options.windowBytes;
    this.#given = options.window;
  }

  /** Of the frame at the cursor, once it was judged to be one. */
  get header(): FrameHeader {
    return this.#scanner!.header;
  }
  /** Where the frame at the cursor ends. */
  get end(): number {
    return this.#scanner!.endOf(this.place);
  }

  /** Bytes that are loaded. */
  get windowBytes(): number {
    return this.#window.length;
  }

  /** Loads more at once from now on. */
  growWindow(bytesMax: number): void {
    this.#windowBytes = Math.min(bytesMax, this.#windowBytes * 16);
  }

  /** Its packed records: a view of the window. */
  body(): Uint8Array {
    const start = this.place - this.#windowPlace + FRAME_HEADER_BYTES;
    return this.#window.subarray(start, start + this.header.bodyBytes);
  }

  /** What is loaded of the extent from `from` to `to`: a view of the window. */
  loaded(from: number, to: number): Uint8Array {
    const start = Math.max(0, from - this.#windowPlace);
    return this.#window.subarray(start, Math.max(start, to - this.#windowPlace));
  }

  /** Whether the frame at the cursor, just judged, holds whole records, as many as its header says. */
  bodyIsWhole(): boolean {
    return this.#scanner!.bodyIsWhole(this.place - this.#windowPlace);
  }

  /** Judges what stands at the cursor, or `null` where more has to be loaded first. */
  tryJudge(): Exclude<FrameVerdict, "short"> | null {
    if (this.#scanner === null) return null;
    if (this.place === this.#goodPlace) {
      this.#scanner.recall(this.place - this.#windowPlace);
      return "frame";
    }
    const verdict = this.#scanner.judgeNext(this.place - this.#windowPlace, {
      extentRest: this.endPlace - this.place,
      position: this.at.position,
      offset: this.at.offset,
    });
    if (verdict === "frame") this.#goodPlace = this.place;
    return verdict === "short" ? null : verdict;
  }

  /** Stands at the frame that was judged last once more, without reading or checking it again. False: not any more. */
  rewind(): boolean {
    if (this.#goodPlace < 0) return false;
    if (this.place === this.#goodPlace) return true;
    this.place = this.#goodPlace;
    this.#scanner!.recall(this.place - this.#windowPlace);
    const { header, at } = this;
    at.position = header.firstPosition;
    at.offset = header.firstOffset;
    at.payload -= header.bodyBytes - header.count * RECORD_HEADER_BYTES;
    return true;
  }

  /** Judges what stands at the cursor. Short of a whole frame because the file ends is bad. */
  async judge(): Promise<Exclude<FrameVerdict, "short">> {
    const verdict = this.tryJudge();
    if (verdict !== null) return verdict;
    await this.#load(this.#windowBytes);
    const again = this.tryJudge();
    if (again !== null) return again;
    if (this.#here() < FRAME_HEADER_BYTES) return "bad";
    await this.#load(FRAME_HEADER_BYTES + this.header.bodyBytes);
    return this.tryJudge() ?? "bad";
  }

  /** To the frame behind the one that was just judged. */
  advance(): void {
    const { header, at } = this;
    this.place = this.end;
    at.position += header.count;
    at.offset += header.entryCount;
    at.payload += header.bodyBytes - header.count * RECORD_HEADER_BYTES;
  }

  /** To the next good frame of the extent, or to its end. Returns where the log goes on. */
  async skipDamage(): Promise<LogPoint> {
    const found = await this.findBehind();
    const isInside = found !== null && found.first.position < this.reach.position;
    copyPoint(this.at, isInside ? found.first : this.reach);
    this.place = isInside ? found.place : this.endPlace;
    return this.at;
  }

  /**
   * The next good frame behind the cursor; `syncedPosition`: up to where the log was known to be on disk
   * when any of the good frames behind was written. Loads the rest of the extent.
   */
  async findBehind(): Promise<
    { place: number; first: LogPoint; syncedPosition: number } | null
  > {
    await this.#load(this.endPlace - this.place);
    const scanner = this.#scanner!;
    const { position } = this.at;
    let found: { place: number; first: LogPoint; syncedPosition: number } | null = null;
    let at = FRAME_HEADER_BYTES;
    for (;;) {
      const place = scanner.findBehind(at, position);
      if (place < 0) return found;
      const { firstPosition, firstOffset, lag } = scanner.header;
      found ??= {
        place: this.place + place,
        first: { position: firstPosition, offset: firstOffset, payload: this.at.payload },
        syncedPosition: 0,
      };
      found.syncedPosition = Math.max(found.syncedPosition, firstPosition - lag);
      at = scanner.endOf(place);
    }
  }

  /** Whether anything but zeroes stands at or behind the cursor, so many bytes from it at most. */
  async hasMoreWithin(bytes: number): Promise<boolean> {
    if (this.#here() < Math.min(bytes, this.endPlace - this.place)) await this.#load(bytes);
    return this.loaded(this.place, this.place + bytes).some((byte) => byte !== 0);
  }

  #here(): number {
    return this.#windowPlace + this.#window.length - this.place;
  }

  /** Loads a window that begins at the cursor. */
  async #load(bytes: number): Promise<void> {
    const { file, start } = this.extent;
    const length = Math.max(0, Math.min(bytes, this.endPlace - this.place));
    const given = this.#given;
    let window = given !== undefined && length <= given.length
      ? given.subarray(0, length)
      : new Uint8Array(length);
    if (file.disk === null) {
      window = window.subarray(0, 0);
    } else if (length > 0) {
      const fileOffset = start + this.place;
      const read: DiskRead = {
        file: file.disk,
        fileOffset,
        buffer: window,
        bufferOffset: 0,
        length,
        got: 0,
      };
      await this.#disk.read([read]);
      window = window.subarray(0, read.got);
    }
    this.#window = window;
    this.#goodPlace = -1;
    this.#windowPlace = this.place;
    const { run, generation } = this.extent;
    this.#scanner = new FrameScanner(window, { logId: this.#logId, run, generation }, this.#key);
  }
}
