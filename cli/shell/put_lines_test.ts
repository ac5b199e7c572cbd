import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { OutcomeUnknownError, ServerError } from "../../client/mod.ts";
import { putLines } from "./put_lines.ts";

async function* lines(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    await Promise.resolve();
    yield new TextEncoder().encode(`${i}`);
  }
}

Deno.test("putLines() puts every line in order, with a bound on what is under way", async () => {
  const got: string[] = [];
  let underWay = 0;
  let underWayMax = 0;
  const client = {
    async put(_topic: string, message: Uint8Array | string) {
      got.push(new TextDecoder().decode(message as Uint8Array));
      underWayMax = Math.max(underWayMax, ++underWay);
      await new Promise((resolve) => setTimeout(resolve));
      underWay--;
    },
  };
  strictEqual(await putLines(client, "t", lines(3000)), 3000);
  deepStrictEqual(got, Array.from({ length: 3000 }, (_, i) => `${i}`));
  strictEqual(underWayMax, 1024);
});

Deno.test("putLines() stops at a failure, and says which line and what is sure", async () => {
  const failing = (error: Error) => ({
    put(_topic: string, message: Uint8Array | string) {
      const isBad = new TextDecoder().decode(message as Uint8Array) === "2";
      return isBad ? Promise.reject(error) : Promise.resolve();
    },
  });
  const refused = putLines(failing(new ServerError("no.")), "t", lines(100_000));
  await rejects(
    refused,
    /^FailureError: Line 3: no\. Of \d{1,3} lines sent, \d+ are acknowledged and 1 are not\.$/,
  );
  const lost = putLines(failing(new OutcomeUnknownError("lost.")), "t", lines(3));
  await rejects(lost, /1 are not\. They may be in the topic or not\.$/);
});
