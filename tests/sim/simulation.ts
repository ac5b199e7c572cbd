/**
 * A whole cluster from one seed: real nodes on simulated machines, clients, faults; then the faults stop and
 * everything must come back within a bound; then everything is compared.
 *
 * @module
 */

import { sleep } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimNetwork, SimStalledError } from "../../world/sim/mod.ts";
import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import { ConformanceChecker } from "../conformance/checker.ts";
import { Chronicle } from "./chronicle.ts";
import { SimClient } from "./client.ts";
import { Horizon } from "./horizon.ts";
import { Keeper } from "./keeper.ts";
import { noLosses } from "./losses.ts";
import { Machine, RAFT_PORT } from "./machine.ts";
import { Nemesis } from "./nemesis.ts";
import { Operator } from "./operator.ts";
import { firstOffsetOf } from "../../server/metadata/mod.ts";
import { LastReaders } from "./last_readers.ts";
import {
  findLeftover,
  findOtherMetadata,
  findPartialReplica,
  findRottenReplica,
  MetadataChecker,
  readTopic,
  type TopicContent,
} from "./replicas_checker.ts";
import { framesIn, joinFrames } from "./rpc_tap.ts";
import { drawShape, type Shape, type StoryName } from "./shape.ts";
import { isScenario, type ScenarioName, shapeOf, StepCrasher } from "./crash_steps.ts";
import { checkHistory } from "./topic_history.ts";
import { Transcript } from "./transcript.ts";
import { Workload } from "./workload.ts";

/** Simulated time for a cluster to form. */
const FORM_MS_MAX = 60_000;
/** Simulated time within which, without faults, every node must take every request again. */
const RECOVERY_MS_MAX = 20_000;
/** Simulated time within which, without faults, all sealed replicas must be whole. */
const WHOLE_MS_MAX = 30_000;
const DRAIN_MS_MAX = 60_000;
/** For a few thousand entries, one by one where the network is slow. */
const READ_MS_MAX = 180_000;
/** Simulated time within which, without faults, all disks are rid of what was trimmed and deleted. */
const TIDY_MS_MAX = 60_000;
/** Between two attempts to have a node take an entry, milliseconds. */
const PROBE_PAUSE_MS = 20;
/** Simulated time within which, without faults, a node is replaced. */
const OPERATOR_MS_MAX = 120_000;
/** How often what the nodes know is compared. */
const CHECK_MS = 25;
/** Between two looks at replicas that may have rotted. */
const SCRUB_MS = 500;
const PROBLEMS_SHOWN_MAX = 8;
/** Events of one simulation: some 50 times what the longest takes. One that runs away ends in words. */
const STEPS_MAX = 5_000_000;

/** A world of its own: one kind of trouble, or a run that is crashed at the step that the seed names. */
export type WorldName = StoryName | ScenarioName;

/** What to simulate. */
export interface SimOptions {
  seed: number | string;
  /** The world that it plays in, where that is not left to the seed. */
  story?: WorldName | null;
  /** Gets a line for every event. */
  onLine?: (line: string) => void;
  /**
   * What a step that is not the specification's comes to. `fails`: the run ends there, and the seed fails. `noted`:
   * it goes on, so that those who look from outside find what they find.
   */
  refusals?: "fails" | "noted";
  /** Gets what the nodes do in the specification's words. */
  onSpecEvent?: (event: TraceEvent) => void;
}

/** What a simulation came to. */
export interface SimResult {
  seed: number | string;
  /** What went wrong, in words; empty when nothing did. */
  problems: string[];
  /** The first step that is not the specification's, in words; `null`: none. */
  refusal: string | null;
  /** Equal for two runs of the same seed. */
  digest: string;
  simulatedMs: number;
  recoveryMs: number;
  puts: number;
  acknowledged: number;
  taken: number;
  /** Answers to `FETCH` that brought entries. */
  fetched: number;
  batches: number;
  sealed: number;
  /** Segments that were trimmed. */
  trimmed: number;
  /** Topics that were deleted. */
  deleted: number;
  /** Segments whose seal says that acknowledged entries may be missing. */
  alarms: number;
  /** Acknowledged entries that are gone, as such a seal says: only where more is done than is promised to bear. */
  lost: number;
  faults: Record<string, number>;
  /** Of a run that is crashed at every step: how many there were. */
  steps: number;
  /** The last lines of the transcript. */
  lines: readonly string[];
}

