/**
 * The topic that was probably meant.
 *
 * @module
 */

import { UnknownTopicError, type WalrusClient } from "../../client/mod.ts";
import { FailureError } from "../exit.ts";
import { nearest } from "../nearest.ts";

/** Runs `action`; where it fails for a topic that nobody registered, names one that is spelt nearly so. */
export async function withTopicHint<T>(
  client: Pick<WalrusClient, "topics">,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const topic = error instanceof UnknownTopicError
      ? /unknown topic ([\w.-]+)/.exec(error.message)?.[1]
      : undefined;
    if (topic === undefined) throw error;
    const { topics } = await client.topics().catch(() => ({ topics: [] }));
    const near = nearest(topic, topics.map((known) => known.topic));
    if (near === undefined) throw error;
    const message = (error as Error).message;
    throw new FailureError(`${message}. Did you mean ${near}?`, { cause: error });
  }
}
