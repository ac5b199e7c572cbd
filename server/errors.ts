/**
 * What a node refuses, as classes, and the one place that turns any error into the words of an `ERR`.
 *
 * @module
 */

import { RemoteError } from "./network/errors.ts";
import { DiskFullError, StoreFailedError, TooLargeError } from "../storage/mod.ts";

/** Nobody registered the topic. */
export class UnknownTopicError extends Error {
  override readonly name = "UnknownTopicError";
  constructor(readonly topic: string) {
    super(`unknown topic ${topic}: register it first (REGISTER ${topic})`);
  }
}

/** This node may not append to the segment here and now: no lease, not its leader, or already closed. */
export class NotLeaderError extends Error {
  override readonly name = "NotLeaderError";
}

/** The segment was closed for its seal; the next one takes what comes. */
export class SegmentClosedError extends Error {
  override readonly name = "SegmentClosedError";
}

/** Nobody could do it within the time that a request may take. It certainly was not done. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}

/** It was sent on, and no answer came: it may or may not have been done. */
export class OutcomeUnknownError extends Error {
  override readonly name = "OutcomeUnknownError";
}

/** A setting that can't be, or that the topic doesn't have. */
export class InvalidSettingError extends Error {
  override readonly name = "InvalidSettingError";
}

/** The cluster does not want this node, and won't: its data directory has no place in it. */
export class ExpelledError extends Error {
  override readonly name = "ExpelledError";
}

/** The topic has no entry at that offset, and waiting won't bring it. */
export class OffsetOutOfRangeError extends Error {
  override readonly name = "OffsetOutOfRangeError";
}

/** The entry was trimmed: by hand, or because the topic keeps only so much. */
export class TrimmedError extends OffsetOutOfRangeError {
  readonly firstOffset: number;
  constructor(entry: { topic: string; offset: number; firstOffset: number }) {
    super(
      `offset ${entry.offset} of ${entry.topic} was trimmed: its first offset is ${entry.firstOffset}`,
    );
    this.firstOffset = entry.firstOffset;
  }
}

/** Metadata refused a command: what it expected no longer holds. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/**
 * The words behind `ERR `; one line, never a stack trace. Clients tell by its first words what kind of error
 * it is (client/wire.ts): `unknown topic`, `outcome unknown`, `offset out of range`.
 */
export function wireMessage(error: unknown): string {
  if (error instanceof OutcomeUnknownError) return `outcome unknown: ${oneLine(error.message)}`;
  if (
    error instanceof UnknownTopicError || error instanceof UnavailableError ||
    error instanceof NotLeaderError ||
    error instanceof SegmentClosedError ||
    error instanceof RefusedError ||
    error instanceof RemoteError || error instanceof InvalidSettingError
  ) return oneLine(error.message);
  // Clients tell by the first two words that a repetition may do it twice (client/errors.ts).
  if (error instanceof OutcomeUnknownError) return `outcome unknown: ${oneLine(error.message)}`;
  if (error instanceof OffsetOutOfRangeError) {
    return `offset out of range: ${oneLine(error.message)}`;
  }
  if (error instanceof DiskFullError) return `disk full: ${oneLine(error.message)}`;
  if (error instanceof StoreFailedError) return `storage failed: ${oneLine(error.message)}`;
  if (error instanceof TooLargeError) return `too large: ${oneLine(error.message)}`;
  return `internal error: ${oneLine(error instanceof Error ? error.message : String(error))}`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
