/**
 * What an answer means to the call that it answers: a value, or an error.
 *
 * @module
 */

import {
  OffsetOutOfRangeError,
  OutcomeUnknownError,
  ProtocolError,
  ServerError,
  UnknownTopicError,
} from "./errors.ts";
import type { Command, Response } from "./wire.ts";

/** For answers that are `OK ` and something more. */
export function ofPayload<T>(
  read: (payload: Uint8Array) => T | null,
): (response: Response) => { value: T } | null {
  return (response) => {
    const value = response.kind === "payload" ? read(response.payload) : null;
    return value === null ? null : { value };
  };
}

export function readOk(response: Response): { value: void } | null {
  return response.kind === "ok" ? { value: undefined } : null;
}

export function readMessage(response: Response): { value: Uint8Array | null } | null {
  // The view ends with the next read: the message is the caller's own.
  if (response.kind === "payload") return { value: response.payload.slice() };
  return response.kind === "empty" ? { value: null } : null;
}

export function readJson<T>(response: Response): { value: T } | null {
  if (response.kind !== "json") return null;
  try {
    return { value: JSON.parse(response.text) as T };
  } catch (cause) {
    throw new ProtocolError("The node's JSON can't be parsed.", { cause });
  }
}

/** The first words of a message say what kind of error it is; the rest is for people. */
export function errorFrom(message: string): ServerError | OutcomeUnknownError {
  if (message.startsWith("unknown topic")) return new UnknownTopicError(message);
  if (message.startsWith("outcome unknown")) return new OutcomeUnknownError(message);
  if (message.startsWith("offset out of range")) return new OffsetOutOfRangeError(message);
  return new ServerError(message);
}

export function wrongAnswerError(command: Command, response: Response): ProtocolError {
  return new ProtocolError(
    `The answer to ${command} is not one to that (${response.kind}): is this a Walrus client port?`,
  );
}
