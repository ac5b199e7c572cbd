import assert from "node:assert/strict";
import { firstLeader, nextLeader, placeReplicas } from "./placement.ts";

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

Deno.test("placeReplicas() takes the leader and those behind it, as many as are wished and there", () => {
  const all = [1, 2, 3, 4];
  const place = (leader: number, replicationFactor: number) =>
    placeReplicas(leader, { live: all, all, replicationFactor });
  assert.deepEqual(place(2, 3), [2, 3, 4]);
  assert.deepEqual(place(4, 3), [4, 1, 2]);
  assert.deepEqual(place(1, 1), [1]);
  assert.deepEqual(place(3, 9), [3, 4, 1, 2]);
});

Deno.test("placeReplicas() prefers live nodes, and fills up with those that are down", () => {
  const all = [1, 2, 3, 4];
  assert.deepEqual(placeReplicas(1, { live: [1, 3, 4], all, replicationFactor: 3 }), [1, 3, 4]);
  assert.deepEqual(placeReplicas(1, { live: [1, 4], all, replicationFactor: 3 }), [1, 4, 2]);
});
