/**
 * What a canary of the conformance checker is.
 *
 * @module
 */

import type { TraceEvent } from "../../../server/segments/segment_trace.ts";

/** One broken order. */
export interface BrokenOrder {
  /** What the event does that it must not. */
  name: string;
  /** The rule or property that refuses it. */
  rule: string;
  before: TraceEvent[];
  offender: TraceEvent;
  /** Goes on behind `before`, in the offender's place. */
  after: TraceEvent[];
}
