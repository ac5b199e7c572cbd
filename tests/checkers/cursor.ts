/**
 * What consumers of one shared cursor may be given, and what not.
 *
 * @module
 */

/** One `GET` and what came of it. `unknown`: it may have taken an entry that nobody got to see. */
export interface Take {
  readonly topic: string;
  readonly reader: string;
  readonly startMs: number;
  /** When the outcome was known; infinite while it is not. */
  endMs: number;
  outcome: "ok" | "empty" | "failed" | "unknown";
  value: string | null;
}

/** What is wrong with what was taken. */
export interface CursorProblem {
  kind:
    | "delivered twice"
    | "read before commit"
    | "cursor backwards"
    | "skipped"
    | "premature empty";
  value: string;
  message: string;
}

/**
 * Checks the takes of one topic whose entries, in order, are `content` in the end.
 *
 * - delivered twice: two takes got the same entry;
 * - read before commit: a take got what is not in the topic;
 * - cursor backwards: a take that began after another had ended got an earlier entry;
 * - skipped: with `isDrained`, an entry that nobody got, and that no take of unknown outcome can have taken. Those
 *   before `firstOffset` were trimmed: the cursor may have been carried past them.
 */
export function checkCursor(
  takes: readonly Take[],
  content: readonly string[],
  options: { isDrained: boolean; firstOffset?: number },
): CursorProblem[] {
  const problems: CursorProblem[] = [];
  const offsets = new Map(content.map((value, offset) => [value, offset]));
  const delivered = new Map<number, Take>();
  for (const take of takes) {
    if (take.outcome !== "ok") continue;
    const value = take.value!;
    const offset = offsets.get(value);
    if (offset === undefined) {
      const message = `was given to ${take.reader}, but is not in the topic`;
      problems.push({ kind: "read before commit", value, message });
      continue;
    }
    const other = delivered.get(offset);
    if (other) {
      const message = `at ${offset} was given to ${other.reader} and to ${take.reader}`;
      problems.push({ kind: "delivered twice", value, message });
    } else delivered.set(offset, take);
  }
  problems.push(...checkOrder(delivered, content));
  if (options.isDrained) {
    const kept = { content, from: options.firstOffset ?? 0 };
    problems.push(...checkSkips(takes, delivered, kept));
  }
  return problems;
}

/** In real time order of non-overlapping takes the offsets grow. */
function checkOrder(
  delivered: ReadonlyMap<number, Take>,
  content: readonly string[],
): CursorProblem[] {
  const problems: CursorProblem[] = [];
  const byOffset = [...delivered].sort(([a], [b]) => a - b);
  let latest: [number, Take] | null = null;
  for (const [offset, take] of byOffset) {
    // Whoever was given an earlier entry must not have begun after this one had its answer.
    if (latest !== null && latest[1].startMs > take.endMs) {
      problems.push({
        kind: "cursor backwards",
        value: content[latest[0]]!,
        message: `at ${latest[0]} was taken from ${
          latest[1].startMs
        } on, when ${offset} had been given`,
      });
    }
    if (latest === null || take.startMs > latest[1].startMs) latest = [offset, take];
  }
  return problems;
}

/**
 * Each undelivered entry needs a take of its own that may have taken it: one of unknown outcome that did not
 * begin after a later entry had been given away.
 */
function checkSkips(
  takes: readonly Take[],
  delivered: ReadonlyMap<number, Take>,
  { content, from }: { content: readonly string[]; from: number },
): CursorProblem[] {
  const unknown = takes.filter((take) => take.outcome === "unknown")
    .sort((a, b) => a.startMs - b.startMs);
  // From the end: the earliest answer among all later entries bounds when the taker began.
  let boundMs = Infinity;
  const missing: { offset: number; beforeMs: number }[] = [];
  for (let offset = content.length - 1; offset >= from; offset--) {
    const take = delivered.get(offset);
    if (take) boundMs = Math.min(boundMs, take.endMs);
    else missing.push({ offset, beforeMs: boundMs });
  }
  // Earliest bound first, each with the earliest taker left: a greedy match is the largest one.
  const problems: CursorProblem[] = [];
  let next = 0;
  for (const { offset, beforeMs } of missing.reverse()) {
    const candidate = unknown[next];
    if (candidate && candidate.startMs <= beforeMs) next++;
    else {
      problems.push({
        kind: "skipped",
        value: content[offset]!,
        message:
          `at ${offset} was given to nobody (${unknown.length} takes have an unknown outcome)`,
      });
    }
  }
  return problems;
}
