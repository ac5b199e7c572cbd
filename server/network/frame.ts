/**
 * Frames between nodes.
 *
 * | offset | bytes | field |
 * | ------ | ----- | ----- |
 * | 0 | 4 | length of all that follows: 8 + n, little-endian |
 * | 4 | 1 | kind, see {@link FrameKind} |
 * | 5 | 1 | method (request, one-way), else 0 |
 * | 6 | 2 | 0 |
 * | 8 | 4 | call id (request, response, error), else 0 |
 * | 12 | n | body |
 *
 * An `error`'s body: u32 code, string message, bytes detail (codec.ts).
 *
 * @module
 */

import { assert, MalformedError } from "../../world/mod.ts";

/** Bytes before each body. */
export const FRAME_HEADER_BYTES = 12;
/** What the length field counts besides the body. */
const LENGTH_OVERHEAD_BYTES = FRAME_HEADER_BYTES - 4;
/**
 * Largest body unless a node is told otherwise: the default largest client frame, 16 MiB, and room for what
 * a message adds.
 */
export const MAX_BODY_BYTES = 17 * 1024 * 1024;
/** What a reader has at first. */
export const READ_BUFFER_BYTES = 256 * 1024;
/** A buffer that grew for large frames is kept up to so many times its first size: they come in runs. */
const RETAINED_BUFFERS = 8;
/** As {@link READ_BUFFER_BYTES}, until the other side has said who it is. */
export const HANDSHAKE_BUFFER_BYTES = 4 * 1024;

/** What a frame is. Numbers are part of the protocol. */
export const FrameKind = {
  request: 1,
  response: 2,
  error: 3,
  oneway: 4,
  ping: 5,
  pong: 6,
  hello: 7,
  welcome: 8,
  refused: 9,
} as const;
/** One of {@link FrameKind}'s numbers. */
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

const LAST_KIND = FrameKind.refused;

/** What goes before a body. */
export interface FrameHeader {
  kind: FrameKind;
  method: number;
  callId: number;
}

/** Writes a frame's header and body at `at`; the caller has made room. Returns where it ends. */
export function writeFrame(
  into: { bytes: Uint8Array; view: DataView; at: number },
  frame: { header: FrameHeader; body: Uint8Array },
): number {
  const { header, body } = frame;
  const { view, at } = into;
  assert(at + FRAME_HEADER_BYTES + body.length <= into.bytes.length, "there is room for the frame");
  assert(header.method >= 0 && header.method <= 0xff, `method ${header.method} is one byte`);
  view.setUint32(at, LENGTH_OVERHEAD_BYTES + body.length, true);
  view.setUint8(at + 4, header.kind);
  view.setUint8(at + 5, header.method);
  view.setUint16(at + 6, 0, true);
  view.setUint32(at + 8, header.callId, true);
  into.bytes.set(body, at + FRAME_HEADER_BYTES);
  return at + FRAME_HEADER_BYTES + body.length;
}

/** One frame alone. */
export function encodeFrame(header: FrameHeader, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeFrame({ bytes, view: new DataView(bytes.buffer), at: 0 }, { header, body });
  return bytes;
}

/**
 * Finds frames in what arrives, without copying: read into `space()`, tell `filled(n)`, then take
 * frames with `while (next())`. The body is a view that the next `space()` call may overwrite.
 */
export class FrameReader {
  kind: FrameKind = FrameKind.ping;
  method = 0;
  callId = 0;
  /** The current frame's body. */
  body: Uint8Array = new Uint8Array(0);
  #bytes: Uint8Array;
  #view: DataView;
  /** First byte not taken yet. */
  #start = 0;
  /** One past the last byte that arrived. */
  #end = 0;
  /** Length of the incomplete frame at `#start` once its length field is here, else 0. */
  #wantBytes = 0;
  readonly maxBodyBytes: number;
  readonly #retainBytes: number;

  constructor(options: { bufferBytes: number; maxBodyBytes: number }) {
    this.#retainBytes = options.bufferBytes * RETAINED_BUFFERS;
    this.#bytes = new Uint8Array(options.bufferBytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.maxBodyBytes = options.maxBodyBytes;
  }

  /** Where the next read goes; never empty. Bodies given out before are not valid any more. */
  space(): Uint8Array {
    const capacityBytes = this.#bytes.length;
    if (this.#start === this.#end) {
      const retained = capacityBytes > this.#retainBytes ? this.#retainBytes : capacityBytes;
      this.#moveTo(Math.max(retained, this.#wantBytes));
    } else if (this.#start + this.#wantBytes > capacityBytes) {
      // The frame doesn't fit behind #start. Its length was checked, so this is bounded.
      this.#moveTo(Math.max(capacityBytes, this.#wantBytes));
    } else if (this.#start > 0 && capacityBytes - this.#end < capacityBytes / 4) {
      this.#moveTo(capacityBytes); // short reads cost more than moving what is held
    }
    return this.#bytes.subarray(this.#end);
  }

  /** `count` bytes were read into what `space()` gave. */
  filled(count: number): void {
    this.#end += count;
    assert(this.#end <= this.#bytes.length, "a read stays within its buffer");
  }

  /**
   * Moves to the next whole frame; false when more bytes are needed.
   *
   * @throws {MalformedError} when these bytes can't be a frame: nothing behind them can be trusted.
   */
  next(): boolean {
    this.#wantBytes = 0;
    const at = this.#start;
    if (this.#end - at < 4) return false;
    const length = this.#view.getUint32(at, true);
    if (length < LENGTH_OVERHEAD_BYTES || length - LENGTH_OVERHEAD_BYTES > this.maxBodyBytes) {
      throw new MalformedError(
        `A frame says it has ${length} bytes; possible are ${LENGTH_OVERHEAD_BYTES} to ` +
          `${LENGTH_OVERHEAD_BYTES + this.maxBodyBytes}.`,
      );
    }
    const frameBytes = 4 + length;
    if (this.#end - at < frameBytes) {
      this.#wantBytes = frameBytes;
      return false;
    }
    const kind = this.#view.getUint8(at + 4);
    if (kind < 1 || kind > LAST_KIND) throw new MalformedError(`No frame has kind ${kind}.`);
    this.kind = kind as FrameKind;
    this.method = this.#view.getUint8(at + 5);
    this.callId = this.#view.getUint32(at + 8, true);
    this.body = this.#bytes.subarray(at + FRAME_HEADER_BYTES, at + frameBytes);
    this.#start = at + frameBytes;
    return true;
  }

  /** The handshake is over: larger frames may come, and a larger buffer pays. Keeps what arrived. */
  upgraded(options: { bufferBytes: number; maxBodyBytes: number }): FrameReader {
    const larger = new FrameReader(options);
    const rest = this.#bytes.subarray(this.#start, this.#end);
    assert(rest.length <= options.bufferBytes, "the larger buffer holds the rest of the smaller");
    larger.#bytes.set(rest);
    larger.#end = rest.length;
    return larger;
  }

  /** Bytes of memory that the reader holds. */
  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /** Puts what is held at the start of a buffer of `capacityBytes`, of the same one if that fits. */
  #moveTo(capacityBytes: number): void {
    if (capacityBytes === this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
    } else {
      const moved = new Uint8Array(capacityBytes);
      moved.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = moved;
      this.#view = new DataView(moved.buffer);
    }
    this.#end -= this.#start;
    this.#start = 0;
  }
}
