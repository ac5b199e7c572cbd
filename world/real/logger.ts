/**
 * Log lines on stderr or in a file, as text for people or JSON for machines.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "../logger.ts";

/** How much is logged: a level and everything above it, or nothing. */
export type LogThreshold = LogLevel | "off";

/** Where finished lines (with their newline) go. */
export type LogSink = (line: string) => void;

/** What both loggers are made of. */
export interface LineLoggerOptions {
  threshold: LogThreshold;
  sink: LogSink;
  clock: Clock;
  /** Carried by every line. */
  fields?: LogFields;
}

/**
 * Reads `WALRUS_LOG` or `RUST_LOG`: a level (`info`), or directives with commas of which the last that
 * names walrus wins over the bare level (`warn,walrus=debug`, `walrus::server=debug`). Other programs'
 * directives are passed over, `trace` counts as `debug`. `undefined` when no directive is for us or
 * a level is unknown.
 */
export function parseLogThreshold(text: string): LogThreshold | undefined {
  let general: LogThreshold | undefined;
  let own: LogThreshold | undefined;
  for (const directive of text.toLowerCase().split(",")) {
    const trimmed = directive.trim();
    if (trimmed === "") continue;
    const equals = trimmed.indexOf("=");
    if (equals < 0 && /^walrus\b/.test(trimmed)) {
      own = "debug"; // a bare target means everything of it, as in RUST_LOG
      continue;
    }
    const level = thresholdOf(trimmed.slice(equals + 1).trim());
    if (equals < 0) {
      if (level === undefined) return undefined;
      general = level;
    } else if (/^walrus\b/.test(trimmed)) {
      if (level === undefined) return undefined;
      own = level;
    }
  }
  return own ?? general;
}

function thresholdOf(word: string): LogThreshold | undefined {
  switch (word) {
    case "trace":
      return "debug";
    case "warning":
      return "warn";
    case "none":
      return "off";
    case "off":
    case "debug":
    case "info":
    case "warn":
    case "error":
      return word;
    default:
      return undefined;
  }
}

abstract class LineLogger implements Logger {
  protected readonly options: LineLoggerOptions;
  protected readonly fields: LogFields;
  readonly #rank: number;

  constructor(options: LineLoggerOptions) {
    this.options = options;
    this.fields = options.fields ?? {};
    this.#rank = options.threshold === "off"
      ? LOG_LEVELS.length
      : LOG_LEVELS.indexOf(options.threshold);
  }

  enabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#rank;
  }

  log(level: LogLevel, message: string, fields?: LogFields): void {
    if (!this.enabled(level)) return;
    const time = new Date(this.options.clock.wallMs()).toISOString();
    this.options.sink(this.format(time, level, { message, fields: { ...this.fields, ...fields } }));
  }

  abstract child(fields: LogFields): Logger;
  protected abstract format(time: string, level: LogLevel, line: Line): string;
}

interface Line {
  message: string;
  fields: LogFields;
}

/** `2026-11-20T10:00:00.000Z INFO  Listening port=6001`: one line an event, values quoted where needed. */
export class ConsoleLogger extends LineLogger {
  child(fields: LogFields): Logger {
    return new ConsoleLogger({ ...this.options, fields: { ...this.fields, ...fields } });
  }

  protected format(time: string, level: LogLevel, line: Line): string {
    let text = `${time} ${level.toUpperCase().padEnd(5)} ${oneLine(line.message)}`;
    for (const [key, value] of Object.entries(line.fields)) {
      if (value !== undefined) text += ` ${key}=${quoteWhereNeeded(value)}`;
    }
    return text + "\n";
  }
}

/** `{"time":…,"level":…,"message":…, …fields}` on one line. A field can't hide one of the first three. */
export class JsonLogger extends LineLogger {
  child(fields: LogFields): Logger {
    return new JsonLogger({ ...this.options, fields: { ...this.fields, ...fields } });
  }

  protected format(time: string, level: LogLevel, line: Line): string {
    const head = { time, level, message: line.message };
    return JSON.stringify({ ...head, ...line.fields, ...head }) + "\n";
  }
}

/** Lines to stderr. A reader that went away or doesn't keep up costs the line, never the node. */
export function stderrSink(): LogSink {
  return sinkTo(Deno.stderr);
}

/** Lines appended to a file, made if missing. @throws {Deno.errors} when it can't be opened. */
export function fileSink(path: string): LogSink {
  return sinkTo(Deno.openSync(path, { append: true, create: true }));
}

function sinkTo(file: { writeSync(bytes: Uint8Array): number }): LogSink {
  const encoder = new TextEncoder();
  return (line) => {
    try {
      let rest = encoder.encode(line);
      while (rest.length > 0) rest = rest.subarray(file.writeSync(rest));
    } catch {
      // A broken or full pipe, a full disk: there is nowhere left to complain.
    }
  };
}

function oneLine(text: string): string {
  return text.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
}

function quoteWhereNeeded(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
