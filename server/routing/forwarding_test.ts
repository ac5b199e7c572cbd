import assert from "node:assert/strict";
import { RecordBatchBuilder, RecordReader } from "../../storage/mod.ts";
import { SimClock } from "../../world/sim/mod.ts";
import {
  METHOD,
  readAppend,
  readAppendUnits,
  writeAppendReply,
  writeAppendUnitsReply,
} from "../messages.ts";
import type { Peers } from "../network/mod.ts";
import { Forwarding } from "./forwarding.ts";

function batchOf(...texts: string[]): RecordBatchBuilder {
  const builder = new RecordBatchBuilder();
  for (const text of texts) builder.add(new TextEncoder().encode(text));
  return builder;
}

/** A leader that takes so many entries of each message, or refuses with an error. */
function setUp(take: number | null | Error) {
  const clock = new SimClock();
  const messages: string[] = [];
  const call = (node: number, method: number, body: Uint8Array) => {
    const isPlain = method === METHOD.append;
    const { topic, segment, batch } = isPlain ? readAppend(body) : readAppendUnits(body);
    const ends = isPlain ? "" : ` ends ${readAppendUnits(body).ends.join(",")}`;
    const texts: string[] = [];
    const reader = new RecordReader(batch.bytes);
    while (reader.next()) texts.push(new TextDecoder().decode(reader.payload()));
    messages.push(`${node} ${topic}/${segment} ${texts.join("|")}${ends}`);
    if (take instanceof Error) return Promise.reject(take);
    const entries = take === null ? null : Math.min(take, batch.entryCount);
    return Promise.resolve(
      isPlain
        ? writeAppendReply(entries)
        : writeAppendUnitsReply(entries === null ? null : { entries, firstOffset: 70 }),
    );
  };
  const forwarding = new Forwarding({ call } as unknown as Peers, clock);
  const append = (
    topic: string,
    batch: RecordBatchBuilder,
    ends: number[] | null = null,
    leader = 2,
  ) => forwarding.append({ topic, segment: 1, leader, batch, ends, timeoutMs: 1000 });
  const all = <T>(promises: Promise<T>[]) =>
    clock.settle(Promise.allSettled(promises), { maxMs: 100 });
  return { append, all, messages };
}

const values = (results: PromiseSettledResult<unknown>[]) =>
  results.map((result) => result.status === "fulfilled" ? result.value : result.reason);

Deno.test("Forwarding sends what one turn brought for a segment in one message", async () => {
  const { append, all, messages } = setUp(100);
  const results = await all([
    append("t", batchOf("a", "b")),
    append("u", batchOf("c")),
    append("t", batchOf("d")),
    append("t", batchOf("e"), null, 3),
  ]);
  assert.deepEqual(messages, ["2 t/1 a|b|d", "2 u/1 c", "3 t/1 e"]);
  assert.deepEqual(values(results).map((value) => (value as { entries: number }).entries), [
    2,
    1,
    1,
    1,
  ]);
});

Deno.test("Forwarding keeps batches whole, and tells each where it stands", async () => {
  const { append, all, messages } = setUp(100);
  const results = await all([
    append("t", batchOf("a", "b"), [2]),
    append("t", batchOf("c")),
    append("t", batchOf("d", "e", "f"), [1, 3]),
  ]);
  assert.deepEqual(messages, ["2 t/1 a|b|d|e|f ends 2,3,5", "2 t/1 c"]);
  assert.deepEqual(values(results), [
    { entries: 2, firstOffset: 70 },
    { entries: 1, firstOffset: 0 },
    { entries: 3, firstOffset: 72 },
  ]);
});

Deno.test("Forwarding deals out what the leader took, and null where it took nothing", async () => {
  const { append, all } = setUp(3);
  const results = await all([
    append("t", batchOf("a", "b"), [1, 2]),
    append("t", batchOf("c", "d"), [1, 2]),
    append("t", batchOf("e"), [1]),
  ]);
  assert.deepEqual(values(results), [
    { entries: 2, firstOffset: 70 },
    { entries: 1, firstOffset: 72 },
    null,
  ]);
  const refused = setUp(null);
  assert.deepEqual(values(await refused.all([refused.append("t", batchOf("a"))])), [null]);
});

Deno.test("Forwarding gives a failure to everybody in the message", async () => {
  const failure = new Error("the connection broke");
  const { append, all } = setUp(failure);
  const results = await all([append("t", batchOf("a")), append("t", batchOf("b"))]);
  assert.deepEqual(values(results), [failure, failure]);
});

Deno.test("Forwarding begins another message before one gets too long", async () => {
  const { append, all, messages } = setUp(10);
  const large = "x".repeat(600_000);
  await all([append("t", batchOf(large)), append("t", batchOf(large)), append("t", batchOf("y"))]);
  assert.deepEqual(messages.map((text) => text.length > 600_000), [true, true]);
  assert.ok(messages[1]!.endsWith("|y"));
});
