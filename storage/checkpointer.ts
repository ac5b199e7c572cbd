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
    const sequence = ++this.#sequence;
    const bytes = encodeCheckpoint({ ...image, sequence }, this.#crc);
    this.#lastBytes = bytes.length;
    const before = this.#writing ?? Promise.resolve();
    const writing = before.catch(() => {}).then(() =>
      this.#disk.writeSmall(CHECKPOINT_NAMES[sequence % CHECKPOINT_NAMES.length]!, bytes)
    );
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

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing.catch(() => {});
  }
}
