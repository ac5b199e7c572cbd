/**
 * What must hold at every step (paper, figure 3; thesis §6.4 for reads), checked from outside of the
 * cores, with the knowledge of all of them.
 *
 * @module
 */

import type { RaftCore } from "../core.ts";
import type { Entry } from "../messages.ts";
import { quorumValue } from "../quorum.ts";
import type { ModelDisk } from "./durable_model.ts";

/** A property of Raft does not hold. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** One node as the checker sees it; `core` is null while it is down. */
export interface Observed {
  readonly id: number;
  core: RaftCore | null;
  disk: ModelDisk;
}

interface Known {
  readonly prevTerm: number;
  readonly kind: Entry["kind"];
  readonly data: string;
}

interface Committed {
  readonly term: number;
  /** Term of the node that knew first: of the leader that committed it. */
  readonly byTerm: number;
}

interface Applied {
  readonly term: number;
  readonly data: string;
  /** Digest of everything applied up to here. */
  readonly digest: number;
}

/** A digest of a sequence that differs, for all practical purposes, when the sequence does. */
export function chain(digest: number, text: string): number {
  let hash = digest ^ 0x9e3779b9;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export class Checker {
  #leaders = new Map<number, number>();
  /** By index, then term: what stands there in any log, ever. */
  #entries = new Map<number, Map<number, Known>>();
  #committed: Committed[] = [{ term: 0, byTerm: 0 }];
  #applied: Applied[] = [{ term: 0, data: "", digest: 0 }];
  /** The committed index that was last seen on each node, since its start. */
  #seenCommitted = new Map<number, number>();
  #seenTerm = new Map<number, number>();
  #votes = new Map<string, number>();
  #keys = new Map<string, number>();

  /** The largest index that any node knows to be committed. */
  get committed(): number {
    return this.#committed.length - 1;
  }

  digestAt(index: number): number | undefined {
    return this.#applied[index]?.digest;
  }

  keyIndex(key: string): number | undefined {
    return this.#keys.get(key);
  }

  onStart(node: Observed): void {
    this.#seenCommitted.delete(node.id);
    const { hardState } = node.disk.durable;
    const before = this.#seenTerm.get(node.id) ?? 0;
    if (hardState.term < before) {
      fail(`node ${node.id} came back in term ${hardState.term}, it had promised ${before}`);
    }
  }

  /** Log matching: an index and a term name one entry, with one history (figure 3). */
  onEntries(node: Observed, entries: readonly Entry[]): void {
    const { log } = node.core!.state;
    for (const { index, term, kind, data } of entries) {
      const known = { prevTerm: log.termAt(index - 1) ?? -1, kind, data: text(data) };
      let terms = this.#entries.get(index);
      if (terms === undefined) this.#entries.set(index, terms = new Map());
      const other = terms.get(term);
      if (other === undefined) terms.set(term, known);
      else if (
        other.kind !== kind || other.data !== known.data ||
        (other.prevTerm !== known.prevTerm && other.prevTerm !== -1 && known.prevTerm !== -1)
      ) {
        fail(`log matching: entry ${index} of term ${term} is not the same on node ${node.id}`);
      }
    }
  }

  /** A durable vote is not given twice, and a durable term does not go back. */
  onDurable(node: Observed): void {
    const { term, vote } = node.disk.durable.hardState;
    const before = this.#seenTerm.get(node.id) ?? 0;
    if (term < before) fail(`node ${node.id} wrote term ${term} behind term ${before}`);
    this.#seenTerm.set(node.id, term);
    if (vote === 0) return;
    const key = `${node.id}/${term}`;
    const other = this.#votes.get(key);
    if (other !== undefined && other !== vote) {
      fail(`node ${node.id} voted for ${other} and for ${vote} in term ${term}`);
    }
    this.#votes.set(key, vote);
  }

  /** After every step of a node. */
  onStep(node: Observed, all: readonly Observed[]): void {
    const core = node.core!;
    if (core.role === "leader") this.#onLeader(node);
    const { log } = core.state;
    const seen = this.#seenCommitted.get(node.id) ?? 0;
    if (log.committed < seen) fail(`node ${node.id} took back committed entries`);
    if (log.committed === seen) return;
    this.#seenCommitted.set(node.id, log.committed);
    this.#onCommitted(node, seen, all);
  }

  #onLeader(node: Observed): void {
    const { term, state: { log } } = node.core!;
    const other = this.#leaders.get(term);
    if (other === node.id) return;
    if (other !== undefined) fail(`election safety: ${other} and ${node.id} lead term ${term}`);
    this.#leaders.set(term, node.id);
    // Leader completeness: it suffices to look at the last committed entry, by log matching.
    // What a later term committed is no concern of a candidate that wins an old one by a late vote.
    let last = this.committed;
    while (last > 0 && this.#committed[last]!.byTerm >= term) last--;
    if (last <= 0 || log.baseIndex > last) return;
    if (log.termAt(last) !== this.#committed[last]!.term) {
      fail(`leader completeness: ${node.id} leads term ${term} without committed entry ${last}`);
    }
  }

  #onCommitted(node: Observed, from: number, all: readonly Observed[]): void {
    const { log } = node.core!.state;
    let isNew = false;
    for (let index = Math.max(from + 1, log.baseIndex, 1); index <= log.committed; index++) {
      const term = log.termAt(index)!;
      const other = this.#committed[index];
      if (other === undefined) {
        this.#committed[index] = { term, byTerm: node.core!.term };
        isNew = true;
      } else if (index > log.baseIndex || index > 0) {
        if (other.term !== term && index > 0) {
          fail(
            `committed entry ${index} of term ${other.term} is of term ${term} on node ${node.id}`,
          );
        }
      }
    }
    if (!isNew) return;
    this.#checkDurable(node, all);
    const last = log.committed;
    const term = log.termAt(last)!;
    for (const { core, id } of all) {
      if (core === null || core.role !== "leader" || core.term <= node.core!.term) continue;
      if (core.state.log.baseIndex <= last && core.state.log.termAt(last) !== term) {
        fail(
          `leader completeness: entry ${last} is committed, leader ${id} of term ${core.term} lacks it`,
        );
      }
    }
  }

  /** What a leader commits is on the disks of a quorum, at that moment. */
  #checkDurable(node: Observed, all: readonly Observed[]): void {
    const core = node.core!;
    if (core.role !== "leader") return;
    const index = core.state.log.committed;
    const term = core.state.log.termAt(index)!;
    const held = quorumValue(core.state.config, (id) => {
      const disk = all.find((other) => other.id === id)?.disk;
      const onDisk = disk?.termAt(index);
      return onDisk === null || onDisk === term ? 1 : 0;
    });
    if (held < 1) fail(`entry ${index} was committed by ${node.id} without a durable quorum`);
  }

  /** State machine safety: one command at an index, and the same history before it. */
  onApplied(node: Observed, entry: Entry): void {
    const data = entry.kind === "command" ? text(entry.data) : `<${entry.kind}>`;
    const before = this.#applied[entry.index - 1];
    if (before === undefined) {
      fail(`node ${node.id} applied ${entry.index} before anybody knew the one before`);
    }
    const digest = chain(before.digest, `${entry.term}:${data}`);
    const other = this.#applied[entry.index];
    if (other === undefined) {
      this.#applied[entry.index] = { term: entry.term, data, digest };
      if (entry.kind === "command") {
        const twice = this.#keys.get(data);
        if (twice !== undefined) fail(`${data} was applied at ${twice} and at ${entry.index}`);
        this.#keys.set(data, entry.index);
      }
    } else if (other.digest !== digest) {
      fail(
        `state machine safety: at ${entry.index} node ${node.id} applied ${data} of term ${entry.term}, ` +
          `another node ${other.data} of term ${other.term}`,
      );
    }
  }

  onInstalled(node: Observed, index: number, digest: number): void {
    if (this.#applied[index]?.digest !== digest) {
      fail(`node ${node.id} installed a snapshot of ${index} that is not what was applied`);
    }
  }

  onRead(node: Observed, read: { floor: number; index: number }): void {
    if (read.index < read.floor) {
      fail(
        `stale read on node ${node.id}: index ${read.index}, ${read.floor} was committed before`,
      );
    }
  }
}

function text(data: Uint8Array): string {
  let out = "";
  for (let i = 0; i < data.length; i++) out += String.fromCharCode(data[i]!);
  return out;
}

function fail(message: string): never {
  throw new InvariantError(message);
}
