/**
 * The word that was probably meant.
 *
 * @module
 */

/** More edits than this and it is another word. */
const EDITS_MAX = 2;

/** The candidate nearest to `word`, upper and lower case alike; `undefined` when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const completed = candidates.filter((candidate) => candidate.toLowerCase().startsWith(lower));
  if (completed.length > 0 && lower !== "") return completed[0];
  let best: string | undefined;
  let bestEdits = EDITS_MAX + 1;
  for (const candidate of candidates) {
    const edits = editDistance(lower, candidate.toLowerCase());
    if (edits < bestEdits && edits < candidate.length) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Insertions, deletions and replacements that make `from` to `to` (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
