import assert from "node:assert/strict";
import { AsksUnderWay } from "./asks_under_way.ts";

Deno.test("AsksUnderWay.over() resolves when the last ask of that node has ended", async () => {
  const asks = new AsksUnderWay();
  const over: number[] = [];
  const wait = (node: number) => asks.over(node).then(() => over.push(node));
  for (const node of [1, 2, 2]) asks.begin(node);
  const waits = [wait(2), wait(3), wait(1)];
  await Promise.resolve();
  assert.deepEqual(over, [3]);
  for (const [node, expected] of [[2, [3]], [1, [3, 1]], [2, [3, 1, 2]]] as const) {
    asks.end(node);
    await Promise.resolve();
    assert.deepEqual(over, expected);
  }
  await Promise.all(waits);
  await asks.over(2);
});
