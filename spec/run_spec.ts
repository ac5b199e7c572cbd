/**
 * `deno task spec`: runs TLC on every configuration in `spec/models/` and holds each to what it expects.
 *
 * A configuration says in its head what must come out: `\* Expect: pass`, or `\* Expect: violation of X`
 * for one that has a rule knocked out. A knocked-out rule that goes unnoticed is a failure like any
 * other: a proof that can't fail proves nothing.
 *
 * Needs Java (11 or newer) and the jar of the TLA+ tools, which is not part of this repository:
 * `TLA2TOOLS_JAR=/path/to/tla2tools.jar deno task spec [--large] [NAME…]`. Where one of them is missing it says so in
 * one line and exits with 0. `models/large/` is run only with `--large` or by name.
 *
 * @module
 */

/** Where `.cfg` files are, beside this file. */
const FOLDERS = ["models", "models/broken", "models/large"] as const;
const LARGE = "models/large";
const MODULE = "WalrusProperties.tla";
const HEAP_MEGABYTES = 3000;

/** One configuration and what its head says. */
interface Model {
  name: string;
  /** Relative to this folder. */
  path: string;
  /** The property that must be violated; `null`: none may be. */
  violation: string | null;
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
  print(`| model | expected | result | states | distinct | depth | time |`);
  print(`| --- | --- | --- | --: | --: | --: | --: |`);
  let failures = 0;
  for (const model of models) {
    const outcome = await check(model, jar!);
    const isGood = outcome.error === null && outcome.violated === model.violation;
    if (!isGood) failures++;
    print(row(model, outcome, isGood));
  }
  print(`\n${models.length - failures} of ${models.length} as expected`);
  return failures === 0 && models.length > 0 ? 0 : 1;
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
      models.push({ name, path: `${folder}/${file}`, violation: expectedOf(`${folder}/${file}`) });
    }
  }
  return models;
}

/** The `Expect:` line of a configuration. */
function expectedOf(path: string): string | null {
  const text = Deno.readTextFileSync(new URL(path, import.meta.url));
  const match = /^\\\* Expect: (?:pass|violation of (\w+))$/m.exec(text);
  if (!match) throw new Error(`${path} does not say what to expect: add a line "\\* Expect: …"`);
  return match[1] ?? null;
}

async function check(model: Model, jar: string): Promise<Outcome> {
  const scratch = await Deno.makeTempDir({ prefix: "walrus-spec-" });
  const startMs = performance.now();
  try {
    const { stdout } = await new Deno.Command("java", {
      args: [
        "-XX:+UseParallelGC",
        `-Xmx${HEAP_MEGABYTES}m`,
        `-Djava.io.tmpdir=${scratch}`,
        "-cp",
        jar,
        "tlc2.TLC",
        ...["-workers", "1", "-noGenerateSpecTE", "-metadir", scratch],
        ...["-config", model.path, MODULE],
      ],
      cwd: new URL(".", import.meta.url),
      stderr: "null",
    }).output();
    const said = new TextDecoder().decode(stdout);
    return { ...understand(said), durationS: (performance.now() - startMs) / 1000 };
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** TLC's output, as far as it matters here. */
function understand(said: string): Omit<Outcome, "durationS"> {
  const violation =
    /^Error: (?:Invariant|Action property|Temporal property) (\w+) (?:is|was) violated/m.exec(said);
  const isComplete = said.includes("Model checking completed. No error has been found.");
  const counts = [...said.matchAll(/^(\d+) states generated, (\d+) distinct states found/gm)].at(
    -1,
  );
  const otherError = violation === null && !isComplete
    ? /^Error: (.*)$/m.exec(said)?.[1] ?? (said.trim().split("\n").at(-1) || "no output")
    : null;
  return {
    violated: violation?.[1] ?? null,
    error: otherError,
    generated: counts?.[1] ?? "?",
    distinct: counts?.[2] ?? "?",
    depth: /depth of the complete state graph search is (\d+)/.exec(said)?.[1] ?? "?",
  };
}

function row(model: Model, outcome: Outcome, isGood: boolean): string {
  const expected = model.violation === null ? "pass" : `violates ${model.violation}`;
  const found = outcome.error ??
    (outcome.violated === null ? "pass" : `violates ${outcome.violated}`);
  const result = isGood ? "as expected" : `**${found}**`;
  return `| ${model.name} | ${expected} | ${result} | ${outcome.generated} | ${outcome.distinct} | ` +
    `${outcome.depth} | ${outcome.durationS.toFixed(0)} s |`;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
