/**
 * What a node's open segments have taken in, for `METRICS`.
 *
 * @module
 */

import { LatencyWindow } from "../../storage/mod.ts";

/** One per node: counts whole batches, so it costs nothing per message. */
export class AppendMeter {
  readonly #latency = new LatencyWindow();
  #batches = 0;
  #entries = 0;
  #bytes = 0;

  /** A batch was committed, `latencyMs` after it was accepted. */
  add(batch: { entryCount: number; bytes: Uint8Array }, latencyMs: number): void {
    this.#latency.add(latencyMs);
    this.#batches++;
    this.#entries += batch.entryCount;
    this.#bytes += batch.bytes.length;
  }

  /** Since the start; latencies of the last thousand batches. */
  get report(): AppendReport {
    return {
      batches: this.#batches,
      entries: this.#entries,
      bytes: this.#bytes,
      commit_latency_ms: {
        p50: this.#latency.quantileMs(0.5),
        p99: this.#latency.quantileMs(0.99),
        p999: this.#latency.quantileMs(0.999),
      },
    };
  }
}

/** The value of `appends` in `METRICS`. */
export interface AppendReport {
  batches: number;
  entries: number;
  bytes: number;
  commit_latency_ms: { p50: number; p99: number; p999: number };
}
