/**
 * What a disk holds after a list of writes, in the simplest words: the model of durable_log.ts, against
 * which that is tested, and the disk of the simulation.
 *
 * @module
 */

import { EMPTY_STATE } from "../core.ts";
import type { RestoredState } from "../core_state.ts";
import type { Persist } from "../messages.ts";

/** The state after one more write. */
export function applyPersist(state: RestoredState, persist: Persist): RestoredState {
  let { snapshot, entries } = state;
  if (persist.snapshot !== null) {
    snapshot = persist.snapshot.snapshot;
    const { index } = snapshot;
    entries = persist.snapshot.installed ? [] : entries.filter((entry) => entry.index > index);
  }
  const first = persist.entries[0]?.index;
  if (first !== undefined) {
    entries = [...entries.filter((entry) => entry.index < first), ...persist.entries];
    const base = snapshot?.index ?? 0;
    if (first <= base) entries = entries.filter((entry) => entry.index > base);
  }
  return { hardState: persist.hardState ?? state.hardState, snapshot, entries };
}

/** One node's disk: writes become durable in order, a crash loses a tail of those that are not. */
export class ModelDisk {
  durable: RestoredState;
  /** Handed in, not known to be durable. */
  pending: Persist[] = [];

  constructor(initial: RestoredState = EMPTY_STATE) {
    this.durable = initial;
  }

  write(persist: Persist): void {
    this.pending.push(persist);
  }

  /** The oldest write is durable. */
  complete(): Persist {
    const persist = this.pending.shift()!;
    this.durable = applyPersist(this.durable, persist);
    return persist;
  }

  /** Power is lost: the first `kept` of the pending writes had reached the disk. */
  crash(kept: number): void {
    for (let i = 0; i < kept; i++) this.complete();
    this.pending = [];
  }

  /** Term of the entry at `index`; `undefined` where there is none; `null` inside of the snapshot. */
  termAt(index: number): number | null | undefined {
    const { snapshot, entries } = this.durable;
    if (snapshot !== null && index < snapshot.index) return null;
    if (snapshot !== null && index === snapshot.index) return snapshot.term;
    const first = entries[0]?.index;
    return first === undefined ? undefined : entries[index - first]?.term;
  }
}
