/**
 * Which of the frames that recovery read may be in the page cache only.
 *
 * Each frame says up to where its log was synced when it was written (frame.ts, *lag*): what stands before
 * that is proven to be on disk by a sync that succeeded. What is left is the end of the log, as a rule what
 * the last cycle wrote. write_back.ts makes sure of it.
 *
 * @module
 */

import { copyPoint, type LogPoint } from "./extent.ts";
import type { FrameHeader } from "./frame.ts";
import type { ExtentImage } from "./store_image.ts";

/** Good frames, one behind the other in one extent. */
export interface UnprovenRun {
  readonly logId: number;
  readonly extent: ExtentImage;
  /** Where the first one stands in the extent, and what it begins with. */
  readonly place: number;
  readonly at: LogPoint;
  /** One past the last record. */
  endPosition: number;
}

/** The unproven end of one log, while its frames are read in order. */
export class UnprovenFrames {
  runs: UnprovenRun[] = [];
  readonly #logId: number;
  #syncedPosition = -1;

  constructor(logId: number) {
    this.#logId = logId;
  }

  /** The next good frame, wherever it stands. */
  add(
    extent: ExtentImage,
    { place, at, header }: { place: number; at: LogPoint; header: FrameHeader },
  ): void {
    const syncedPosition = header.firstPosition - header.lag;
    const endPosition = header.firstPosition + header.count;
    const last = this.runs.at(-1);
    const goesOn = last !== undefined && last.extent === extent &&
      last.endPosition === header.firstPosition && syncedPosition <= this.#syncedPosition;
    if (goesOn) {
      last.endPosition = endPosition;
      return;
    }
    if (syncedPosition > this.#syncedPosition) {
      this.#syncedPosition = syncedPosition;
      this.runs = this.runs.filter((run) => run.endPosition > syncedPosition);
    }
    const first = { position: 0, offset: 0, payload: 0 };
    copyPoint(first, at);
    this.runs.push({ logId: this.#logId, extent, place, at: first, endPosition });
  }
}
