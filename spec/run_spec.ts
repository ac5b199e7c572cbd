/**
 * `deno task spec`: runs TLC on every configuration in `spec/models/` and holds each to what it expects.
 *
 * A configuration says in its head what must come out: `\* Expect: pass`, or `\* Expect: violation of X`
 * for one that has a rule knocked out. A knocked-out rule that goes unnoticed is a failure like any
 * other: a proof that can't fail proves nothing. `\* Simulate: N traces of D steps` before it is for
 * one that has too many states: TLC then takes N random behaviours, always the same ones.
 *
 * Needs Java (11 or newer) and the jar of the TLA+ tools, which is not part of this repository:
 * `TLA2TOOLS_JAR=/path/to/tla2tools.jar deno task spec [--large] [--workers=N] [--jobs=N] [--minutes=N] [NAME…]`.
 * Where one of them is missing it says so in one line and exits with 0. `models/large/` is run only with
 * `--large` or by name; `--jobs` runs so many of them at once; `--minutes` stops a model that takes longer, and
 * says how far it came.
 *
 * @module
 */

/** Where `.cfg` files are, beside this file. */
const FOLDERS = ["models", "models/broken", "models/large"] as const;
const LARGE = "models/large";
const MODULE = "WalrusProperties.tla";
const HEAP_MEGABYTES = 600;
/** TLC's threads, where `--workers=` doesn't say. With one, counterexamples are the shortest ones. */
const WORKERS = 1;
const SIMULATION_SEED = 7;
/** Java's second compiler does not earn in a run of a minute or two what it costs. */
const QUICK_START = "-XX:TieredStopAtLevel=1";
/** How often the CPU time of a running TLC is looked at, in milliseconds; Linux tells it in ticks of 10 ms. */
const CPU_LOOK_MS = 200;
const TICKS_PER_SECOND = 100;

/** One configuration and what its head says. */
interface Model {
  name: string;
  /** What its head says of it. */
  about: string;
  /** How large it is, in words. */
  bounds: string;
  /** Relative to this folder. */
  path: string;
  /** The property that must be violated; `null`: none may be. */
  violation: string | null;
  /** Random behaviours instead of all states; `null`: all states. */
  simulation: { traces: number; steps: number } | null;
}

/** What TLC said. */
interface Outcome {
  /** `null`: it went through. */
  violated: string | null;
  /** TLC stopped for another reason: a parse error, no memory. */
  error: string | null;
  generated: string;
  distinct: string;
  depth: string;
  durationS: number;
  /** What it took of the processor, all threads together; `null` where the system does not tell. */
  cpuS: number | null;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  const jar = Deno.env.get("TLA2TOOLS_JAR");
  const missing = await whatIsMissing(jar);
  if (missing !== null) {
    print(`spec: skipped, ${missing}`);
    return 0;
  }
  const names = args.filter((arg) => !arg.startsWith("--"));
  const models = chosenModels({ names, isLarge: args.includes("--large") });
  const workers = optionOf(args, "workers") ?? WORKERS;
  const minutesMax = optionOf(args, "minutes") ?? Infinity;
  const startMs = performance.now();
  print(`${workers} worker${workers === 1 ? "" : "s"}; load ${loadText()}\n`);
  print(
    `| model | what happens in it | bounds | TLC says | distinct states | states | depth | CPU | time |`,
  );
  print(`| --- | --- | --- | --- | --: | --: | --: | --: | --: |`);
  let failures = 0;
  const waiting = [...models];
  const runSome = async (): Promise<void> => {
    for (let model = waiting.shift(); model !== undefined; model = waiting.shift()) {
      const outcome = await check(model, { jar: jar!, workers, minutesMax });
      const isGood = outcome.error === null && outcome.violated === model.violation;
      if (!isGood) failures++;
      print(row(model, outcome, isGood));
    }
  };
  await Promise.all(Array.from({ length: optionOf(args, "jobs") ?? 1 }, runSome));
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(0);
  print(
    `\n${
      models.length - failures
    } of ${models.length} as expected, in ${minutes} min; load ${loadText()}`,
  );
  return failures === 0 && models.length > 0 ? 0 : 1;
}

