/**
 * Which nodes are being asked for something on behalf of a client, so that one that stops can wait until nobody waits
 * for it. Pure.
 *
 * @module
 */

/** One per node. */
export class AsksUnderWay {
  readonly #counts: Map<number, number> = new Map();
  #waiting: { node: number; resolve: () => void }[] = [];

  begin(node: number): void {
    this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
  }

  end(node: number): void {
    const left = this.#counts.get(node)! - 1;
    if (left > 0) return void this.#counts.set(node, left);
    this.#counts.delete(node);
    if (this.#waiting.length === 0) return;
    const over = this.#waiting.filter((waiting) => waiting.node === node);
    this.#waiting = this.#waiting.filter((waiting) => waiting.node !== node);
    for (const { resolve } of over) resolve();
  }

  /** Resolves when nothing is asked of the node. */
  over(node: number): Promise<void> {
    if (!this.#counts.has(node)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ node, resolve }));
  }
}
