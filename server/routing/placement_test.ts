import assert from "node:assert/strict";
import { firstLeader, nextLeader } from "./placement.ts";

Deno.test("nextLeader() goes round the live nodes in the order of their ids", () => {
  assert.equal(nextLeader(1, [3, 1, 2]), 2);
  assert.equal(nextLeader(2, [3, 1, 2]), 3);
  assert.equal(nextLeader(3, [3, 1, 2]), 1);
  assert.equal(nextLeader(10, [2, 9, 10]), 2);
});

Deno.test("nextLeader() passes over the dead, and stays only where nobody else lives", () => {
  assert.equal(nextLeader(1, [1, 3]), 3);
  assert.equal(nextLeader(1, [1]), 1);
});

Deno.test("firstLeader() deals new topics out in turn", () => {
  assert.deepEqual([0, 1, 2, 3].map((topics) => firstLeader(topics, [3, 1, 2])), [1, 2, 3, 1]);
});
