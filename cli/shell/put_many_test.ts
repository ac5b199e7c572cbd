import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { OutcomeUnknownError, ServerError } from "../../client/mod.ts";
import { EXIT, exitCodeOf } from "../exit.ts";
import { putMany } from "./put_many.ts";

const UNIT = { unit: "line" };

async function* lines(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    await Promise.resolve();
    yield new TextEncoder().encode(`${i}`);
  }
}

Deno.test("putMany() puts every message in order, with a bound on what is under way", async () => {
  for (const inFlightMax of [1, 1024]) {
    const got: string[] = [];
    let underWay = 0;
    let underWayMax = 0;
    const put = async (message: Uint8Array) => {
      got.push(new TextDecoder().decode(message));
      underWayMax = Math.max(underWayMax, ++underWay);
      await new Promise((resolve) => setTimeout(resolve));
      underWay--;
    };
    const count = inFlightMax === 1 ? 20 : 3000;
    strictEqual(await putMany(put, lines(count), { ...UNIT, inFlightMax }), count);
    deepStrictEqual(got, Array.from({ length: count }, (_, i) => `${i}`));
    strictEqual(underWayMax, inFlightMax);
  }
});

Deno.test("putMany() stops at a failure, and says which message and what is sure", async () => {
  const failing = (error: Error) => (message: Uint8Array) =>
    new TextDecoder().decode(message) === "2" ? Promise.reject(error) : Promise.resolve();
  await rejects(
    putMany(failing(new ServerError("no.")), lines(100_000), UNIT),
    /^FailureError: Line 3: no\. Of \d{1,3} lines sent, \d+ are acknowledged and 1 are not\.$/,
  );
  await rejects(putMany(failing(new OutcomeUnknownError("lost.")), lines(3), UNIT), (error) => {
    strictEqual(exitCodeOf(error), EXIT.unknown);
    return /1 are not\. These may be in the topic or not\.$/.test((error as Error).message);
  });
});

Deno.test("putMany() says what is acknowledged when its source fails", async () => {
  async function* cutOff() {
    yield* lines(2);
    throw new RangeError("It has more than 5 bytes.");
  }
  await rejects(
    putMany(() => Promise.resolve(), cutOff(), UNIT),
    /^FailureError: Line 3: It has more than 5 bytes\. Of 2 lines sent, 2 are acknowledged and 0/,
  );
});
