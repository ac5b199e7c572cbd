/**
 * Puts a Raft node's state together from the records of its log, in order. Their layout is in
 * durable_log.ts, which writes them.
 *
 * @module
 */

import { ByteReader, MalformedError } from "../world/mod.ts";
import type { RestoredState } from "./core_state.ts";
import { RaftLogCorruptError } from "./errors.ts";
import { readConfiguration } from "./membership.ts";
import { ENTRY_KINDS } from "./message_codec.ts";
import type { Entry, HardState, Snapshot } from "./messages.ts";

/** The first byte of each record. */
export const RECORD_ENTRY = 1;
export const RECORD_HARD_STATE = 2;
export const RECORD_SNAPSHOT_PIECE = 3;
export const RECORD_SNAPSHOT_MARKER = 4;

export class DurableReplay {
  #hardState: HardState | null = null;
  #snapshot: Snapshot | null = null;
  #entries: { entry: Entry; position: number }[] = [];
  #pieces: { index: number; bytes: number; data: Uint8Array[] } | null = null;

  get firstIndex(): number {
    return this.#entries[0]?.entry.index ?? (this.#snapshot?.index ?? 0) + 1;
  }

  positions(): number[] {
    return this.#entries.map(({ position }) => position);
  }

  /** @throws {MalformedError} */
  onRecord(payload: Uint8Array, position: number): void {
    const reader = new ByteReader(payload);
    const type = reader.u8();
    if (type === RECORD_ENTRY) this.#onEntry(reader, position);
    else if (type === RECORD_HARD_STATE) {
      this.#hardState = { term: reader.u64(), vote: reader.u32(), committed: reader.u64() };
    } else if (type === RECORD_SNAPSHOT_PIECE) this.#onPiece(reader);
    else if (type === RECORD_SNAPSHOT_MARKER) this.#onMarker(reader);
    else throw new MalformedError(`record type ${type}`);
  }

  #onEntry(reader: ByteReader, position: number): void {
    const kind = ENTRY_KINDS[reader.u8()];
    if (kind === undefined) throw new MalformedError("entry of an unknown kind");
    const index = reader.u64();
    const term = reader.u64();
    const data = reader.rest().slice();
    const first = this.#entries[0]?.entry.index;
    // What it replaces goes. Before the first one that is left: all of them (their beginning was trimmed).
    if (first !== undefined) {
      this.#entries.length = Math.min(this.#entries.length, Math.max(0, index - first));
    }
    const last = this.#entries[this.#entries.length - 1]?.entry.index;
    if (last !== undefined && index !== last + 1) {
      throw new MalformedError(`entry ${index} behind entry ${last}`);
    }
    this.#entries.push({ entry: { index, term, kind, data }, position });
  }

  #onPiece(reader: ByteReader): void {
    const index = reader.u64();
    const offset = reader.u64();
    const data = reader.rest().slice();
    if (offset === 0) this.#pieces = { index, bytes: 0, data: [] };
    const pieces = this.#pieces;
    // The rest of a snapshot whose beginning was trimmed: a later one follows.
    if (pieces === null || pieces.index !== index || pieces.bytes !== offset) {
      this.#pieces = null;
      return;
    }
    pieces.data.push(data);
    pieces.bytes += data.length;
  }

  #onMarker(reader: ByteReader): void {
    const installed = reader.u8() === 1;
    const index = reader.u64();
    const term = reader.u64();
    const totalBytes = reader.u64();
    const config = readConfiguration(reader);
    const pieces = this.#pieces;
    this.#pieces = null;
    if (installed) this.#entries = [];
    if (pieces === null || pieces.index !== index || pieces.bytes !== totalBytes) {
      // Trimmed in part: only good if a later one follows, which finish() sees.
      this.#snapshot = null;
      return;
    }
    const data = new Uint8Array(totalBytes);
    let at = 0;
    for (const piece of pieces.data) {
      data.set(piece, at);
      at += piece.length;
    }
    this.#snapshot = { index, term, config, data };
  }

  /** `null` when nothing was there. @throws {RaftLogCorruptError} when parts are missing. */
  finish(): RestoredState | null {
    const snapshot = this.#snapshot;
    const base = snapshot?.index ?? 0;
    this.#entries = this.#entries.filter(({ entry }) => entry.index > base);
    const entries = this.#entries.map(({ entry }) => entry);
    if (entries.length > 0 && entries[0]!.index !== base + 1) {
      throw new RaftLogCorruptError(
        `The Raft log begins at entry ${
          entries[0]!.index
        }, but its snapshot ends at ${base}. Remove ` +
          "this node from the cluster, empty its data directory and add it again.",
      );
    }
    if (this.#hardState === null) {
      // Torn at the very first write.
      if (entries.length === 0 && snapshot === null) return null;
      throw new RaftLogCorruptError("The Raft log has entries but no term.");
    }
    return { hardState: this.#hardState, snapshot, entries };
  }
}
