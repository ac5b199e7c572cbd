import assert from "node:assert/strict";
import { RealRandom } from "./random.ts";

Deno.test("RealRandom stays in its bounds and does not repeat itself", () => {
  const random = new RealRandom();
  const seen = new Set<number>();
  for (let i = 0; i < 3000; i++) {
    seen.add(random.nextU32());
    assert.ok(random.below(3) < 3);
  }
  assert.ok(seen.size > 2990);
  assert.throws(() => random.below(0));
  assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});
