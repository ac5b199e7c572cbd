/**
 * Builds `dist/walrus`.
 *
 * @module
 */

import { commitOfSource, VERSION } from "../cli/version.ts";
import { buildShim } from "../ffi/build.ts";
import { buildCompiledForm, findRuntime } from "./compiled_form.ts";
import { buildLauncherForm } from "./launcher_form.ts";
import { makeNotice } from "./notice.ts";
import type { Codec } from "./payload.ts";
import { bundleProgram } from "./program_bundle.ts";
import { BuildError, DENO_PINNED, DIST } from "./tools.ts";

const SHIM_BESIDE = "walrus_shim.so";

/** What was built. */
export interface BuiltExecutable {
  path: string;
  form: "deno compile" | "launcher";
  /** What a person should know about how it was built, a sentence each. */
  remarks: string[];
}

/** What to build; without options, the best that can be had here. */
export interface BuildOptions {
  output?: string;
  /** `launcher` without trying the other. */
  form?: "launcher";
  codec?: Codec;
}

/** Builds the executable. @throws {BuildError} what is missing here. */
export async function buildExecutable(options: BuildOptions = {}): Promise<BuiltExecutable> {
  const path = options.output ?? `${DIST}/walrus`;
  mustBeBuildable();
  await Deno.mkdir(DIST, { recursive: true });
  const shim = await buildShim();
  if (!shim.ok) throw new BuildError(`The io_uring shim can't be built: ${shim.reason}.`);
  const commit = await commitOfSource();
  const remarks: string[] = [];

  if (options.form !== "launcher") {
    const compiled = await maybeCompile({ path, shim: shim.path, commit });
    if (compiled === null) return { path, form: "deno compile", remarks };
    remarks.push(`Not by deno compile: ${compiled}. A launcher carries the runtime instead.`);
  }
  const program = await bundleProgram({ form: "launcher", commit });
  const input = { program, shim: shim.path, notice: await makeNotice(), version: VERSION };
  const codec = options.codec === undefined ? {} : { codec: options.codec };
  const { why } = await buildLauncherForm({ ...input, ...codec }, path);
  if (why !== null) remarks.push(`Not compressed: ${why}.`);
  return { path, form: "launcher", remarks };
}

/** `null` when it was done, else why not. */
async function maybeCompile(
  { path, shim, commit }: { path: string; shim: string; commit: string },
): Promise<string | null> {
  const runtime = await findRuntime();
  if (!runtime.ok) return runtime.reason;
  const program = await bundleProgram({ form: "deno compile", commit }, {
    shimBeside: SHIM_BESIDE,
  });
  const compiled = await buildCompiledForm({ program, shim, shimBeside: SHIM_BESIDE }, path);
  return compiled.ok ? null : compiled.reason;
}

function mustBeBuildable(): void {
  if (Deno.build.os !== "linux") {
    throw new BuildError("The executable is for Linux, and built there. Run from source here.");
  }
  if (Deno.version.deno !== DENO_PINNED) {
    throw new BuildError(
      `This is Deno ${Deno.version.deno}; the executable carries ${DENO_PINNED}. ` +
        `Build it with: npx -y deno@${DENO_PINNED} task compile`,
    );
  }
}
