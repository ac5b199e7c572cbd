/**
 * What a topic may be called, and the name of its log.
 *
 * @module
 */

import { TooLargeError } from "../errors.ts";
import { utf8Of } from "../utf8.ts";

/** Longest topic, in bytes of UTF-8. */
export const TOPIC_BYTES_MAX = 500;
/** Topics' logs have names that begin with this. */
const TOPIC_PREFIX = "t/";

/** @throws {TooLargeError} @throws {IllFormedTextError} */
export function mustBeTopic(name: string): void {
  const { length } = utf8Of(name, "A topic's name");
  if (length > 0 && length <= TOPIC_BYTES_MAX) return;
  throw new TooLargeError(`A topic has 1 to ${TOPIC_BYTES_MAX} bytes, not ${length}.`);
}

/** The name of the topic's log. */
export function logNameOf(topic: string): string {
  return TOPIC_PREFIX + topic;
}

/** The topic whose log has this name; `null`: it is no topic's. */
export function topicOf(logName: string): string | null {
  return logName.startsWith(TOPIC_PREFIX) ? logName.slice(TOPIC_PREFIX.length) : null;
}
