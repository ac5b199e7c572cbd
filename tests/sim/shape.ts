/**
 * What a seed decides before anything runs: the cluster, its limits, the wires, the load and the faults.
 *
 * @module
 */

import { type Durability, type StorageLimits, TINY_LIMITS } from "../../storage/mod.ts";
import type { SeededRandom } from "../../world/sim/mod.ts";

/** What the nemesis can do (nemesis.ts). */
export type FaultName =
  | "killOne"
  | "crashOne"
  | "killSome"
  | "crashAll"
  | "pause"
  | "partition"
  | "isolate"
  | "oneWay"
  | "partial"
  | "stall"
  | "ambush"
  | "failSync"
  | "failWrite"
  | "fillDisk"
  | "stopGracefully"
  | "jumpWall"
  | "resetLinks"
  | "raftDeaf"
  | "slowClock"
  | "usurp"
  | "forget"
  | "replaceNode"
  | "loseDisk"
  | "rollingRestart"
  | "blackout"
  | "doubt"
  | "flipBit"
  | "cutFile"
  | "oldFile";

const USUAL_FAULTS: Readonly<Partial<Record<FaultName, number>>> = {
  killOne: 4,
  crashOne: 6,
  killSome: 2,
  crashAll: 1,
  pause: 4,
  partition: 4,
  isolate: 3,
  oneWay: 3,
  partial: 3,
  stall: 3,
  ambush: 8,
  failSync: 1,
  failWrite: 1,
  fillDisk: 1,
  stopGracefully: 2,
  jumpWall: 1,
  resetLinks: 1,
  raftDeaf: 2,
  slowClock: 2,
  usurp: 2,
  forget: 1,
  replaceNode: 1,
  loseDisk: 1,
  blackout: 1,
  rollingRestart: 1,
};

/** What stories share in which recoveries are what matters: the load and the wires are quick. */
const QUICK_FIVE = {
  nodes: 5,
  lateNodes: 0,
  replicationFactor: 3,
  durability: "each",
  clockRates: [1, 1, 1, 1, 1],
  producers: 4,
  thinkMsMax: 10,
  latencyMs: { min: 0.05, max: 0.6 },
} as const satisfies Readonly<Partial<Shape>>;

