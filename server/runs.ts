/**
 * The runs of one data directory, and how the others find out that an older copy of it was put back.
 *
 * Each start of a node is a run, and metadata has the last one that was registered. A run's UUID says which start
 * of its directory it is, and a node tells in the handshake which runs its directory remembers. Were it an older copy,
 * the run that metadata has came after it: its number is too high, or, once starts of the copy have counted as far,
 * the directory doesn't remember it. Pure.
 *
 * | hex digits of a run's UUID | |
 * | ----- | ----- |
 * | 8 | number of the start, from 1 on |
 * | 4 | random |
 * | 1 | 8 (RFC 9562: a UUID of one's own making); 4: random, the run has no number |
 * | 19 | random, but for the variant |
 *
 * @module
 */

/** What a data directory remembers of its earlier runs; in `node.json`, and in the handshake. */
export interface FormerRuns {
  /** The last one that the node has seen registered; `null` before. */
  confirmed: string | null;
  /** Runs that came after it: each of them may have been registered. */
  pending: string[];
}

/** A new directory's, or one of a program that knew nothing of it. */
export const NO_FORMER_RUNS: FormerRuns = { confirmed: null, pending: [] };
/**
 * Starts that are remembered besides, which fit into a handshake. ⛔ None is forgotten that may have been registered: a
 * start beyond them gets no number.
 */
export const PENDING_RUNS_MAX = 40;

const VERSION_AT = 14;

/** Which start of its directory the run is; `null` where it doesn't say. */
export function runNumber(run: string): number | null {
  return run[VERSION_AT] === "8" ? Number.parseInt(run.slice(0, 8), 16) : null;
}

/** The run that comes after those; `uuid`: a random one. */
export function nextRun(former: FormerRuns, uuid: string): string {
  const known = [...former.pending, ...former.confirmed === null ? [] : [former.confirmed]];
  const number = Math.max(0, ...known.map((run) => runNumber(run) ?? 0)) + 1;
  const digits = number.toString(16).padStart(8, "0");
  return `${digits}${uuid.slice(8, VERSION_AT)}8${uuid.slice(VERSION_AT + 1)}`;
}

/** With one more, which is about to be told to others; `null` where too many are pending. */
export function withPending(former: FormerRuns, run: string): FormerRuns | null {
  if (former.pending.length >= PENDING_RUNS_MAX) return null;
  return { ...former, pending: [...former.pending, run] };
}

/**
 * Once `run`, one of those that are pending or a later one without a number, was seen registered. Earlier ones are told
 * by their numbers from then on.
 */
export function withConfirmed({ confirmed, pending }: FormerRuns, run: string): FormerRuns {
  if (runNumber(run) === null) return { confirmed: pending.at(-1) ?? confirmed, pending: [] };
  return { confirmed: run, pending: pending.slice(pending.indexOf(run) + 1) };
}

/**
 * Whether a node comes with an older copy of its directory: `registered` is the run that metadata has of it. Who asks
 * may be behind, and know only a run from before those that the directory still remembers by name.
 */
export function hasGoneBack(
  registered: string,
  node: { runId: string; formerRuns: FormerRuns | null },
): boolean {
  const { formerRuns, runId } = node;
  const number = runNumber(registered);
  if (number === null || formerRuns === null || registered === runId) return false;
  const { confirmed, pending } = formerRuns;
  if (registered === confirmed || pending.includes(registered)) return false;
  return confirmed === null || number >= (runNumber(confirmed) ?? 0);
}

/** What is said of it, on both sides. */
export function goneBackText(id: number): string {
  return `the data directory of node ${id} is an older copy: the cluster has seen a later start of it. ` +
    replaceText(id);
}

/** What to do about a node that must not come back with what it has. */
export function replaceText(id: number): string {
  return `Remove the node (walrus cli remove-node ${id}), empty its data directory and start it ` +
    `with --join`;
}
