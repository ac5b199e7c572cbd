/**
 * Where a topic's committed entries are read from, whichever node and segment holds them.
 *
 * @module
 */

/** Packed entries (storage's record format, no control records). */
export interface Entries {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Gives the memory back, once: the bytes are void from then on. Who keeps them need not call it. */
  readonly release?: (() => void) | undefined;
}

/** Reads entries by their offset in the topic. */
export interface EntrySource {
  /**
   * At least one entry from `offset` on, which the caller knows to be committed, and at most
   * `limits.count`; fewer where `limits.maxBytes` (payload bytes) or a segment ends.
   */
  read(offset: number, limits: { count: number; maxBytes: number }): Promise<Entries>;
}