/** Worlds in which one kind of trouble comes again and again: rules that are rarely needed are needed there. */
export const STORIES = {
  /** A writer that is thought dead lives on beside one replica, and its lease doesn't end. */
  usurper: {
    ...QUICK_FIVE,
    diskLatencyMs: { min: 1, max: 4 },
    faults: { usurp: 1 },
    faultEveryMs: 1500,
    restartMsMax: 50,
  },
  /** A replica that forgets its fence while the recovery goes on that counts on it. */
  doubters: {
    ...QUICK_FIVE,
    consumers: 0,
    diskLatencyMs: { min: 0.5, max: 2 },
    faults: { doubt: 1 },
    faultEveryMs: 1800,
    restartMsMax: 20,
  },
  /** Disks that forget what was acknowledged, one at a time, while the writer dies. */
  forgetful: {
    lateNodes: 0,
    replicationFactor: 3,
    durability: "none",
    producers: 3,
    thinkMsMax: 10,
    faults: { forget: 6, killOne: 1, usurp: 1 },
    faultEveryMs: 1500,
  },
  /** Followers that lag, while the writer and the one that kept up with it die. */
  laggards: {
    lateNodes: 0,
    replicationFactor: 3,
    durability: "each",
    producers: 4,
    thinkMsMax: 10,
    faults: { forget: 6, killOne: 1, ambush: 1 },
    faultEveryMs: 800,
  },
  /** Segments of a few entries, while everything happens. */
  storms: {
    maxSegmentEntries: 3,
    producers: 4,
    thinkMsMax: 5,
    monitorCheckMs: 300,
    faultEveryMs: 400,
  },
  /** Topics that differ in how many nodes hold them, and in when these have synced. */
  mixes: {
    nodes: 4,
    lateNodes: 0,
    durability: "each",
    topics: ["t", "u", "v"],
    settings: ["rf=3 fsync=each", "rf=2 fsync=none", "rf=3 fsync=20ms"],
    faultEveryMs: 500,
  },
  /** Upgrades: one node after the other is stopped and started. Clients see connections that end, and no error. */
  upgrades: {
    lateNodes: 0,
    replicationFactor: 3,
    durability: "each",
    diskLatencyMs: { min: 0.05, max: 0.4 },
    latencyMs: { min: 0.05, max: 0.6 },
    producers: 2,
    consumers: 1,
    depthMax: 2,
    thinkMsMax: 60,
    faults: { rollingRestart: 1 },
    faultEveryMs: 2000,
    mustNotFail: true,
  },
  /** More than is promised: acknowledged entries may be lost, and each loss is told. */
  beyond: {
    lateNodes: 0,
    replicationFactor: 3,
    durability: "none",
    isBeyondPromise: true,
    faults: { blackout: 3, crashAll: 2, crashOne: 3, killSome: 1, forget: 1, ambush: 1 },
    faultEveryMs: 700,
    restartMsMax: 300,
  },
  /** Nodes that are replaced all the time, and disks that are lost. */
  replacements: {
    nodes: 4,
    replicationFactor: 3,
    durability: "each",
    faults: { replaceNode: 3, loseDisk: 3, killOne: 1, crashOne: 1, ambush: 2, partial: 1 },
    faultEveryMs: 800,
    restartMsMax: 1500,
  },
  /** All machines lose power at once, and with it all that was not synced. */
  blackouts: {
    lateNodes: 0,
    replicationFactor: 3,
    durability: "each",
    producers: 4,
    thinkMsMax: 5,
    latencyMs: { min: 0.05, max: 0.6 },
    diskLatencyMs: { min: 2, max: 10 },
    faults: { blackout: 6, crashAll: 1, killOne: 1, failSync: 6 },
    faultEveryMs: 600,
    restartMsMax: 50,
  },
  /** A disk that rots, while other nodes come and go. */
  rot: {
    nodes: 4,
    lateNodes: 0,
    replicationFactor: 3,
    durability: "each",
    faults: { flipBit: 8, cutFile: 2, oldFile: 2, killOne: 2, crashOne: 1, partial: 1, ambush: 1 },
    faultEveryMs: 500,
    restartMsMax: 400,
  },
  /** Topics that are deleted and made again and again, while nodes are away that hold what was in them. */
  remakes: {
    replicationFactor: 3,
    durability: "each",
    topics: ["t"],
    settings: [""],
    remade: { topic: "t", everyMs: 500 },
    trimEveryMs: 1500,
    producers: 3,
    thinkMsMax: 10,
    restartMsMax: 3000,
    faults: { killOne: 3, crashOne: 3, partial: 2, isolate: 2, ambush: 2, pause: 2, raftDeaf: 1 },
    faultEveryMs: 500,
  },
  /** Topics of which only the end is kept. */
  trims: {
    maxSegmentEntries: 6,
    producers: 4,
    thinkMsMax: 10,
    consumers: 1,
    readers: 2,
    trimEveryMs: 100,
    monitorCheckMs: 300,
    faultEveryMs: 500,
  },
  /** Batches that are longer than what is sent at once. */
  batches: {
    replicationFactor: 3,
    durability: "each",
    batchChance: 0.6,
    batchEntriesMax: 24,
    valueBytesMax: 120,
    messageBytes: 300,
    readers: 1,
    producers: 2,
    thinkMsMax: 40,
  },
  /** Nodes that die in the middle of seals and recoveries. */
  ambushes: {
    replicationFactor: 3,
    durability: "each",
    faults: { ambush: 12, killOne: 2, isolate: 1, raftDeaf: 1 },
    faultEveryMs: 300,
    restartMsMax: 800,
  },
  /** Disks that are full again and again, some of them at once; each node holds room back. */
  fullDisks: {
    replicationFactor: 3,
    durability: "each",
    reserve: { bytes: 16 * 1024, aheadBytes: { min: 16 * 1024, max: 64 * 1024 } },
    trimEveryMs: 400,
    faults: { fillDisk: 8, killOne: 2, crashOne: 1, crashAll: 1, partial: 1, ambush: 1 },
    faultEveryMs: 300,
    restartMsMax: 400,
  },
  /** Disks whose syncs fail, processes that go on with what the page cache shows, and then the power goes. */
  failingSyncs: {
    lateNodes: 0,
    durability: "each",
    faults: { failSync: 5, crashOne: 4, killOne: 1 },
    faultEveryMs: 800,
  },
} as const satisfies Record<string, Readonly<Partial<Shape>>>;

