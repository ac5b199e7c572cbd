/**
 * Which configuration counts, given what stands in the log: the last one, committed or not (thesis
 * §4.1). Older ones are kept as long as a truncation may bring them back, or a snapshot may need them.
 *
 * @module
 */

import { assert, ByteReader, ByteWriter } from "../world/mod.ts";
import { type Configuration, readConfiguration, writeConfiguration } from "./membership.ts";
import type { Entry } from "./messages.ts";

interface Place {
  readonly index: number;
  readonly config: Configuration;
}

export class ConfigHistory {
  /** Ascending; the first one is the snapshot's. */
  #places: Place[];

  constructor(base: Place, entries: readonly Entry[]) {
    this.#places = [base];
    for (const entry of entries) this.onAppend(entry);
  }

  /** The one that counts now. */
  get current(): Configuration {
    return this.#places[this.#places.length - 1]!.config;
  }
  /** The index at which it stands in the log. */
  get index(): number {
    return this.#places[this.#places.length - 1]!.index;
  }

  /** The one that counted at `index`. */
  at(index: number): Configuration {
    for (let i = this.#places.length - 1; i >= 0; i--) {
      if (this.#places[i]!.index <= index) return this.#places[i]!.config;
    }
    assert(false, `the configuration at entry ${index} is still known`);
  }

  /** The one that counted at `index`, and all later ones. */
  since(index: number): Configuration[] {
    return this.#places
      .filter((_, i) => i === this.#places.length - 1 || this.#places[i + 1]!.index > index)
      .map(({ config }) => config);
  }

  /** True when the configuration changed. */
  onAppend(entry: Entry): boolean {
    if (entry.kind !== "config" || entry.index <= this.index) return false;
    this.#places.push({ index: entry.index, config: decodeConfiguration(entry.data) });
    return true;
  }

  /** True when the configuration changed back. */
  onTruncate(fromIndex: number): boolean {
    const before = this.#places.length;
    while (this.#places.length > 1 && this.index >= fromIndex) this.#places.pop();
    return this.#places.length < before;
  }

  /** Configurations before the one that counted at `index` can't be asked for again. */
  onCompact(index: number): void {
    while (this.#places.length > 1 && this.#places[1]!.index <= index) this.#places.shift();
  }

  onReset(base: Place): void {
    this.#places = [base];
  }
}

/** The data of a configuration entry. */
export function encodeConfiguration(config: Configuration): Uint8Array {
  const writer = new ByteWriter(64);
  writeConfiguration(writer, config);
  return writer.copy();
}

/** @throws {MalformedError} */
export function decodeConfiguration(data: Uint8Array): Configuration {
  const reader = new ByteReader(data);
  const config = readConfiguration(reader);
  reader.end();
  return config;
}