/** Runs one seed to its end. Never rejects for what a node did wrong: see {@link SimResult.problems}. */
export async function simulate(options: SimOptions): Promise<SimResult> {
  const simulation = new Simulation(options);
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    simulation.fail(`unhandled rejection: ${event.reason?.stack ?? event.reason}`);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  try {
    return await simulation.run();
  } finally {
    globalThis.removeEventListener("unhandledrejection", onRejection);
  }
}

/** Ends a simulation whose outcome is known. */
class GivenUpError extends Error {
  override readonly name = "GivenUpError";
}

class Simulation {
  readonly #seed: number | string;
  readonly #clock = new SimClock({ stepsMax: STEPS_MAX });
  readonly #random: SeededRandom;
  readonly #shape: Shape;
  readonly #network: SimNetwork;
  readonly #transcript: Transcript;
  readonly #machines: Machine[] = [];
  readonly #chronicle: Chronicle;
  readonly #horizon: Horizon;
  readonly #workload: Workload;
  readonly #keeper: Keeper;
  readonly #operator: Operator;
  readonly #nemesis: Nemesis;
  readonly #steps: StepCrasher | null;
  readonly #metadata: MetadataChecker;
  readonly #problems: string[] = [];
  readonly #conformance = new ConformanceChecker();
  readonly #refusals: "fails" | "noted";
  #refusal: string | null = null;
  #recoveryMs = 0;
  #lost = 0;

