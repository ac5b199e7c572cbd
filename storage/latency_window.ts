/**
 * How long the last commits took.
 *
 * @module
 */

/** Commits that are remembered. */
const WINDOW = 1024;

/** The latencies of the last {@link WINDOW} commits. */
export class LatencyWindow {
  readonly #samples = new Float64Array(WINDOW);
  #count = 0;

  add(latencyMs: number): void {
    this.#samples[this.#count++ % WINDOW] = latencyMs;
  }

  /** The latency that this share of the commits did not exceed, in milliseconds; 0 before the first. */
  quantileMs(share: number): number {
    const size = Math.min(this.#count, WINDOW);
    if (size === 0) return 0;
    const sorted = this.#samples.slice(0, size).sort();
    return sorted[Math.min(size - 1, Math.floor(share * size))]!;
  }
}
