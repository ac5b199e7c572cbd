/**
 * How a command ends: exit codes, and errors as one line for a person.
 *
 * @module
 */

import { CommanderError } from "commander";
import { ClientError, OutcomeUnknownError } from "../client/mod.ts";
import { DiskError, NetworkError } from "../world/mod.ts";

/** What scripts can tell apart. The README lists them. */
export const EXIT = {
  ok: 0,
  /** The node, the connection or the disk said no. */
  failure: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** `cli get`: there is nothing to read now. */
  empty: 3,
  /** The answer was lost: it may have been done or not. */
  unknown: 4,
} as const;

/** The command line is wrong in a way that its parser can't see. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command could not do its work; the message is all that there is to say. */
export class FailureError extends Error {
  override readonly name = "FailureError";
}

/** Errors whose message is written for the person who typed the command. */
const EXPLAINED_ERRORS = [ClientError, DiskError, FailureError, NetworkError, UsageError];
/** The same, by name: classes of parts that not every command loads. */
const EXPLAINED_NAMES: ReadonlySet<string> = new Set([
  "CorruptionError",
  "DiskFullError",
  "ExpelledError",
  "ForeignDirectoryError",
  "JoinError",
  "LogClosedError",
  "NodeIdentityError",
  "RaftLogCorruptError",
  "RefusedError",
  "StoreFailedError",
  "UnavailableError",
  "UnsteadyDiskError",
]);

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  const isUnknown = error instanceof OutcomeUnknownError ||
    (error instanceof FailureError && error.cause instanceof OutcomeUnknownError);
  return isUnknown ? EXIT.unknown : EXIT.failure;
}

/** One line for stderr; a stack trace only for what is our own fault, and only when asked for. */
export function describeError(error: unknown, options: { withStack: boolean }): string {
  if (!(error instanceof Error)) return `internal error: ${String(error)}`;
  const line = error.message.replace(/\s*[\r\n]+\s*/g, " ");
  const isExplained = EXPLAINED_ERRORS.some((type) => error instanceof type) ||
    EXPLAINED_NAMES.has(error.name);
  if (isExplained) return line;
  if (options.withStack) return `internal error: ${error.stack ?? line}`;
  return `internal error: ${error.name}: ${line} (WALRUS_LOG=debug shows where)`;
}
