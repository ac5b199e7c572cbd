import assert from "node:assert/strict";
import { SeededRandom } from "./random.ts";

const draw = (random: SeededRandom, count: number) =>
  Array.from({ length: count }, () => random.nextU32());

Deno.test("SeededRandom gives the same numbers for the same seed, others for another", () => {
  assert.deepEqual(draw(new SeededRandom(7), 50), draw(new SeededRandom("7"), 50));
  assert.notDeepEqual(draw(new SeededRandom(7), 50), draw(new SeededRandom(8), 50));
});

Deno.test("SeededRandom.fork() does not depend on what was drawn before", () => {
  const used = new SeededRandom(7);
  draw(used, 100);
  assert.deepEqual(draw(used.fork("disk"), 20), draw(new SeededRandom(7).fork("disk"), 20));
  assert.notDeepEqual(draw(used.fork("disk"), 20), draw(used.fork("net"), 20));
});

Deno.test("SeededRandom.below() hits every value about equally often", () => {
  const random = new SeededRandom("below");
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) {
    const value = random.below(7);
    counts[value] = counts[value]! + 1;
  }
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `counts are ${counts}`);
  assert.equal(random.below(1), 0);
  assert.ok(random.below(2 ** 32) < 2 ** 32);
});

Deno.test("SeededRandom.uuid() has the form of version 4 and does not repeat", () => {
  const random = new SeededRandom("uuid");
  const seen = new Set(Array.from({ length: 1000 }, () => random.uuid()));
  assert.equal(seen.size, 1000);
  for (const uuid of seen) {
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
