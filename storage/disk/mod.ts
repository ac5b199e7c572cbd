/**
 * The real disks: one directory through io_uring or, where that can't be had, through positional file
 * calls; the same bytes on disk and the same promises either way (`world/disk.ts`). Uses `ffi/` and `world/`.
 *
 * @module
 */

export { openDisk, type OpenDiskOptions, type RealDisk } from "./open_disk.ts";
