/**
 * The executable as `deno compile` makes it, where its runtime can be had.
 *
 * @module
 */

import { VERSION } from "../cli/version.ts";
import { DENO_PINNED, DIST, firstLine, run } from "./tools.ts";

const COMPILE_TIMEOUT_MS = 300_000;
const PROBE_TIMEOUT_MS = 4_000;
const START_TIMEOUT_MS = 30_000;

/** The runtime's archive, where `deno compile` downloads it from. */
const RUNTIME_URL = `https://dl.deno.land/release/v${DENO_PINNED}/denort-${Deno.build.target}.zip`;

/** Where the runtime for `deno compile` comes from, or why it can't be had. */
export async function findRuntime(): Promise<{ ok: true } | { ok: false; reason: string }> {
  if (Deno.env.get("DENORT_BIN")) return { ok: true };
  if (await isCached()) return { ok: true };
  try {
    // A look first: the compiler tries for 20 seconds where there is no way.
    const answer = await fetch(RUNTIME_URL, {
      method: "HEAD",
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    if (answer.ok) return { ok: true };
    return { ok: false, reason: `its runtime can't be downloaded (HTTP ${answer.status})` };
  } catch {
    return { ok: false, reason: "its runtime can't be downloaded here" };
  }
}

async function isCached(): Promise<boolean> {
  const info = await run(Deno.execPath(), {
    args: ["info", "--json"],
    timeoutMs: START_TIMEOUT_MS,
  });
  try {
    const { denoDir } = JSON.parse(info.stdout) as { denoDir: string };
    const folder = `${denoDir}/dl/release/v${DENO_PINNED}`;
    for await (const entry of Deno.readDir(folder)) {
      if (entry.name.startsWith("denort-")) return true;
    }
  } catch {
    // No such folder.
  }
  return false;
}

/** Writes the executable to `output`, or says why that was not possible. */
export async function buildCompiledForm(
  input: { program: string; shim: string; shimBeside: string },
  output: string,
): Promise<{ ok: true } | { ok: false; reason: string }> {
  await Deno.copyFile(input.shim, `${DIST}/build/${input.shimBeside}`);
  const temporary = `${output}.tmp`;
  try {
    const compiled = await run(Deno.execPath(), {
      args: [
        ...["compile", "-q", "-A", "--no-check", "--no-config", "--no-lock", "--no-remote"],
        ...["--include", `${DIST}/build/${input.shimBeside}`, "-o", temporary, input.program],
      ],
      timeoutMs: COMPILE_TIMEOUT_MS,
    });
    if (!compiled.success) return { ok: false, reason: firstLine(compiled.stderr) };
    // A runtime that isn't one (plain `deno`, for example) makes a file that is something else.
    const started = await run(temporary, { args: ["version"], timeoutMs: START_TIMEOUT_MS });
    if (!started.success || !started.stdout.startsWith(`walrus ${VERSION}\n`)) {
      return { ok: false, reason: "what it made with this runtime is not Walrus" };
    }
    await Deno.rename(temporary, output);
    return { ok: true };
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}
