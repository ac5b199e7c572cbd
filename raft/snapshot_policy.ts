/**
 * When a snapshot is due: after so many entries, or so many bytes of them; and with a large state not
 * before as many bytes as the last snapshot had, so that snapshots cost a constant part of the writes
 * (thesis §5.1.3).
 *
 * @module
 */

import type { Entry } from "./messages.ts";

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
    this.#bytes += entry.data.length;
  }

  /** One was taken or installed. */
  restart(): void {
    this.#entries = this.#bytes = 0;
  }

  isDue(lastSnapshotBytes: number): boolean {
    return this.#entries >= this.#entriesMax ||
      this.#bytes >= Math.max(this.#bytesMax, lastSnapshotBytes);
  }
}
