/**
 * Writes index checkpoints: two in turn while the store runs, both when a run begins.
 *
 * @module
 */

import type { Disk } from "../world/mod.ts";
import { CHECKPOINT_NAMES, encodeCheckpoint } from "./checkpoint.ts";
import type { Crc32c } from "./crc32c.ts";
import type { StoreImage } from "./store_image.ts";

/** The checkpoint files of one store. */
export class Checkpointer {
  readonly #disk: Disk;
  readonly #crc: Crc32c;
  /** Of the newest that was written. */
  #sequence: number;
  #lastBytes = 0;
  #writing: Promise<void> | null = null;

  constructor(options: { disk: Disk; crc: Crc32c; sequence: number }) {
    this.#disk = options.disk;
    this.#crc = options.crc;
    this.#sequence = options.sequence;
  }

  /** Of the newest checkpoint. */
  get lengthBytes(): number {
    return this.#lastBytes;
  }
  get isWriting(): boolean {
    return this.#writing !== null;
  }

  /** Replaces the older of the two. @throws {DiskError} */
  write(image: Omit<StoreImage, "sequence">): Promise<void> {
    const before = this.#writing ?? Promise.resolve();
    const writing = before.catch(() => {}).then(() => this.#replaceOlder(image));
    this.#writing = writing;
    const clear = () => {
      if (this.#writing === writing) this.#writing = null;
    };
    writing.then(clear, clear);
    return writing;
  }

  /**
   * Replaces both: what came before this run must not be recovered from any more. Its frames and the
   * new ones may stand in the same space.
   */
  async writeBoth(image: Omit<StoreImage, "sequence">): Promise<void> {
    await this.write(image);
    await this.write(image);
  }

  /**
   * ⛔ One that could not be written takes no number: the next one takes its place, and not that of the newest.
   * The one before that would be the other of the two then, and the journal that it needs is free.
   */
  async #replaceOlder(image: Omit<StoreImage, "sequence">): Promise<void> {
    const sequence = this.#sequence + 1;
    const bytes = encodeCheckpoint({ ...image, sequence }, this.#crc);
    this.#lastBytes = bytes.length;
    const name = CHECKPOINT_NAMES[sequence % CHECKPOINT_NAMES.length]!;
    await this.#disk.writeSmall(name, bytes);
    this.#sequence = sequence;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing.catch(() => {});
  }
}
