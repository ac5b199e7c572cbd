import assert from "node:assert/strict";
import { LeavingNodes } from "./leaving.ts";

Deno.test("LeavingNodes gives who left once, when Raft has it no more", () => {
  const leaving = new LeavingNodes();
  leaving.note(3);
  assert.deepEqual(leaving.takeGone([1, 2, 3]), []);
  assert.deepEqual(leaving.takeGone([1, 2]), [3]);
  assert.deepEqual(leaving.takeGone([1, 2]), []);
});

Deno.test("LeavingNodes lets no node go that came with the id of one that left", () => {
  const leaving = new LeavingNodes();
  leaving.note(3);
  leaving.note(4);
  leaving.keep([1, 2, 3]);
  assert.deepEqual(leaving.takeGone([1, 2]), [4]);
});
