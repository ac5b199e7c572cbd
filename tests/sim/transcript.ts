/**
 * What happened in a simulation, as a running hash, and as lines for whoever wants to see them.
 *
 * @module
 */

import type { LogFields, Logger, LogLevel } from "../../world/mod.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** The newest lines that are kept for a failure's report. */
const LINES_KEPT = 400;

/** One per simulation. Two runs of one seed must end with the same {@link Transcript.digest}. */
export class Transcript {
  readonly #nowMs: () => number;
  readonly #onLine: ((line: string) => void) | undefined;
  #low = FNV_OFFSET;
  #high = FNV_PRIME;
  #lines: string[] = [];
  #events = 0;

  constructor(nowMs: () => number, onLine?: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#onLine = onLine;
  }

  /** Notes one thing that happened. */
  add(who: string, what: string): void {
    const line = `${this.#nowMs().toFixed(3)} ${who} ${what}`;
    for (let i = 0; i < line.length; i++) this.#mix(line.charCodeAt(i));
    this.#events++;
    this.#onLine?.(line);
    this.#lines.push(line);
    if (this.#lines.length >= 2 * LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT);
  }

  /** Notes bytes that somebody sent. */
  addBytes(who: string, bytes: Uint8Array): void {
    for (let i = 0; i < who.length; i++) this.#mix(who.charCodeAt(i));
    this.#mix(Math.floor(this.#nowMs() * 1000));
    for (const byte of bytes) this.#mix(byte);
    this.#events++;
  }

  /** Over everything noted so far. */
  get digest(): string {
    const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0");
    return `${hex(this.#high)}${hex(this.#low)}-${this.#events}`;
  }

  /** The newest lines. */
  get lines(): readonly string[] {
    return this.#lines.slice(-LINES_KEPT);
  }

  /** FNV-1a over the low half; the high half turns with what comes out of it. */
  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, FNV_PRIME);
    this.#high = Math.imul((this.#high << 5 | this.#high >>> 27) ^ this.#low, 0x9e3779b1);
  }
}

/** A node's log lines as part of the transcript. */
export class TranscriptLogger implements Logger {
  readonly #transcript: Transcript;
  readonly #who: string;
  readonly #onLine: (level: LogLevel, message: string, fields: LogFields) => void;

  constructor(
    transcript: Transcript,
    who: string,
    onLine: (level: LogLevel, message: string, fields: LogFields) => void = () => {},
  ) {
    this.#transcript = transcript;
    this.#who = who;
    this.#onLine = onLine;
  }

  enabled(): boolean {
    return true;
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    const details = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
    this.#transcript.add(this.#who, `${level} ${message}${details}`);
    this.#onLine(level, message, fields);
  }

  child(): Logger {
    return this;
  }
}
