import assert from "node:assert/strict";
import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import { BROKEN_ORDERS } from "./canaries/mod.ts";
import { ConformanceChecker } from "./checker.ts";

function acceptAll(checker: ConformanceChecker, events: readonly TraceEvent[]): void {
  for (const event of events) {
    const refusal = checker.accept(event);
    if (refusal) assert.fail(checker.describe(event, refusal));
  }
}

for (const { name, rule, before, offender, after } of BROKEN_ORDERS) {
  Deno.test(`The conformance checker refuses it: ${name} (${rule})`, () => {
    const checker = new ConformanceChecker();
    acceptAll(checker, before);
    const refusal = checker.accept(offender);
    assert.equal(refusal?.rule, rule, refusal?.why ?? "it was accepted");
    // A refused event has changed nothing.
    if (!refusal!.isFinal) acceptAll(checker, after);
    const without = new ConformanceChecker();
    acceptAll(without, [...before, ...after]);
  });
}