/** Not among those that a seed draws. */
const ON_DEMAND: ReadonlySet<string> = new Set(["beyond", "fullDisks"]);

/** One of {@link STORIES}. */
export type StoryName = keyof typeof STORIES;

/** One simulation's parameters. */
export interface Shape {
  nodes: number;
  /** Of these, so many join only while there are faults. */
  lateNodes: number;
  replicationFactor: number;
  durability: Durability;
  maxSegmentEntries: number;
  maxSegmentBytes: number;
  monitorCheckMs: number;
  raftSnapshotEntries: number;
  storage: Partial<StorageLimits>;
  /** What each store holds back for what is vital (storage/reserve.ts); `null`: nothing. */
  reserve: { bytes: number; aheadBytes: { min: number; max: number } } | null;
  /** Of what replicas are sent at once. */
  messageBytes: number;
  topics: string[];
  /** Of the topics, in their order: what `REGISTER` is given besides the name. */
  settings: string[];
  producers: number;
  /** Of their requests, so many are batches: 0 to 1. */
  batchChance: number;
  batchEntriesMax: number;
  consumers: number;
  /** Clients that fetch by offset. */
  readers: number;
  /** Mean time between two trims of some topic, milliseconds; 0: there are none. */
  trimEveryMs: number;
  /** The topic that is deleted and made again, and how often, milliseconds; `null`: none is. */
  remade: { topic: string; everyMs: number } | null;
  /** In the end all topics are deleted, and the disks must be all but empty. */
  isEmptied: boolean;
  /** Requests of one client on their way. */
  depthMax: number;
  valueBytesMax: number;
  /** Longest pause of a client between two requests, milliseconds. */
  thinkMsMax: number;
  latencyMs: { min: number; max: number };
  diskLatencyMs: { min: number; max: number };
  /** How much faster or slower than simulated time the nodes' clocks run. */
  clockRates: number[];
  /** The faults' weights: how often each is drawn. */
  faults: Partial<Record<FaultName, number>>;
  /** How long a node that was killed stays down, at most, milliseconds. */
  restartMsMax: number;
  faultPhaseMs: number;
  /** Mean time between two faults, milliseconds. */
  faultEveryMs: number;
  /** No client may be told of an error, other than that a node starts or stops. */
  mustNotFail: boolean;
  /** Acknowledged entries may be lost where a seal says so. */
  isBeyondPromise: boolean;
}

/** Whether everything that is acknowledged is on disks. */
export function isSynced(shape: Shape): boolean {
  return shape.durability === "each" &&
    shape.settings.every((text) => !/fsync=(?!each)/.test(text));
}

/** On how few nodes a topic may be. */
export function leastReplicas(shape: Shape): number {
  const factors = shape.topics.map((_, index) => {
    const own = /rf=(\d+)/.exec(shape.settings[index] ?? "");
    return own ? Number(own[1]) : shape.replicationFactor;
  });
  return Math.min(...factors);
}

