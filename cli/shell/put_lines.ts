/**
 * A stream of lines as messages, pipelined.
 *
 * @module
 */

import { OutcomeUnknownError, type WalrusClient } from "../../client/mod.ts";
import { FailureError } from "../exit.ts";

/** Lines under way at once. */
const LINES_IN_FLIGHT_MAX = 1024;
/** Bytes of lines under way at once: few long lines, many short ones. */
const BYTES_IN_FLIGHT_MAX = 16 * 1024 * 1024;

/**
 * Puts every line, in order; how many there were. After a failure no more are sent.
 *
 * @throws {FailureError} which says how many lines are acknowledged and which one failed first.
 */
export async function putLines(
  client: Pick<WalrusClient, "put">,
  topic: string,
  lines: AsyncIterable<Uint8Array>,
): Promise<number> {
  /** Oldest first; answers come in this order. */
  const inFlight: Promise<void>[] = [];
  let bytesInFlight = 0;
  let sent = 0;
  let acknowledged = 0;
  let isUnsure = false;
  let failure: { line: number; error: Error } | null = null;
  const handleFailure = (line: number, error: Error) => {
    isUnsure ||= error instanceof OutcomeUnknownError;
    failure ??= { line, error };
  };
  for await (const line of lines) {
    const number = ++sent;
    bytesInFlight += line.length;
    const put = client.put(topic, line)
      .then(() => void acknowledged++, (error) => handleFailure(number, error))
      .finally(() => bytesInFlight -= line.length);
    inFlight.push(put);
    while (inFlight.length >= LINES_IN_FLIGHT_MAX || bytesInFlight >= BYTES_IN_FLIGHT_MAX) {
      await inFlight.shift();
    }
    if (failure !== null) break;
  }
  await Promise.all(inFlight);
  if (failure !== null) throw failureOf(failure, { sent, acknowledged, isUnsure });
  return sent;
}

function failureOf(
  failure: { line: number; error: Error },
  counts: { sent: number; acknowledged: number; isUnsure: boolean },
): FailureError {
  const { line, error } = failure;
  const rest = counts.sent - counts.acknowledged;
  const unsure = counts.isUnsure ? " They may be in the topic or not." : "";
  return new FailureError(
    `Line ${line}: ${error.message} Of ${counts.sent} lines sent, ${counts.acknowledged} are ` +
      `acknowledged and ${rest} are not.${unsure}`,
  );
}
