/**
 * The executable as a launcher in C with the runtime, the program and the shim behind it.
 *
 * @module
 */

import { type Codec, encodePayload, type Member } from "./payload.ts";
import { BuildError, DIST, firstLine, ROOT, run } from "./tools.ts";

const CC_TIMEOUT_MS = 120_000;
const CC_FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-s"];
const SOURCES = ["launcher.c", "cache.c", "unpack.c", "payload.c"];
const MODE_EXECUTABLE = 0o500;
const MODE_READABLE = 0o400;

/** What goes into the executable. */
export interface LauncherInput {
  /** Paths. */
  program: string;
  shim: string;
  notice: string;
  version: string;
  /** `stored` also where zstd is there, for tests. */
  codec?: Codec;
}

/** Writes the executable to `output`; how its payload is kept, and why if it isn't compressed. */
export async function buildLauncherForm(
  input: LauncherInput,
  output: string,
): Promise<{ codec: Codec; why: string | null }> {
  const { launcher, codec, why } = await compileLauncher(input.codec ?? "zstd");
  // The names are in launcher/launcher.c too.
  const members: Member[] = [
    { name: "walrus", bytes: await Deno.readFile(Deno.execPath()), mode: MODE_EXECUTABLE },
    { name: "walrus.js", bytes: await Deno.readFile(input.program), mode: MODE_READABLE },
    { name: "walrus_shim.so", bytes: await Deno.readFile(input.shim), mode: MODE_READABLE },
    { name: "NOTICE", bytes: new TextEncoder().encode(input.notice), mode: MODE_READABLE },
  ];
  const { version } = input;
  const payload = encodePayload(members, { codec, launcherLength: launcher.length, version });
  // A running executable can't be written to, but it can be replaced.
  const temporary = `${output}.tmp`;
  await Deno.writeFile(temporary, launcher, { mode: 0o755 });
  await Deno.writeFile(temporary, payload, { append: true });
  await Deno.chmod(temporary, 0o755);
  await Deno.rename(temporary, output);
  return { codec, why };
}

async function compileLauncher(
  wanted: Codec,
): Promise<{ launcher: Uint8Array; codec: Codec; why: string | null }> {
  if (wanted === "stored") return { launcher: await cc([]), codec: "stored", why: "asked for" };
  try {
    const flags = ["-DWALRUS_ZSTD"];
    return { launcher: await cc(flags, ["-l:libzstd.a"]), codec: "zstd", why: null };
  } catch (error) {
    if (!(error instanceof BuildError) || !/zstd/.test(error.message)) throw error;
    const why = "zstd's library is not installed (Debian: apt-get install libzstd-dev)";
    return { launcher: await cc([]), codec: "stored", why };
  }
}

async function cc(flags: string[], libraries: string[] = []): Promise<Uint8Array> {
  const output = `${DIST}/build/launcher`;
  await Deno.mkdir(`${DIST}/build`, { recursive: true });
  const sources = SOURCES.map((name) => `${ROOT}packaging/launcher/${name}`);
  const compiled = await run("cc", {
    args: [...CC_FLAGS, ...flags, "-o", output, ...sources, ...libraries],
    timeoutMs: CC_TIMEOUT_MS,
    env: { LC_ALL: "C" },
  });
  if (!compiled.success) {
    const line = compiled.stderr.split("\n").find((line) => /error|cannot|no cc/.test(line));
    throw new BuildError(
      `The launcher can't be compiled: ${line?.trim() ?? firstLine(compiled.stderr)}`,
    );
  }
  return await Deno.readFile(output);
}
