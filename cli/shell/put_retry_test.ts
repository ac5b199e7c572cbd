import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import {
  InvalidRequestError,
  OutcomeUnknownError,
  ServerError,
  UnknownTopicError,
} from "../../client/mod.ts";
import { retrying } from "./put_retry.ts";

/** Fails with these errors in turn, then succeeds. */
function failing(errors: Error[]): { put: () => Promise<void>; tries: () => number } {
  let tries = 0;
  const put = () => {
    const error = errors[tries++];
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  };
  return { put, tries: () => tries };
}

const MESSAGE = new Uint8Array(1);

Deno.test("retrying() says it each time when a message may be there twice, and not otherwise", async () => {
  const { put, tries } = failing([new ServerError("no leader."), new OutcomeUnknownError("lost.")]);
  const said: string[] = [];
  const waits: number[] = [];
  const wait = (delayMs: number) => Promise.resolve(void waits.push(delayMs));
  await retrying(put, { retries: 5, warn: (line) => said.push(line), wait })(MESSAGE);
  strictEqual(tries(), 3);
  deepStrictEqual(said, [
    "Message 1 is sent again; it may be in the topic already, once: lost.",
  ]);
  deepStrictEqual(waits, [50, 100]);
});

Deno.test("retrying() gives up after so many, and at once where another try can't help", async () => {
  const wait = () => Promise.resolve();
  const warn = () => {};
  const lost = failing([1, 2, 3].map((n) => new OutcomeUnknownError(`${n}`)));
  await rejects(retrying(lost.put, { retries: 2, warn, wait })(MESSAGE), OutcomeUnknownError);
  strictEqual(lost.tries(), 3);
  for (const error of [new UnknownTopicError("no."), new InvalidRequestError("no.")]) {
    const wrong = failing([error]);
    await rejects(retrying(wrong.put, { retries: 2, warn, wait })(MESSAGE), error);
    strictEqual(wrong.tries(), 1);
  }
  const none = failing([new OutcomeUnknownError("lost.")]);
  await rejects(retrying(none.put, { retries: 0, warn, wait })(MESSAGE), OutcomeUnknownError);
  strictEqual(none.tries(), 1);
});
