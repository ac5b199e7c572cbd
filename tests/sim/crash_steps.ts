/**
 * A crash at every step of a seal, of a repair, of a trim and of a deletion: one and the same small run again and again, and each time
 * the node that takes the next step (a message that it sends, a write that it hands to its disk) dies in it.
 *
 * The seed is the step's number. Where it is positive, odd steps are power losses and even ones kills; where it is
 * negative it is the other way round. Seed 0 crashes nothing, and tells how many steps there are.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import type { SimClock } from "../../world/sim/mod.ts";
import { TINY_LIMITS } from "../../storage/mod.ts";
import { openSegmentOf } from "../../server/metadata/mod.ts";
import type { Keeper } from "./keeper.ts";
import type { Machine } from "./machine.ts";
import type { Shape } from "./shape.ts";
import type { Transcript } from "./transcript.ts";

/** How long the node that dies at its step stays down. */
const DOWN_MS = 250;
/** Load before anything happens. */
const WARM_UP_MS = 150;

/** What a scenario acts on. */
export interface StepParts {
  clock: SimClock;
  transcript: Transcript;
  machines: readonly Machine[];
  keeper: Keeper;
  /** The step at which to crash; 0: none. */
  seed: number;
}

interface Scenario {
  shape: Partial<Shape>;
  /** Steps count from the first one with this label on; `null`: from any. */
  opensAt: string | null;
  windowMs: number;
  /** What happens besides; `arm` has steps looked at from then on. */
  run: (crasher: StepCrasher, parts: StepParts) => Promise<void>;
}

const CALM: Shape = {
  nodes: 3,
  lateNodes: 0,
  replicationFactor: 3,
  durability: "each",
  maxSegmentEntries: 8,
  maxSegmentBytes: 1024 * 1024,
  monitorCheckMs: 300,
  raftSnapshotEntries: 200,
  storage: { ...TINY_LIMITS, batchBytesMax: 1024 * 1024, recoveryProbeBytes: 4096 },
  reserve: null,
  messageBytes: 1024 * 1024,
  topics: ["t"],
  settings: [],
  producers: 2,
  batchChance: 0.2,
  batchEntriesMax: 3,
  consumers: 1,
  readers: 0,
  trimEveryMs: 0,
  remade: null,
  isEmptied: false,
  depthMax: 2,
  valueBytesMax: 16,
  thinkMsMax: 10,
  latencyMs: { min: 0.05, max: 0.4 },
  diskLatencyMs: { min: 0.05, max: 0.4 },
  clockRates: [1, 1, 1, 1],
  faults: {},
  restartMsMax: DOWN_MS,
  faultPhaseMs: 6000,
  faultEveryMs: 1000,
  mustNotFail: false,
  isBeyondPromise: false,
};

/** What goes in some segments, and little else to wait for. */
const GOING = { maxSegmentEntries: 3, thinkMsMax: 30 } as const;

