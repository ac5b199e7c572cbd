/**
 * The real twins of the world's interfaces: the machine's clock, random source and TCP, and log lines
 * on stderr or in a file. The real disks are in `storage/disk/`, beside the shim that one of them
 * uses. Only the places that put a process together (`main.ts`, `cli/`, `server/`'s entry) and tests
 * import this; a core never does.
 *
 * @module
 */

export * from "./clock.ts";
export * from "./logger.ts";
export * from "./network.ts";
export * from "./random.ts";
