/**
 * What a disk loses at once: a sector, or a block of the file system, which is then zeroes. Where frames end zeroes
 * stand as well. The two look alike only where a frame would begin at a sector's beginning: anywhere else the end
 * of the frame before would be lost with it. There it takes more than zeroes for an end.
 *
 * @module
 */

/** The smallest unit that becomes zeroes. */
export const SECTOR_BYTES = 512;
/** The largest one, of those that are looked for: a block of the file system. */
const BLOCK_BYTES = 4096;
/**
 * So much is read where a lost sector would begin: all of it zeroes is an end. What was not lost of the frame, or
 * those behind it, would be in it.
 */
export const LOOK_BEHIND_BYTES: number = 2 * BLOCK_BYTES;

/** Whether what begins at this byte of a file can have been lost without anything before it. */
export function isSectorStart(fileOffset: number): boolean {
  return fileOffset % SECTOR_BYTES === 0;
}
