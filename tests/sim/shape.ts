/**
 * What a seed decides before anything runs: the cluster, its limits, the wires, the load and the faults.
 *
 * @module
 */

import { type Durability, type StorageLimits, TINY_LIMITS } from "../../storage/mod.ts";
import type { SeededRandom } from "../../world/sim/mod.ts";

/** One simulation's parameters. */
export interface Shape {
  nodes: number;
  replicationFactor: number;
  durability: Durability;
  maxSegmentEntries: number;
  maxSegmentBytes: number;
  monitorCheckMs: number;
  raftSnapshotEntries: number;
  storage: Partial<StorageLimits>;
  topics: string[];
  producers: number;
  consumers: number;
  /** Requests of one client on their way. */
  depthMax: number;
  valueBytesMax: number;
  /** Longest pause of a client between two requests, milliseconds. */
  thinkMsMax: number;
  latencyMs: { min: number; max: number };
  diskLatencyMs: { min: number; max: number };
  /** How much faster or slower than simulated time the nodes' clocks run. */
  clockRates: number[];
  faultPhaseMs: number;
  /** Mean time between two faults, milliseconds. */
  faultEveryMs: number;
}

/** Draws a simulation's parameters. */
export function drawShape(random: SeededRandom): Shape {
  const nodes = random.pick([3, 3, 3, 4, 5]);
  const slow = random.chance(0.25);
  return {
    nodes,
    replicationFactor: random.pick([1, 2, 3, 3, 3, 3, 3]),
    durability: random.pick<Durability>(["each", "each", "each", "each", "none", { ms: 20 }]),
    maxSegmentEntries: 5 + random.below(46),
    maxSegmentBytes: random.chance(0.2) ? 600 : 1024 * 1024,
    monitorCheckMs: random.pick([300, 1000, 10_000]),
    raftSnapshotEntries: random.pick([15, 40, 200, 10_000]),
    // Larger probes than the tiny ones: else a recovery takes seconds of simulated time.
    storage: { ...TINY_LIMITS, batchBytesMax: 1024 * 1024, recoveryProbeBytes: 4096 },
    topics: random.chance(0.3) ? ["t", "u"] : ["t"],
    producers: 1 + random.below(4),
    consumers: random.below(4),
    depthMax: 1 + random.below(6),
    valueBytesMax: random.pick([16, 40, 400]),
    thinkMsMax: random.pick([5, 20, 60]),
    latencyMs: slow ? { min: 0.2, max: 12 } : { min: 0.05, max: 0.6 },
    diskLatencyMs: random.pick([{ min: 0.05, max: 0.4 }, { min: 0.1, max: 3 }, {
      min: 0.5,
      max: 6,
    }]),
    clockRates: Array.from({ length: nodes }, () => random.between(0.95, 1.05)),
    faultPhaseMs: 6_000 + random.below(12_000),
    faultEveryMs: random.pick([150, 500, 1500]),
  };
}
