/**
 * A stream of messages, pipelined.
 *
 * @module
 */

import { OutcomeUnknownError } from "../../client/mod.ts";
import { FailureError } from "../exit.ts";

/** Messages under way at once. */
const IN_FLIGHT_MAX = 1024;
/** Bytes of messages under way at once: few long ones, many short ones. */
const BYTES_IN_FLIGHT_MAX = 16 * 1024 * 1024;

/** Appends one message; resolves when it is acknowledged. */
export type Put = (message: Uint8Array) => Promise<void>;

/** How {@link putMany} goes about it. */
export interface PutManyOptions {
  /** What the messages are, for the failure: "line", "record". */
  unit: string;
  /** Messages under way at once; one by one keeps their order even where some are repeated. */
  inFlightMax?: number;
}

/**
 * Puts every message, in order; how many there were. After a failure no more are sent.
 *
 * @throws {FailureError} which says how many are acknowledged and which one failed first.
 */
export async function putMany(
  put: Put,
  messages: AsyncIterable<Uint8Array>,
  { unit, inFlightMax = IN_FLIGHT_MAX }: PutManyOptions,
): Promise<number> {
  /** Oldest first; answers come in this order. */
  const inFlight: Promise<void>[] = [];
  let bytesInFlight = 0;
  let sent = 0;
  let acknowledged = 0;
  let unknown: Error | null = null;
  let failure: { number: number; error: Error } | null = null;
  const handleFailure = (number: number, error: Error) => {
    if (error instanceof OutcomeUnknownError) unknown ??= error;
    failure ??= { number, error };
  };
  try {
    for await (const message of messages) {
      const number = ++sent;
      bytesInFlight += message.length;
      inFlight.push(
        put(message)
          .then(() => void acknowledged++, (error) => handleFailure(number, error))
          .finally(() => bytesInFlight -= message.length),
      );
      while (inFlight.length >= inFlightMax || bytesInFlight >= BYTES_IN_FLIGHT_MAX) {
        await inFlight.shift();
      }
      if (failure !== null) break;
    }
  } catch (error) {
    // The source failed, behind what it gave: that much is under way or acknowledged.
    handleFailure(sent + 1, error as Error);
  }
  await Promise.all(inFlight);
  if (failure !== null) throw failureOf(failure, { unit, sent, acknowledged, unknown });
  return sent;
}

function failureOf(
  failure: { number: number; error: Error },
  rest: { unit: string; sent: number; acknowledged: number; unknown: Error | null },
): FailureError {
  const { number, error } = failure;
  const { unit, sent, acknowledged, unknown } = rest;
  const unsure = unknown === null ? "" : ` These may be in the topic or not.`;
  return new FailureError(
    `${unit[0]!.toUpperCase()}${
      unit.slice(1)
    } ${number}: ${error.message} Of ${sent} ${unit}s sent, ` +
      `${acknowledged} are acknowledged and ${sent - acknowledged} are not.${unsure}`,
    { cause: unknown ?? error },
  );
}
