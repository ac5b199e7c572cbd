import assert from "node:assert/strict";
import type { Entry } from "./messages.ts";
import { SnapshotPolicy } from "./snapshot_policy.ts";

const entry = (size: number): Entry => ({
  index: 1,
  term: 1,
  kind: "command",
  data: new Uint8Array(size),
});

Deno.test("SnapshotPolicy: due by entries, by bytes, and not sooner than the last one was large", () => {
  const policy = new SnapshotPolicy({ entries: 3, bytes: 100 });
  policy.onApplied(entry(0));
  policy.onApplied(entry(0));
  assert.ok(!policy.isDue(0));
  policy.onApplied(entry(0));
  assert.ok(policy.isDue(1e9));
  policy.restart();
  policy.onApplied(entry(150));
  assert.ok(policy.isDue(0));
  assert.ok(!policy.isDue(200));
});
