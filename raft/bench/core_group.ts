/**
 * Three cores whose network and disk are the memory: what the core itself costs.
 *
 * @module
 */

import { SeededRandom } from "../../world/sim/mod.ts";
import { bootstrapState, RaftCore } from "../core.ts";
import { decodeMessage, encodeMessage } from "../message_codec.ts";
import type { Message } from "../messages.ts";

export interface GroupOptions {
  /** Every message is encoded and decoded on its way. */
  codec: boolean;
  /** Entries between two snapshots, of a few bytes. */
  snapshotEntries: number;
}

export class CoreGroup {
  readonly cores: RaftCore[];
  readonly #options: GroupOptions;
  #inbox: Message[] = [];
  #applied = [0, 0, 0];
  #snapshotAt = [0, 0, 0];
  messages = 0;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.cores = [1, 2, 3].map((id) =>
      new RaftCore({ id, random: new SeededRandom(id), restored: bootstrapState([1, 2, 3]) })
    );
    this.cores[0]!.campaign();
    this.settle();
  }

  /** Entries that were applied on each node. */
  get applied(): readonly number[] {
    return this.#applied;
  }

  propose(commands: readonly Uint8Array[]): void {
    const result = this.cores[0]!.propose(commands);
    if (!result.ok) throw new Error(`refused: ${result.reason}`);
  }

  /** Until nothing is left to do. */
  settle(): void {
    let isBusy = true;
    while (isBusy) {
      isBusy = false;
      for (let at = 0; at < 3; at++) isBusy = this.#drain(at) || isBusy;
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const message of inbox) {
        this.messages++;
        this.cores[message.to - 1]!.step(
          this.#options.codec ? decodeMessage(encodeMessage(message)) : message,
        );
      }
      isBusy = isBusy || inbox.length > 0;
    }
  }

  #drain(at: number): boolean {
    const core = this.cores[at]!;
    let isBusy = false;
    for (let ready = core.takeReady(); ready !== null; ready = core.takeReady()) {
      isBusy = true;
      this.#inbox.push(...ready.messages);
      if (ready.persist !== null) core.onPersisted(ready.persist.completion);
      this.#inbox.push(...ready.messagesWhenDurable);
      const last = ready.committed[ready.committed.length - 1];
      if (last === undefined) continue;
      this.#applied[at]! += ready.committed.length;
      if (last.index - this.#snapshotAt[at]! < this.#options.snapshotEntries) continue;
      this.#snapshotAt[at] = last.index;
      core.compact(last.index, new Uint8Array(64));
    }
    return isBusy;
  }
}
