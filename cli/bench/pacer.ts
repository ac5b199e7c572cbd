/**
 * Turns the wheel of open-loop load.
 *
 * @module
 */

/** Calls `turn` as often as the event loop comes round, until it is stopped. */
export class Pacer {
  readonly #turn: () => void;
  #isStopped = false;

  constructor(turn: () => void) {
    this.#turn = turn;
  }

  /**
   * Resolves after `stop()`. It keeps a core busy: a timer fires up to two milliseconds late here, which
   * would be counted as the node's latency.
   */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      this.#turn();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  stop(): void {
    this.#isStopped = true;
  }
}
