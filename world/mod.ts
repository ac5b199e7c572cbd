/**
 * The world as interfaces: clock, random, network, disk, logger. Each has a real twin and a simulated
 * one, and nothing above may reach around them (`tests/house_rules_test.ts` looks). This part uses
 * nothing else of Walrus; every other part may use it.
 *
 * @module
 */

export * from "./assert.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./disk.ts";
export * from "./logger.ts";
export * from "./network.ts";
export * from "./random.ts";
export * from "./well_formed.ts";
export * from "./world.ts";