/** The number of an option `--name=number`. */
function optionOf(args: string[], name: string): number | null {
  const given = args.find((arg) => arg.startsWith(`--${name}=`));
  return given === undefined ? null : Number(given.slice(name.length + 3));
}

async function whatIsMissing(jar: string | undefined): Promise<string | null> {
  if (!jar) return "TLA2TOOLS_JAR does not name the jar of the TLA+ tools";
  try {
    await Deno.stat(jar);
  } catch {
    return `TLA2TOOLS_JAR names ${jar}, which is not there`;
  }
  try {
    const { success } = await new Deno.Command("java", { args: ["-version"], stderr: "null" })
      .output();
    return success ? null : "java does not run";
  } catch {
    return "there is no java on the PATH";
  }
}

function chosenModels(choice: { names: string[]; isLarge: boolean }): Model[] {
  const models: Model[] = [];
  for (const folder of FOLDERS) {
    if (folder === LARGE && !choice.isLarge && choice.names.length === 0) continue;
    const files = [...Deno.readDirSync(new URL(`${folder}/`, import.meta.url))]
      .map((entry) => entry.name).filter((name) => name.endsWith(".cfg")).sort();
    for (const file of files) {
      const name = file.replace(/\.cfg$/, "");
      if (choice.names.length > 0 && !choice.names.includes(name)) continue;
      models.push({ name, ...headOf(`${folder}/${file}`) });
    }
  }
  return models;
}

/** The head of a configuration: comments that say what it is about, and then what to expect. */
function headOf(path: string): Omit<Model, "name"> {
  const text = Deno.readTextFileSync(new URL(path, import.meta.url));
  const head =
    /^((?:\\\* .*\n)*?)(?:\\\* Simulate: (\d+) traces of (\d+) steps\n)?\\\* Expect: (?:pass|violation of (\w+))$/m;
  const match = head.exec(text);
  if (!match) throw new Error(`${path} does not say what to expect: add a line "\\* Expect: …"`);
  const about = match[1]!.replaceAll("\\* ", "").trim().replaceAll("\n", " ");
  const simulation = match[2] ? { traces: Number(match[2]), steps: Number(match[3]) } : null;
  return { path, about, violation: match[4] ?? null, simulation, bounds: boundsOf(text) };
}

/** "3 nodes, 2 segments of 2, 3 entries, 1 crash" */
function boundsOf(text: string): string {
  const numberOf = (name: string) =>
    Number(new RegExp(`^  ${name} = (\\d+)$`, "m").exec(text)?.[1]);
  const nodes = /^ {2}Nodes = \{(.*)\}$/m.exec(text)?.[1]?.split(",").length ?? 0;
  const some = (count: number, one: string, many: string) =>
    count > 0 ? [`${count} ${count === 1 ? one : many}`] : [];
  return [
    ...some(nodes, "node", "nodes"),
    `${numberOf("MaxSegments")} segments of ${numberOf("SegmentLimit")}`,
    ...some(numberOf("MaxEntries"), "entry", "entries"),
    ...(numberOf("MaxTakes") > 0 ? [`cursor to ${numberOf("MaxTakes")}`] : []),
    ...some(numberOf("MaxCrashes"), "crash", "crashes"),
    ...some(numberOf("MaxWipes"), "lost disk", "lost disks"),
    ...(numberOf("MaxRecoverers") > 1 ? [`${numberOf("MaxRecoverers")} failovers at once`] : []),
  ].join(", ");
}

