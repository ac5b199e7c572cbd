/**
 * When a snapshot is due: after so many entries, or so many bytes of them; and with a large state not
 * before the log has grown to a share of the last snapshot, so that snapshots cost at most a few times what
 * the entries cost (thesis §5.1.3).
 *
 * @module
 */

import type { Entry } from "./messages.ts";
import { entryBytes } from "./raft_log.ts";

/** The log grows to the last snapshot's size divided by this. */
const LOG_SHARE = 4;

export class SnapshotPolicy {
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  #entries = 0;
  #bytes = 0;

  constructor(options: { entries: number; bytes: number }) {
    this.#entriesMax = options.entries;
    this.#bytesMax = options.bytes;
  }

  onApplied(entry: Entry): void {
    this.#entries++;
    this.#bytes += entryBytes(entry);
  }

  /** One was taken or installed. */
  restart(): void {
    this.#entries = this.#bytes = 0;
  }

  isDue(lastSnapshotBytes: number): boolean {
    return (this.#entries >= this.#entriesMax || this.#bytes >= this.#bytesMax) &&
      this.#bytes >= lastSnapshotBytes / LOG_SHARE;
  }
}
