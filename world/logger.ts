/**
 * Log lines for people and machines, as a thing that is handed in.
 *
 * @module
 */

/** From the most talkative to the quietest. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** Values that may stand behind a message as `key=value`. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** Writes one line per event; `child` binds fields that every line of a part carries. */
export interface Logger {
  /** Whether lines of this level are written: ask before building costly fields. */
  enabled(level: LogLevel): boolean;
  log(level: LogLevel, message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  enabled: () => false,
  log: () => {},
  child: () => silentLogger,
};
