/**
 * Puts that are tried again where the user asked for it, and never twice without saying so.
 *
 * @module
 */

import {
  ConnectError,
  OutcomeUnknownError,
  RequestTimeoutError,
  ServerError,
  UnknownTopicError,
} from "../../client/mod.ts";
import type { Put } from "./put_many.ts";

/** Between tries; doubles from the first to the second. */
const DELAY_MS_MIN = 50;
const DELAY_MS_MAX = 2_000;

/** How {@link retrying} tries again. */
export interface RetryOptions {
  /** Tries after the first one. */
  retries: number;
  /** Is told, as a line, of a message that may be in the topic twice. */
  warn: (line: string) => void;
  /** Waits so long, milliseconds. */
  wait?: (delayMs: number) => Promise<void>;
}

/**
 * `put`, tried again up to so many times. What was refused or never sent is tried again silently: it has
 * left nothing behind. What may have been done is tried again too, and said.
 */
export function retrying(put: Put, { retries, warn, wait = waitMs }: RetryOptions): Put {
  let number = 0;
  return async (message) => {
    const own = ++number;
    let delayMs = DELAY_MS_MIN;
    let doubts = 0;
    for (let left = retries;; left--) {
      try {
        return await put(message);
      } catch (error) {
        if (left === 0 || !isWorthAnother(error)) throw error;
        if (error instanceof OutcomeUnknownError) {
          doubts++;
          const times = doubts === 1 ? "once" : `${doubts} times`;
          warn(
            `Message ${own} is sent again; it may be in the topic already, ${times}: ${error.message}`,
          );
        }
        await wait(delayMs);
        delayMs = Math.min(delayMs * 2, DELAY_MS_MAX);
      }
    }
  };
}

function isWorthAnother(error: unknown): boolean {
  if (error instanceof UnknownTopicError) return false;
  const kinds = [ServerError, OutcomeUnknownError, RequestTimeoutError, ConnectError];
  return kinds.some((kind) => error instanceof kind);
}

function waitMs(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
