/**
 * `deno task spec:trace`: one run of the code, checked by TLC against `spec/Walrus.tla`.
 *
 * `--seed N` simulates the cluster of that seed (`--story S`), translates its first `--steps` steps, writes the
 * module that allows nothing but them, and has TLC follow it. `--with CopyTail,Crash` goes on to the first seed from
 * there that has steps of all these actions. `--traces FOLDER` takes what real processes told (`WALRUS_TRACE`)
 * instead. `--spoil commit|lease|read|copy|fence` breaks a rule in it: TLC must refuse that. `--out FOLDER` keeps the module.
 * Without Java and `TLA2TOOLS_JAR` it says so in one line, and only writes.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import type { TraceEvent } from "../../../server/segments/segment_trace.ts";
import { STORIES, type StoryName } from "../../sim/shape.ts";
import { simulate } from "../../sim/simulation.ts";
import { mergeTraces, parseTrace } from "../merge.ts";
import type { SpecTrace } from "./spec_step.ts";
import { spoiled } from "./spoiled.ts";
import { configurationOf, FOLLOWED, moduleOf, TRACE_MODULE } from "./trace_module.ts";
import { translate } from "./translator.ts";

const HEAP_MEGABYTES = 1500;
/** Seeds that `--with` looks at. */
const SEEDS_MAX = 2000;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    story: { type: "string" },
    /** Actions that must be among the steps, divided by commas. */
    with: { type: "string", default: "" },
    /** A folder of traces of processes, instead of a simulation. */
    traces: { type: "string" },
    topic: { type: "string", default: "t" },
    steps: { type: "string", default: "400" },
    spoil: { type: "string" },
    out: { type: "string" },
  },
});

Deno.exit(await main());

async function main(): Promise<number> {
  const trace = values.traces === undefined
    ? await traceOfSeeds(Number(values.seed))
    : await traceOfProcesses(values.traces);
  if (values.spoil !== undefined) trace.steps = spoiled(trace.steps, values.spoil);
  describe(trace);
  const folder = values.out ?? await Deno.makeTempDir({ prefix: "walrus-spec-" });
  try {
    await write(folder, trace);
    return await check(folder, trace);
  } finally {
    if (values.out === undefined) await Deno.remove(folder, { recursive: true });
  }
}

/** A file of the specification. */
async function textOf(name: string): Promise<string> {
  return await Deno.readTextFile(new URL(`../../../spec/${name}`, import.meta.url));
}

async function translated(events: readonly TraceEvent[]): Promise<SpecTrace> {
  const restartsKnowLess = /^ +\/\\ \\E k \\in 1\.\./m.test(await textOf("Walrus.tla"));
  const { steps, topic } = values;
  return translate(events, { topic, stepsMax: Number(steps), restartsKnowLess });
}

async function traceOfProcesses(folder: string): Promise<SpecTrace> {
  const traces: TraceEvent[][] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".jsonl")) {
      traces.push(parseTrace(await Deno.readTextFile(`${folder}/${name}`)));
    }
  }
  const { order, problem } = mergeTraces(traces);
  if (problem !== null) throw new Error(`the traces are refused: ${problem}`);
  return await translated(order);
}

async function traceOfSeeds(from: number): Promise<SpecTrace> {
  const wanted = values.with.split(",").filter((action) => action !== "");
  for (let seed = from; seed < from + SEEDS_MAX; seed++) {
    const trace = await translated(await eventsOfSeed(seed));
    const found = new Set<string>(trace.steps.map(({ action }) => action));
    if (!wanted.every((action) => found.has(action))) continue;
    console.log(`seed ${seed}${values.story ? ` of ${values.story}` : ""}`);
    return trace;
  }
  throw new Error(`no seed from ${from} to ${from + SEEDS_MAX - 1} has ${wanted.join(", ")}`);
}

async function eventsOfSeed(seed: number): Promise<TraceEvent[]> {
  if (values.story !== undefined && !(values.story in STORIES)) {
    throw new Error(`No story ${values.story}; there are ${Object.keys(STORIES).join(", ")}.`);
  }
  const events: TraceEvent[] = [];
  const { problems } = await simulate({
    seed,
    story: (values.story ?? null) as StoryName | null,
    onSpecEvent: (event) => events.push(structuredClone(event)),
  });
  if (problems.length > 0) throw new Error(`the seed fails: ${problems[0]}`);
  return events;
}

function describe({ steps, segments, nodes, end }: SpecTrace): void {
  const counts = new Map<string, number>();
  for (const { action } of steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  console.log(`${steps.length} steps, ${segments - 1} segments, nodes ${nodes}`);
  console.log([...counts].map(([action, count]) => `${action} ${count}`).join(", "));
  if (end) console.log(`it ends there: ${end}`);
}

async function write(folder: string, trace: SpecTrace): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const name of ["Walrus.tla", "WalrusProperties.tla"]) {
    await Deno.writeTextFile(`${folder}/${name}`, await textOf(name));
  }
  const spec = await textOf("Walrus.tla");
  await Deno.writeTextFile(`${folder}/${TRACE_MODULE}.tla`, moduleOf(trace, spec));
  await Deno.writeTextFile(`${folder}/${TRACE_MODULE}.cfg`, configurationOf(trace, spec));
}

/** TLC must find that the trace can be followed to its end; with `--spoil`, that it can't. */
async function check(folder: string, { steps }: SpecTrace): Promise<number> {
  const jar = Deno.env.get("TLA2TOOLS_JAR");
  if (!jar) {
    console.log("spec:trace: TLC skipped, TLA2TOOLS_JAR does not name the jar of the TLA+ tools");
    return 0;
  }
  const args = ["-XX:+UseParallelGC", `-Xmx${HEAP_MEGABYTES}m`, "-cp", jar, "tlc2.TLC"];
  args.push("-workers", "1", "-noGenerateSpecTE", "-metadir", `${folder}/states`);
  args.push("-config", `${TRACE_MODULE}.cfg`, `${TRACE_MODULE}.tla`);
  const command = new Deno.Command("java", { args, cwd: folder, stderr: "null" });
  const said = new TextDecoder().decode((await command.output()).stdout);
  await Deno.remove(`${folder}/states`, { recursive: true }).catch(() => {});
  const violated = /^Error: (?:Invariant|Action property) (\w+) is violated/m.exec(said)?.[1];
  if (violated === FOLLOWED) {
    console.log(`TLC follows it to its end, and every safety property holds in each step`);
    return values.spoil ? 1 : 0;
  }
  const depth = /depth of the complete state graph search is (\d+)/.exec(said)?.[1];
  if (violated === undefined && depth !== undefined) {
    const step = steps[Number(depth) - 1]!;
    console.log(`TLC refuses step ${depth}: ${JSON.stringify(step)}`);
    return values.spoil ? 0 : 1;
  }
  console.log(violated ? `TLC: ${violated} is violated` : said.slice(-4000));
  return 1;
}
