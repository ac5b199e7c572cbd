/**
 * Who reads when all is over: everything that is left, by offset through every node, and by the shared cursor to its
 * end; and whoever waits for more is woken.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { SimClient } from "./client.ts";
import type { Horizon } from "./horizon.ts";
import type { Machine } from "./machine.ts";
import { OffsetReader } from "./offset_reader.ts";
import type { Shape } from "./shape.ts";
import type { Transcript } from "./transcript.ts";
import type { Workload } from "./workload.ts";

/** How long a client waits for a topic to grow that does grow, simulated time. */
const WAKE_MS = 5000;
const APPEND_RETRY_MS = 100;
/** `GET`s on their way, and how often so many are sent to one node before the next one is asked. */
const DRAIN_DEPTH = 32;
const DRAIN_ROUNDS = 8;

/** What they read with. */
export interface LastReadersParts {
  clock: SimClock;
  network: SimNetwork;
  shape: Shape;
  transcript: Transcript;
  horizon: Horizon;
  machines: readonly Machine[];
  workload: Workload;
  bornAt: (host: string, topic: string) => number;
  onFailure: (message: string) => void;
}

/** One per simulation, once the faults have ended and nobody else writes. */
export class LastReaders {
  readonly #parts: LastReadersParts;
  readonly #reader: OffsetReader;

  constructor(parts: LastReadersParts) {
    this.#parts = parts;
    this.#reader = new OffsetReader({ ...parts, isReading: () => true }, parts.workload);
  }

  /** Whoever waits at the end of a topic, at any node, is woken by what comes; and each node gives all that there is. */
  async wakeAll(): Promise<void> {
    const reader = this.#reader;
    for (const topic of this.#parts.shape.topics) {
      for (const machine of this.#parts.machines) {
        await this.#readThrough(reader, { topic, machine });
      }
      const next = (await this.#endOf(reader, topic))?.next;
      if (next === undefined) continue;
      const waits = this.#parts.machines.map(async (machine) => {
        const client = await this.#connect("waker", machine);
        const request = { topic, reader: "waker", offset: next, limits: { waitMs: WAKE_MS } };
        const outcome = await reader.fetch(client, request);
        client.close();
        if (outcome === "empty") {
          this.#parts.onFailure(`who waits for ${topic} at ${machine.host} is not woken`);
        }
      });
      await sleep(this.#parts.clock, 2 * this.#parts.shape.latencyMs.max + 1);
      await this.#append(topic);
      await Promise.all(waits);
    }
  }

  /** A node whose disk was full finds out by an append that is refused that there is room again. */
  async #append(topic: string): Promise<void> {
    for (;;) {
      const client = await this.#connect("waker", this.#parts.machines[0]!);
      const outcome = await this.#parts.workload.put(client, { topic, writer: "waker", bytes: 0 });
      client.close();
      if (outcome === "ok") return;
      await sleep(this.#parts.clock, APPEND_RETRY_MS);
    }
  }

  async #endOf(
    reader: OffsetReader,
    topic: string,
  ): Promise<{ first: number; next: number } | null> {
    const client = await this.#connect("waker", this.#parts.machines[0]!);
    const offsets = await reader.offsets(client, topic);
    client.close();
    return offsets;
  }

  /** All that is left of a topic, by its offsets, through one node. */
  async #readThrough(
    reader: OffsetReader,
    { topic, machine }: { topic: string; machine: Machine },
  ): Promise<void> {
    const client = await this.#connect("waker", machine);
    const { first, next } = await reader.offsets(client, topic) ?? { first: 0, next: 0 };
    for (let offset = first; offset < next;) {
      const outcome = await reader.fetch(client, { topic, reader: "waker", offset, limits: {} });
      // What a topic need not keep goes at any time.
      const isTrimmed = outcome === "out of range" && offset < this.#parts.horizon.firstOf(topic);
      if (isTrimmed) return await this.#readThrough(reader, { topic, machine });
      if (outcome === "empty" || outcome === "out of range") {
        this.#parts.onFailure(
          `${topic} goes from ${first} to ${next}, and ${offset} is ${outcome}`,
        );
      }
      if (outcome === null || typeof outcome === "string") {
        await sleep(this.#parts.clock, 20);
        if (client.isClosed) return await this.#readThrough(reader, { topic, machine });
      } else offset = outcome.nextOffset;
    }
    client.close();
  }

  /** Takes what is left of each topic, by each node in turn. */
  async drain(): Promise<void> {
    for (const topic of this.#parts.shape.topics) {
      for (let n = 0, empty = 0; empty < this.#parts.machines.length; n++) {
        const machine = this.#parts.machines[n % this.#parts.machines.length]!;
        try {
          const client = await this.#connect("drainer", machine);
          let outcome = "ok";
          for (let i = 0; i < DRAIN_ROUNDS && outcome === "ok"; i++) {
            const takes = await Promise.all(
              Array.from(
                { length: DRAIN_DEPTH },
                () => this.#parts.workload.take(client, { topic, reader: "drainer" }),
              ),
            );
            outcome = takes.at(-1)!.outcome;
          }
          client.close();
          if (outcome === "empty") empty++;
          else empty = 0;
          // Not a storm of errors where one stands in the way.
          if (outcome !== "empty" && outcome !== "ok") await sleep(this.#parts.clock, 20);
        } catch {
          await sleep(this.#parts.clock, 20);
        }
      }
    }
  }

  #connect(from: string, machine: Machine): Promise<SimClient> {
    return SimClient.connect(this.#parts, from, machine.host);
  }
}