/** Draws a simulation's parameters, within a story where one is given. */
export function drawShape(
  random: SeededRandom,
  options: { story: StoryName | null },
): Shape {
  const nodes = random.pick([3, 3, 3, 4, 5]);
  const slow = random.chance(0.25);
  const lateNodes = random.chance(0.2) ? 1 + random.below(nodes - 1) : 0;
  const durability = random.pick<Durability>(["each", "each", "each", "each", "none", { ms: 20 }]);
  const names = (Object.keys(STORIES) as StoryName[]).filter((name) => !ON_DEMAND.has(name));
  const isStory = random.chance(0.4);
  const drawn = random.pick(names);
  const story = options.story ?? (isStory ? drawn : null);
  const topics = random.chance(0.3) ? ["t", "u"] : ["t"];
  const shape: Shape = {
    nodes,
    // A cluster of one bears no loss of what was not synced.
    lateNodes: durability === "each" ? lateNodes : 0,
    replicationFactor: random.pick([1, 2, 3, 3, 3, 3, 3]),
    durability,
    maxSegmentEntries: 5 + random.below(46),
    maxSegmentBytes: random.chance(0.2) ? 600 : 1024 * 1024,
    monitorCheckMs: random.pick([300, 1000, 10_000]),
    raftSnapshotEntries: random.pick([15, 40, 200, 10_000]),
    // Larger probes than the tiny ones: else a recovery takes seconds of simulated time.
    storage: { ...TINY_LIMITS, batchBytesMax: 1024 * 1024, recoveryProbeBytes: 4096 },
    reserve: null,
    messageBytes: random.pick([300, 2000, 1024 * 1024]),
    topics,
    settings: topics.map(() => random.chance(0.2) ? drawRetention(random) : ""),
    producers: 1 + random.below(4),
    batchChance: random.pick([0, 0.1, 0.3]),
    batchEntriesMax: random.pick([2, 3, 8]),
    consumers: random.below(4),
    readers: random.pick([0, 0, 1, 2]),
    trimEveryMs: random.pick([0, 0, 400, 2000]),
    remade: random.chance(0.25)
      ? { topic: topics.at(-1)!, everyMs: random.pick([600, 2500]) }
      : null,
    isEmptied: random.chance(0.2),
    depthMax: 1 + random.below(6),
    valueBytesMax: random.pick([16, 40, 400]),
    thinkMsMax: random.pick([10, 30, 80]),
    latencyMs: slow ? { min: 0.2, max: 12 } : { min: 0.05, max: 0.6 },
    diskLatencyMs: random.pick([{ min: 0.05, max: 0.4 }, { min: 0.1, max: 3 }, {
      min: 0.5,
      max: 6,
    }]),
    clockRates: Array.from({ length: nodes }, () => random.between(0.95, 1.05)),
    faults: USUAL_FAULTS,
    restartMsMax: random.pick([100, 3000, 3000]),
    faultPhaseMs: 4_000 + random.below(7_000),
    faultEveryMs: random.pick([150, 500, 1500]),
    mustNotFail: false,
    isBeyondPromise: false,
    ...(story && copyOf(STORIES[story])),
  };
  // Clients hear of a topic that is gone; and what is gone can't be told of as lost.
  if (shape.mustNotFail || shape.isBeyondPromise) shape.remade = null;
  if (shape.isBeyondPromise) {
    Object.assign(shape, { trimEveryMs: 0, settings: [], isEmptied: false });
  }
  return shape;
}

function drawRetention(random: SeededRandom): string {
  return random.pick([
    `retention_entries=${5 + random.below(60)}`,
    `retention_bytes=${100 + random.below(3000)}`,
    `retention_ms=${200 + random.below(3000)}`,
    `retention_entries=${5 + random.below(60)} retention_ms=${200 + random.below(3000)}`,
  ]);
}

/** The stories are constants; a shape is its simulation's own. */
function copyOf(story: Readonly<Partial<Shape>>): Partial<Shape> {
  return structuredClone(story);
}
