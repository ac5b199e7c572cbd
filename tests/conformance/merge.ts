/**
 * Puts the traces of several nodes into one order that the checker accepts, or finds that there is none.
 *
 * Each node's events are in their order; between nodes nothing is known of time. So whatever event of any node
 * is enabled goes next. It does not matter which: what an action asks for of its own node is in that node's
 * order, and what it asks for of others (a record was streamed, an answer given, a command committed, a length
 * acknowledged) stays true once it is. An event that can't be taken now is tried again when others have moved on;
 * when no node's next event is enabled, somebody did what the specification forbids.
 *
 * @module
 */

import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import { ConformanceChecker } from "./checker.ts";

/** What came of a merge. */
export interface MergeResult {
  accepted: number;
  /** In the order in which they were accepted. */
  order: TraceEvent[];
  /** `null`: all were accepted. */
  problem: string | null;
  checker: ConformanceChecker;
}

const RESTART = '{"kind":"restart"';

/**
 * Events of one node, one JSON object a line. A kill may cut a line short: what it told is left out, and the
 * next process begins in the middle of the line.
 */
export function parseTrace(text: string): TraceEvent[] {
  const events: TraceEvent[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const restart = line.indexOf(RESTART, 1);
    if (line.endsWith("}")) events.push(JSON.parse(restart < 0 ? line : line.slice(restart)));
  }
  return events;
}

/** Checks traces together, one for each node. */
export function mergeTraces(traces: readonly (readonly TraceEvent[])[]): MergeResult {
  const checker = new ConformanceChecker();
  const order: TraceEvent[] = [];
  const next = traces.map(() => 0);
  for (;;) {
    let isStuck = true;
    const refusals: string[] = [];
    for (const [i, trace] of traces.entries()) {
      for (; next[i]! < trace.length; next[i]!++) {
        const event = trace[next[i]!]!;
        const refusal = checker.accept(event);
        if (refusal !== null) {
          refusals.push(checker.describe(event, refusal));
          if (!refusal.isFinal) break;
          return { accepted: order.length, order, problem: refusals.at(-1)!, checker };
        }
        order.push(event);
        isStuck = false;
      }
    }
    if (next.every((at, i) => at === traces[i]!.length)) {
      return { accepted: order.length, order, problem: null, checker };
    }
    if (isStuck) return { accepted: order.length, order, problem: refusals.join("\n"), checker };
  }
}