  constructor(options: SimOptions) {
    this.#seed = options.seed;
    this.#refusals = options.refusals ?? "fails";
    const story = options.story ?? null;
    const scenario = story !== null && isScenario(story) ? story : null;
    const random = this.#random = new SeededRandom(`walrus ${scenario ?? options.seed}`);
    const shape = this.#shape = scenario !== null
      ? shapeOf(scenario)
      : drawShape(random.fork("shape"), { story: story as StoryName | null });
    const clock = this.#clock;
    this.#transcript = new Transcript(() => clock.nowMs(), options.onLine);
    const transcript = this.#transcript;
    this.#network = new SimNetwork(clock, random.fork("network"), {
      latencyMsMin: shape.latencyMs.min,
      latencyMsMax: shape.latencyMs.max,
    });
    const network = this.#network;
    const surroundings = {
      clock,
      network,
      random,
      shape,
      transcript,
      onFailure: (message: string) => this.fail(message),
      onSpecEvent: (event: TraceEvent) => {
        this.#onSpecEvent(event);
        options.onSpecEvent?.(event);
      },
      onBytes: (machine: Machine, remote: string, bytes: Uint8Array) =>
        this.#onBytes(machine, remote, bytes),
      onDisk: (machine: Machine, call: string) => this.#steps?.onStep(machine, call),
    };
    for (let id = 1; id <= shape.nodes; id++) {
      const join = id === 1 ? null : { host: "n1", port: RAFT_PORT };
      this.#machines.push(new Machine(id, join, surroundings));
    }
    const machines = this.#machines;
    const hosts = machines.map((machine) => machine.host);
    const onFailure = (message: string) => this.fail(message);
    const chronicle = this.#chronicle = new Chronicle({
      onTrim: (trim) => this.#keeper.onTrim(trim),
      onFailure,
    });
    const horizon = this.#horizon = new Horizon({ clock, chronicle, shape });
    const of = { clock, network, shape, transcript, hosts, horizon, onFailure };
    this.#keeper = new Keeper({ ...of, random: random.fork("keeper"), chronicle });
    this.#workload = new Workload({
      ...of,
      random: random.fork("load"),
      bornAt: (host, topic) => this.#bornAt(host, topic),
      onError: (message) => shape.mustNotFail && this.fail(message),
    });
    this.#metadata = new MetadataChecker(() => clock.nowMs(), onFailure);
    this.#operator = new Operator({ clock, network, transcript, machines, onFailure });
    this.#nemesis = new Nemesis({
      operator: this.#operator,
      clock,
      network,
      random: random.fork("faults"),
      shape,
      transcript,
      machines,
      isWhole: () => findPartialReplica(machines) === null,
    });
    this.#steps = scenario && new StepCrasher(scenario, {
      clock,
      transcript,
      machines,
      keeper: this.#keeper,
      seed: Number(options.seed),
    });
    transcript.add("shape", JSON.stringify(shape));
  }

  /** Notes something that must not be. */
  fail(message: string): void {
    this.#transcript.add("FAILED", message);
    this.#problems.push(message);
  }

  async run(): Promise<SimResult> {
    try {
      await this.#phases();
    } catch (error) {
      if (!(error instanceof GivenUpError)) {
        this.fail(`uncaught at ${this.#clock.nowMs().toFixed(0)} ms: ${(error as Error).stack}`);
      }
    }
    for (const machine of this.#machines) machine.kill();
    const { history, seen, sent, takes } = this.#workload;
    return {
      seed: this.#seed,
      problems: this.#problems,
      refusal: this.#refusal,
      digest: this.#transcript.digest,
      simulatedMs: this.#clock.nowMs(),
      recoveryMs: this.#recoveryMs,
      puts: history.attempts.length,
      acknowledged: history.count("ok"),
      taken: takes.filter((take) => take.outcome === "ok").length,
      fetched: seen.length,
      batches: sent.filter(({ offset }) => offset !== null).length,
      sealed: this.#metadata.sealed,
      trimmed: this.#chronicle.trimmed,
      deleted: this.#chronicle.deleted,
      alarms: this.#metadata.alarms,
      lost: this.#lost,
      faults: Object.fromEntries(this.#nemesis.counts),
      steps: this.#steps?.steps ?? 0,
      lines: this.#transcript.lines,
    };
  }

  async #phases(): Promise<void> {
    await this.#form();
    this.#monitor();
    this.#workload.start();
    this.#keeper.start();
    await this.#settle(
      "the fault phase",
      this.#steps?.run() ?? this.#nemesis.run(),
      2 * this.#shape.faultPhaseMs + 10_000,
    );
    this.#nemesis.end();
    this.#keeper.stop();
    this.#transcript.add("phase", "faults have ended");
    const isMended = () => this.#nemesis.isSettled && !this.#operator.isBusy;
    await this.#until("the operator is done", isMended, OPERATOR_MS_MAX);
    const endedMs = this.#clock.nowMs();
    await this.#settle("all topics are there", this.#keeper.settle(), RECOVERY_MS_MAX);
    await this.#settle("every node takes entries again", this.#acceptAll(), RECOVERY_MS_MAX);
    this.#recoveryMs = this.#clock.nowMs() - endedMs;
    this.#workload.stopProducers();
    this.#workload.stopConsumers();
    await this.#until("clients end", () => this.#workload.running === 0, DRAIN_MS_MAX);
    const readers = this.#lastReaders();
    await this.#settle("all that waits is woken", readers.wakeAll(), DRAIN_MS_MAX);
    await this.#settle("topics are read to their end", readers.drain(), READ_MS_MAX);
    await this.#settle("rotten replicas are mended", this.#scrub(), WHOLE_MS_MAX);
    const isWhole = () => (partial = findPartialReplica(this.#machines)) === null;
    let partial: string | null = null;
    await this.#until(() => `sealed replicas are whole (${partial})`, isWhole, WHOLE_MS_MAX);
    const isTidy = () => (untidy = this.#findUntidy()) === null;
    let untidy: string | null = null;
    await this.#until(() => `nodes are rid of what is gone (${untidy})`, isTidy, TIDY_MS_MAX);
    for (const machine of this.#machines) this.#metadata.checkAll(machine);
    await this.#settle("replicas are compared", this.#compare(), DRAIN_MS_MAX);
    if (this.#shape.isEmptied) await this.#empty();
  }

  /** Starts all nodes, waits until they know each other, and registers the topics. */
  async #form(): Promise<void> {
    const first = this.#machines.slice(0, Math.max(1, this.#shape.nodes - this.#shape.lateNodes));
    for (const machine of first) machine.start();
    const knowsAll = (machine: Machine) =>
      machine.node?.inspect().metadata.nodes.size === first.length;
    await this.#until("the cluster forms", () => first.every(knowsAll), FORM_MS_MAX);
    const register = async () => {
      for (const topic of this.#shape.topics) await this.#keeper.register(topic);
    };
    await this.#settle("topics are registered", register(), FORM_MS_MAX);
  }

  #monitor(): void {
    this.#clock.after(CHECK_MS, () => {
      for (const machine of this.#machines) this.#metadata.check(machine);
      this.#monitor();
    });
  }

  /** Until each node has taken an entry for each topic. */
  async #acceptAll(): Promise<void> {
    for (const machine of this.#machines) {
      if (machine.state === "refused") {
        this.fail(`${machine.host} is refused: ${machine.refusal}`);
        throw new GivenUpError();
      }
      for (const topic of this.#shape.topics) {
        for (let n = 1;; n++) {
          try {
            const client = await this.#connect("prober", machine);
            const writer = `prober-${machine.host}-${n}`;
            const outcome = await this.#workload.put(client, { topic, writer, bytes: 0 });
            client.close();
            if (outcome === "ok") break;
          } catch {
            // It does not run yet.
          }
          await sleep(this.#clock, PROBE_PAUSE_MS);
        }
      }
    }
  }

  /** Reads everything where a disk may have rotted, until nothing is: what is found must be mended. */
  async #scrub(): Promise<void> {
    for (const machine of this.#machines.filter(({ isRotten }) => isRotten)) {
      for (;;) {
        const rotten = await findRottenReplica(machine);
        if (rotten === null) break;
        this.#transcript.add("scrub", rotten);
        await sleep(this.#clock, SCRUB_MS);
      }
    }
  }

  async #compare(): Promise<void> {
    const { seen, sent, takes } = this.#workload;
    for (const name of this.#shape.topics) {
      const ofTopic = <T extends { topic: string }>(all: readonly T[]) =>
        all.filter(({ topic }) => topic === name);
      const { entries, firstOffset, problems } = await this.#readLeft(name);
      const report = checkHistory({
        topic: name,
        chronicle: this.#chronicle,
        sent: ofTopic(sent),
        seen: ofTopic(seen),
        takes: ofTopic(takes),
        left: { firstOffset, entries },
        losses: this.#shape.isBeyondPromise ? this.#metadata.lossesOf(name) : noLosses(),
      });
      this.#lost += report.lost;
      for (const problem of [...problems, ...report.problems].slice(0, PROBLEMS_SHOWN_MAX)) {
        this.fail(`${name}: ${problem}`);
      }
    }
  }

  /** What replicas hold of a topic; once more where some of it goes meanwhile, since it need not be kept. */
  async #readLeft(name: string): Promise<TopicContent & { firstOffset: number }> {
    for (;;) {
      const topic = this.#chronicle.state.topics.get(name);
      if (topic === undefined) throw new Error(`nobody knows topic ${name}`);
      const firstOffset = firstOffsetOf(topic);
      const asItIs = { ...topic, segments: [...topic.segments] };
      try {
        const content = await readTopic(this.#machines, asItIs);
        if (firstOffsetOf(topic) === firstOffset) return { ...content, firstOffset };
      } catch (error) {
        if (firstOffsetOf(topic) === firstOffset) throw error;
      }
    }
  }

  /** What keeps the nodes from being done with all that was trimmed and deleted; `null`: nothing. */
  #findUntidy(): string | null {
    const { state } = this.#chronicle;
    return findLeftover(this.#machines, state) ?? findOtherMetadata(this.#machines, state);
  }

  /** Deletes everything: the disks' space comes back. */
  async #empty(): Promise<void> {
    const deleteAll = async () => {
      for (const topic of this.#shape.topics) {
        while (!await this.#keeper.delete(topic)) await sleep(this.#clock, 20);
      }
    };
    await this.#settle("all topics are deleted", deleteAll(), DRAIN_MS_MAX);
    const isTidy = () => (untidy = this.#findUntidy()) === null;
    let untidy: string | null = null;
    await this.#until(() => `what was deleted is gone (${untidy})`, isTidy, TIDY_MS_MAX);
    this.#transcript.add("emptied", this.#machines.map(({ drive }) => drive.usedBytes).join(" "));
  }

  #lastReaders(): LastReaders {
    return new LastReaders({
      clock: this.#clock,
      network: this.#network,
      shape: this.#shape,
      transcript: this.#transcript,
      horizon: this.#horizon,
      machines: this.#machines,
      workload: this.#workload,
      bornAt: (host, topic) => this.#bornAt(host, topic),
      onFailure: (message) => this.fail(message),
    });
  }

  /** The life of a topic that the node on that host knows; where it runs none, any. */
  #bornAt(host: string, topic: string): number {
    const node = this.#machines.find((machine) => machine.host === host)?.node;
    const metadata = node?.inspect().metadata;
    return metadata?.topics.get(topic)?.bornSegment ?? metadata?.firstSegmentOf(topic) ?? 0;
  }

  #connect(from: string, machine: Machine): Promise<SimClient> {
    return SimClient.connect({ clock: this.#clock, network: this.#network }, from, machine.host);
  }

  /** ⛔ Holds every step to spec/Walrus.tla. Behind a refusal the state is not to be relied on. */
  #onSpecEvent(event: TraceEvent): void {
    this.#chronicle.onEvent(event);
    // The specification's disks don't rot.
    if (this.#problems.length > 0 || this.#refusal !== null || this.#nemesis.hasRotted) return;
    const refusal = this.#conformance.accept(event);
    if (refusal === null) return;
    this.#refusal = this.#conformance.describe(event, refusal);
    if (this.#refusals === "fails") this.fail(this.#refusal);
  }

  #onBytes(machine: Machine, remote: string, bytes: Uint8Array): Uint8Array {
    const to = this.#machines.find(({ host }) => remote.startsWith(`${host}:`));
    const frames = to ? framesIn(bytes) : null;
    if (!to || frames === null) return bytes;
    this.#steps?.onStep(machine, frames.map(({ method }) => method ?? "answer").join(" "));
    const passing = frames.filter(({ method }) =>
      method === null || this.#nemesis.onMessage(method, machine, to)
    );
    return passing.length === frames.length ? bytes : joinFrames(passing);
  }

  async #until(
    what: string | (() => string),
    condition: () => boolean,
    maxMs: number,
  ): Promise<void> {
    try {
      await this.#clock.runUntil(() => this.#problems.length > 0 || condition(), { maxMs });
      if (this.#problems.length > 0) throw new GivenUpError();
    } catch (error) {
      this.#giveUp(what, maxMs, error);
    }
  }

  /** Runs until `work` is done, or something went wrong: nothing behind that is worth its time. */
  async #settle(what: string, work: Promise<void>, maxMs: number): Promise<void> {
    let isDone = false;
    const done = work.then(() => isDone = true, (error) => {
      if (!(error instanceof GivenUpError)) this.fail(`uncaught in "${what}": ${error.stack}`);
    });
    await this.#until(what, () => isDone, maxMs);
    await done;
  }

  #giveUp(what: string | (() => string), maxMs: number, error: unknown): never {
    if (!(error instanceof SimStalledError)) throw error;
    const text = typeof what === "string" ? what : what();
    this.fail(`not within ${maxMs} ms of simulated time: ${text} (${error.message})`);
    throw new GivenUpError();
  }
}