async function check(
  model: Model,
  given: { jar: string; workers: number; minutesMax: number },
): Promise<Outcome> {
  const scratch = await Deno.makeTempDir({ prefix: "walrus-spec-" });
  const startMs = performance.now();
  try {
    const tlc = new Deno.Command("java", {
      args: [
        "-XX:+UseParallelGC",
        QUICK_START,
        `-Xmx${HEAP_MEGABYTES}m`,
        `-Djava.io.tmpdir=${scratch}`,
        "-cp",
        given.jar,
        "tlc2.TLC",
        ...["-workers", `${given.workers}`, "-lncheck", "final", "-noGenerateSpecTE"],
        ...simulationArgs(model),
        ...["-metadir", scratch],
        ...["-config", model.path, MODULE],
      ],
      cwd: new URL(".", import.meta.url),
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const limit = Number.isFinite(given.minutesMax)
      ? setTimeout(() => tlc.kill(), given.minutesMax * 60_000)
      : undefined;
    let cpuS: number | null = null;
    const look = setInterval(() => cpuS = cpuSecondsOf(tlc.pid) ?? cpuS, CPU_LOOK_MS);
    const { stdout } = await tlc.output();
    clearTimeout(limit);
    clearInterval(look);
    const said = new TextDecoder().decode(stdout);
    const outcome = model.simulation === null ? understand(said) : understandSimulation(said);
    return { ...outcome, durationS: (performance.now() - startMs) / 1000, cpuS };
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** User and system time of a process that runs, on Linux. */
function cpuSecondsOf(pid: number): number | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // Behind the name, which may hold anything: the state is field 3, the times are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

function simulationArgs({ simulation }: Model): string[] {
  if (simulation === null) return [];
  const { traces, steps } = simulation;
  return ["-simulate", `num=${traces}`, "-depth", `${steps}`, "-seed", `${SIMULATION_SEED}`];
}

/** TLC's output, as far as it matters here. */
function understand(said: string): Omit<Outcome, "durationS" | "cpuS"> {
  const violation =
    /^Error: (?:Invariant|Action property|Temporal property) (\w+) (?:is|was) violated/m.exec(said);
  const isComplete = said.includes("Model checking completed. No error has been found.");
  const counts = [...said.matchAll(/([\d,]+) states generated.*?, ([\d,]+) distinct states/g)].at(
    -1,
  );
  const otherError = violation === null && !isComplete
    ? /^Error: (.*)$/m.exec(said)?.[1] ?? "stopped before its end, no error until then"
    : null;
  return {
    violated: violation?.[1] ?? null,
    error: otherError,
    generated: counts?.[1] ?? "?",
    distinct: counts?.[2] ?? "?",
    depth: /depth of the complete state graph search is (\d+)/.exec(said)?.[1] ??
      [...said.matchAll(/^Progress\((\d+)\)/gm)].at(-1)?.[1] ?? "?",
  };
}

/** The same of random behaviours: TLC counts neither distinct states nor the depth. */
function understandSimulation(said: string): Omit<Outcome, "durationS" | "cpuS"> {
  const outcome = understand(said);
  const generated = /^The number of states generated: ([\d,]+)/m.exec(said)?.[1];
  const traces = [...said.matchAll(/, ([\d,]+) traces generated/g)].at(-1)?.[1];
  const isComplete = outcome.violated === null && generated !== undefined &&
    !/^Error: /m.test(said);
  return {
    ...outcome,
    error: isComplete ? null : outcome.error,
    generated: generated ?? "?",
    distinct: `${traces ?? "?"} traces`,
    depth: "",
  };
}

function row(model: Model, outcome: Outcome, isGood: boolean): string {
  const found = outcome.error ??
    (outcome.violated === null ? "no error" : `violates \`${outcome.violated}\``);
  const result = isGood ? found : `**not as expected: ${found}**`;
  const cells = [
    `\`${model.name}\``,
    model.about,
    model.bounds,
    result,
    grouped(outcome.distinct),
    grouped(outcome.generated),
    outcome.depth,
    outcome.cpuS === null ? "?" : `${outcome.cpuS.toFixed(0)} s`,
    `${outcome.durationS.toFixed(0)} s`,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** 1234567 as 1,234,567. */
function grouped(digits: string): string {
  return digits.replaceAll(",", "").replace(/\B(?=(\d{3})+$)/g, ",");
}

function loadText(): string {
  return Deno.loadavg().map((load) => load.toFixed(1)).join(" ");
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
