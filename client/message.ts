/**
 * A message's bytes, before they are sent.
 *
 * @module
 */

import { textMisfit } from "../world/well_formed.ts";
import { InvalidRequestError } from "./errors.ts";

/** A message as it may be given: a text goes as UTF-8. */
export type Message = Uint8Array | string;

/** Why a message can't be sent as it is: another text would arrive. `null`: it can. */
export function refusalOfMessage(message: Message): InvalidRequestError | null {
  const misfit = typeof message === "string" ? textMisfit(message, "A message") : null;
  return misfit === null ? null : new InvalidRequestError(misfit);
}

/** What is sent. */
export function bytesOf(message: Message): Uint8Array {
  return typeof message === "string" ? new TextEncoder().encode(message) : message;
}
