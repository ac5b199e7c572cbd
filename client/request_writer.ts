/**
 * Requests, packed on the client's side (layout: wire.ts).
 *
 * @module
 */

import { FrameWriter } from "./frame_writer.ts";
import { packedBytes } from "./packed_entries.ts";

/** How many topics' `PUT` prefixes a writer keeps encoded. */
const PUT_PREFIXES_MAX = 256;

/** The client's side: packs requests. Topic names must be valid (`isTopicName`); the node checks them. */
export class RequestWriter extends FrameWriter {
  readonly #prefixes = new Map<string, Uint8Array>();

  /** Adds a request without payload, as it is: `METRICS`, `TOPICS`, `NODES`, `REMOVE-NODE 3` … */
  addCommand(text: string): void {
    this.addTextFrame(text);
  }

  /** Adds `REGISTER`, `GET` or `STATE` of a topic. */
  addTopicRequest(command: "REGISTER" | "GET" | "STATE", topic: string): void {
    this.addTextFrame(`${command} ${topic}`);
  }

  addPut(topic: string, payload: Uint8Array): void {
    let prefix = this.#prefixes.get(topic);
    if (prefix === undefined) {
      if (this.#prefixes.size >= PUT_PREFIXES_MAX) this.#prefixes.clear();
      prefix = new TextEncoder().encode(`PUT ${topic} `);
      this.#prefixes.set(topic, prefix);
    }
    this.addPrefixedFrame(prefix, payload);
  }

  /** Adds an `APPEND` of at least one entry. */
  addAppend(topic: string, entries: readonly Uint8Array[]): void {
    const prefix = new TextEncoder().encode(`APPEND ${topic} ${entries.length} `);
    this.addPackedFrame(prefix, entries, packedBytes(entries));
  }

  /** Adds a `FETCH`; limits that are not given are left to the node. */
  addFetch(
    topic: string,
    offset: number,
    limits: { maxEntries?: number; maxBytes?: number; waitMs?: number } = {},
  ): void {
    const { maxEntries, maxBytes, waitMs } = limits;
    let text = `FETCH ${topic} ${offset}`;
    if (maxEntries !== undefined) text += ` count=${maxEntries}`;
    if (maxBytes !== undefined) text += ` bytes=${maxBytes}`;
    if (waitMs !== undefined) text += ` wait=${waitMs}`;
    this.addTextFrame(text);
  }

  addMetrics(): void {
    this.addTextFrame("METRICS");
  }
}