const SCENARIO_LIST = {
  /** Segments that are full, under load. */
  "steps:rollover": {
    shape: {},
    opensAt: null,
    windowMs: 25,
    run: async (crasher, { clock }) => {
      crasher.arm();
      await sleep(clock, 1000);
    },
  },
  /** The leader of the open segment is killed. */
  "steps:failover": {
    shape: { consumers: 0, maxSegmentEntries: 1000 },
    opensAt: "fence",
    windowMs: 40,
    run: async (crasher, { clock, machines }) => {
      const leader = leaderOf(machines);
      leader.kill();
      crasher.arm();
      await sleep(clock, 2500);
      leader.start();
    },
  },
  /** A node is gone for so long that its segments are copied to another one. */
  "steps:repair": {
    shape: { nodes: 4, maxSegmentEntries: 30, producers: 1, consumers: 0, thinkMsMax: 40 },
    opensAt: "complete",
    windowMs: 60,
    run: async (crasher, { clock, machines }) => {
      const leader = leaderOf(machines);
      const follower = machines.find((machine) => machine !== leader)!;
      follower.kill();
      await sleep(clock, 1000);
      crasher.arm();
      await sleep(clock, 4500);
      follower.start();
    },
  },
  /** The leader of the open segment is stopped in good order. */
  "steps:stop": {
    shape: { maxSegmentEntries: 1000 },
    opensAt: null,
    windowMs: 25,
    run: async (crasher, { clock, machines }) => {
      const leader = leaderOf(machines);
      crasher.arm();
      leader.stop();
      await sleep(clock, 2500);
      leader.start();
    },
  },
  /** A topic of some sealed segments is deleted under load, and made again. */
  "steps:delete": {
    shape: GOING,
    opensAt: null,
    windowMs: 12,
    run: async (crasher, { clock, keeper }) => {
      crasher.arm();
      await keeper.delete("t");
      await keeper.register("t");
      await sleep(clock, 300);
    },
  },
  /** All sealed segments of a topic go, under load. */
  "steps:trim": {
    shape: { ...GOING, readers: 1 },
    opensAt: null,
    windowMs: 14,
    run: async (crasher, { clock, keeper }) => {
      crasher.arm();
      await keeper.trimTo("t", keeper.endOfSealed("t")!);
      await sleep(clock, 300);
    },
  },
} as const satisfies Record<string, Scenario>;

/** One of the runs that are crashed at every step. */
export type ScenarioName = keyof typeof SCENARIO_LIST;

/** By name. */
export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = SCENARIO_LIST;

/** Whether a world's name is a scenario's. */
export function isScenario(name: string): name is ScenarioName {
  return name in SCENARIO_LIST;
}

/** The world of a scenario. */
export function shapeOf(name: ScenarioName): Shape {
  return { ...structuredClone(CALM), ...structuredClone(SCENARIOS[name].shape) };
}

/** Counts steps, and crashes whoever takes the one that its seed names. */
export class StepCrasher {
  readonly #scenario: Scenario;
  readonly #parts: StepParts;
  #isArmed = false;
  #openedMs: number | null = null;
  #steps = 0;

  constructor(name: ScenarioName, parts: StepParts) {
    this.#scenario = SCENARIOS[name];
    this.#parts = parts;
  }

  /** Steps in the window. */
  get steps(): number {
    return this.#steps;
  }

  async run(): Promise<void> {
    await sleep(this.#parts.clock, WARM_UP_MS);
    await this.#scenario.run(this, this.#parts);
  }

  arm(): void {
    this.#isArmed = true;
  }

  /** `machine` is about to do something that another one, or its disk, will know of. */
  onStep(machine: Machine, label: string): void {
    if (!this.#isArmed || machine.state === "off") return;
    const { clock, transcript, seed } = this.#parts;
    const { opensAt, windowMs } = this.#scenario;
    const isOpening = opensAt === null || label.split(" ").includes(opensAt);
    if (this.#openedMs === null && isOpening) this.#openedMs = clock.nowMs();
    if (this.#openedMs === null || clock.nowMs() > this.#openedMs + windowMs) return;
    this.#steps++;
    if (seed === 0) transcript.add("step", `${this.#steps} ${machine.host} ${label}`);
    if (this.#steps !== Math.abs(seed)) return;
    transcript.add("step", `${this.#steps} ${machine.host} dies at ${label}`);
    if ((this.#steps % 2 === 0) === (seed < 0)) machine.crash();
    else machine.kill();
    clock.after(DOWN_MS, () => machine.start());
  }
}

/** The machine that leads the newest open segment that is known. */
function leaderOf(machines: readonly Machine[]): Machine {
  const topics = machines.flatMap((
    { node },
  ) => [...node?.inspect().metadata.topics.values() ?? []]);
  const newest = topics.toSorted((a, b) => openSegmentOf(a).number - openSegmentOf(b).number).at(
    -1,
  );
  return machines[openSegmentOf(newest!).leader - 1]!;
}
