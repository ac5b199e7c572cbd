import assert from "node:assert/strict";
import type { Entry } from "./messages.ts";
import { SnapshotPolicy } from "./snapshot_policy.ts";

const entry = (size: number): Entry => ({
  index: 1,
  term: 1,
  kind: "command",
  data: new Uint8Array(size),
});

Deno.test("SnapshotPolicy: due by entries, by bytes, and not before the log is worth it", () => {
  const policy = new SnapshotPolicy({ entries: 3, bytes: 1000 });
  policy.onApplied(entry(0));
  policy.onApplied(entry(0));
  assert.ok(!policy.isDue(0));
  policy.onApplied(entry(0));
  assert.ok(policy.isDue(0));
  assert.ok(!policy.isDue(10_000));
  policy.restart();
  policy.onApplied(entry(1500));
  assert.ok(policy.isDue(0));
  assert.ok(policy.isDue(6000));
  assert.ok(!policy.isDue(7000));
});
