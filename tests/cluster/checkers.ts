/**
 * What may be read after a history, and what may not.
 *
 * @module
 */

import type { Attempt } from "./history.ts";

/** What is wrong with what was read. */
export interface Problem {
  kind: "lost" | "duplicated" | "reordered" | "phantom" | "resurrected";
  value: string;
  message: string;
}

/**
 * Checks one topic: `read` is everything in it, in order, from a time when nobody wrote any more.
 *
 * - lost: acknowledged, but not there;
 * - duplicated: there more than once;
 * - phantom: there, but nobody tried to write it;
 * - resurrected: there, though its writer was told that it failed;
 * - reordered: there before something that was begun after it had been acknowledged, or, within one
 *   connection, not in the order of its requests.
 */
export function checkTopic(attempts: readonly Attempt[], read: readonly string[]): Problem[] {
  const byValue = new Map(attempts.map((attempt) => [attempt.value, attempt]));
  const seen = new Set<string>();
  const known: Attempt[] = [];
  const problems: Problem[] = [];
  const add = (kind: Problem["kind"], value: string, message: string) =>
    problems.push({ kind, value, message });
  for (const [index, value] of read.entries()) {
    const attempt = byValue.get(value);
    if (seen.has(value)) {
      add("duplicated", value, `again at ${index}`);
      continue;
    }
    seen.add(value);
    if (attempt === undefined) {
      add("phantom", value, `at ${index}, but never sent`);
      continue;
    }
    if (attempt.outcome === "failed") add("resurrected", value, `at ${index}, but was refused`);
    known.push(attempt);
  }
  for (const attempt of attempts) {
    if (attempt.outcome === "ok" && !seen.has(attempt.value)) {
      add("lost", attempt.value, `acknowledged to ${attempt.writer}, but not there`);
    }
  }
  return [...problems, ...checkRealTimeOrder(known), ...checkWriterOrder(attempts, known)];
}

/** Whatever was acknowledged before another was begun stands before it. */
function checkRealTimeOrder(read: readonly Attempt[]): Problem[] {
  const problems: Problem[] = [];
  let latest: Attempt | undefined;
  for (const attempt of read) {
    if (latest !== undefined && latest.startMs > attempt.endMs) {
      problems.push({
        kind: "reordered",
        value: attempt.value,
        message: `was acknowledged before ${latest.value} was begun, but stands behind it`,
      });
    }
    if (latest === undefined || attempt.startMs > latest.startMs) latest = attempt;
  }
  return problems;
}

/** Requests of one connection are stored in their order. */
function checkWriterOrder(attempts: readonly Attempt[], read: readonly Attempt[]): Problem[] {
  const numbers = new Map(attempts.map((attempt, number) => [attempt, number]));
  const lastOf = new Map<string, Attempt>();
  const problems: Problem[] = [];
  for (const attempt of read) {
    const last = lastOf.get(attempt.writer);
    if (last !== undefined && numbers.get(last)! > numbers.get(attempt)!) {
      problems.push({
        kind: "reordered",
        value: attempt.value,
        message: `was sent before ${last.value} on the same connection, but stands behind it`,
      });
    } else {
      lastOf.set(attempt.writer, attempt);
    }
  }
  return problems;
}

/** At most this many problems are spelled out. */
const PROBLEMS_SHOWN_MAX = 10;

/** Problems as text for a failed assertion; "" when there are none. */
export function describeProblems(problems: readonly Problem[]): string {
  const lines = problems.slice(0, PROBLEMS_SHOWN_MAX)
    .map(({ kind, value, message }) => `${kind}: ${value.slice(0, 60)} ${message}`);
  if (problems.length > lines.length) lines.push(`and ${problems.length - lines.length} more`);
  return lines.join("\n");
}
