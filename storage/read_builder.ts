/**
 * Puts a read's answer together.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import type { LogPoint } from "./extent.ts";
import { RecordReader } from "./record_batch.ts";
import type { ReadLimits, ReadResult } from "./types.ts";

/** A frame that was found. */
export interface TakenFrame {
  count: number;
  entryCount: number;
  /** Packed records. */
  body: Uint8Array;
  /** Its last batch goes on in the next frame. */
  goesOn: boolean;
}

/** Collects the records of frames, their headers squeezed out. */
export class ReadBuilder {
  count = 0;
  isFull = false;
  readonly #position: number;
  readonly #maxBytes: number;
  readonly #maxRecords: number;
  readonly #wholeFrames: boolean;
  #goesOn = false;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #entryCount = 0;
  #firstOffset = 0;

  constructor(
    position: number,
    { maxBytes, maxRecords = Infinity, wholeFrames = false }: ReadLimits,
  ) {
    this.#position = position;
    this.#maxBytes = maxBytes;
    this.#maxRecords = maxRecords;
    this.#wholeFrames = wholeFrames;
  }

  /** Takes what is wanted of the frame at `at`; nothing of the log stands at or behind `reach`. */
  take(frame: TakenFrame, { at, reach }: { at: Readonly<LogPoint>; reach: number }): void {
    const { count, entryCount, body } = frame;
    const end = at.position + count;
    if (end <= this.#position) return;
    if (this.#wholeFrames && this.count > 0 && this.#bytes + body.length > this.#maxBytes) {
      this.isFull = true;
      return;
    }
    this.#goesOn = frame.goesOn;
    const fits = at.position >= this.#position && end <= reach &&
      this.#bytes + body.length <= this.#maxBytes && this.count + count <= this.#maxRecords;
    if (fits) {
      if (this.count === 0) this.#firstOffset = at.offset;
      this.#add(body, count, entryCount);
    } else {
      this.#takePart(body, { at, reach });
    }
  }

  /** @param mayMove The frames stand one behind the other in one buffer that nobody else needs any more. */
  finish({ mayMove }: { mayMove: boolean }): ReadResult {
    const only = this.#parts[0];
    const bytes = this.#parts.length === 1 && only !== undefined
      ? only
      : mayMove
      ? this.#moved()
      : this.#joined();
    return {
      bytes,
      count: this.count,
      entryCount: this.#entryCount,
      firstPosition: this.#position,
      firstOffset: this.#firstOffset,
      goesOn: this.#goesOn,
    };
  }

  #add(bytes: Uint8Array, count: number, entryCount: number): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    this.count += count;
    this.#entryCount += entryCount;
  }

  #takePart(
    body: Uint8Array,
    { at, reach }: { at: Readonly<LogPoint>; reach: number },
  ): void {
    const reader = new RecordReader(body);
    let { position, offset } = at;
    let start = 0, count = 0, entryCount = 0, end = 0;
    while (reader.next()) {
      if (position >= reach) break;
      if (position < this.#position) {
        start = end = reader.end;
        if (!reader.isControl) offset++;
        position++;
        continue;
      }
      const isOver = (this.#bytes + (reader.end - start) > this.#maxBytes && !this.#wholeFrames) ||
        this.count + count >= this.#maxRecords;
      if (isOver && this.count + count > 0) {
        this.isFull = true;
        this.#goesOn = false;
        break;
      }
      end = reader.end;
      count++;
      if (!reader.isControl) entryCount++;
      position++;
    }
    if (count === 0) return;
    if (this.count === 0) this.#firstOffset = offset;
    this.#add(body.subarray(start, end), count, entryCount);
  }

  #joined(): Uint8Array {
    const bytes = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** The headers between them are written over: cheaper than new memory, which has to be zeroed first. */
  #moved(): Uint8Array {
    const first = this.#parts[0];
    if (first === undefined) return new Uint8Array(0);
    const { buffer, byteOffset } = first;
    const bytes = new Uint8Array(buffer, byteOffset, this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      assert(part.buffer === buffer && part.byteOffset >= byteOffset + at, "parts stand in order");
      if (at > 0) bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}
