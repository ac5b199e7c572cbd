/**
 * Nodes that were removed from metadata, and are Raft members still: they are spoken to until they are not, so
 * that they learn of their removal.
 *
 * @module
 */

/** Kept by each node. */
export class LeavingNodes {
  readonly #ids: Set<number> = new Set();

  /** Metadata has the node no more. */
  note(id: number): void {
    this.#ids.add(id);
  }

  /** Metadata has these nodes: who came with the id of one that left is not the one that leaves. */
  keep(nodes: Iterable<number>): void {
    if (this.#ids.size > 0) { for (const id of nodes) this.#ids.delete(id); }
  }

  /** Takes out those that are not among Raft's members any more. */
  takeGone(members: readonly number[]): number[] {
    const gone = [...this.#ids].filter((id) => !members.includes(id));
    for (const id of gone) this.#ids.delete(id);
    return gone;
  }
}
