/**
 * Space that the journal has and a log had not been seen to give up.
 *
 * A log that goes on to another extent cuts the one before to what it uses, and what that sets free may be the
 * journal's next extent in the same cycle. The record of the cut then stands in that extent, and the link to it
 * in the one before: after a crash the link may be on disk and the record not. The cut was made, then, and by
 * nobody else than such a cycle. ⛔ Else two would own the space, and write to it.
 *
 * @module
 */

import type { ExtentImage, LogImage } from "./store_image.ts";

/** Cuts extents of `logs` where one of the journal's begins; those that begin inside of one were empty, and go. */
export function cutForJournal(logs: readonly LogImage[], journal: readonly ExtentImage[]): void {
  const byFile = new Map<number, ExtentImage[]>();
  for (const extent of journal) {
    const others = byFile.get(extent.fileNumber);
    if (others === undefined) byFile.set(extent.fileNumber, [extent]);
    else others.push(extent);
  }
  for (const log of logs) {
    let isAnyGone = false;
    for (const extent of log.extents) {
      for (const taken of byFile.get(extent.fileNumber) ?? []) {
        const isApart = taken.start >= extent.start + extent.sizeBytes ||
          extent.start >= taken.start + taken.sizeBytes;
        if (isApart) continue;
        extent.sizeBytes = Math.max(0, taken.start - extent.start);
        isAnyGone ||= extent.sizeBytes === 0;
      }
    }
    if (isAnyGone) log.extents = log.extents.filter(({ sizeBytes }) => sizeBytes > 0);
  }
}
