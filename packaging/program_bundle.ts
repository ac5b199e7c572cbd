/**
 * The program as one JavaScript file.
 *
 * @module
 */

import type { BuildInfo } from "../cli/version.ts";
import { BuildError, DIST, firstLine, run } from "./tools.ts";

const BUNDLE_TIMEOUT_MS = 120_000;

/**
 * Bundles the command line with an entry that knows how it was made; the bundle's path. With
 * `shimBeside`, the name of a file beside the bundle, the program loads its shim from there.
 */
export async function bundleProgram(
  build: BuildInfo,
  options: { shimBeside?: string } = {},
): Promise<string> {
  const folder = `${DIST}/build`;
  await Deno.mkdir(folder, { recursive: true });
  const name = build.form.replaceAll(" ", "_");
  const entry = `${folder}/${name}_entry.ts`;
  await Deno.writeTextFile(entry, entryText(build, options.shimBeside));
  const output = `${folder}/${name}.js`;
  const bundled = await run(Deno.execPath(), {
    args: ["bundle", "-q", "--frozen", "--platform=deno", "-o", output, entry],
    timeoutMs: BUNDLE_TIMEOUT_MS,
  });
  if (!bundled.success) {
    throw new BuildError(`The program can't be bundled: ${firstLine(bundled.stderr)}`);
  }
  await nameNoMachine(output);
  await mustBeWhole(output);
  return output;
}

function entryText(build: BuildInfo, shimBeside: string | undefined): string {
  const lines = [`import { runProgram } from "../../cli/mod.ts";`];
  if (shimBeside !== undefined) {
    lines.push(
      `import { fileURLToPath } from "node:url";`,
      `const shim = fileURLToPath(new URL(${JSON.stringify(`./${shimBeside}`)}, import.meta.url));`,
      `Deno.env.set("WALRUS_SHIM", shim);`,
    );
  }
  lines.push(`Deno.exit(await runProgram(Deno.args, { build: ${JSON.stringify(build)} }));`);
  return lines.map((line) => `${line}\n`).join("");
}

/** The bundler writes where its packages lie into names and comments; the same source makes the same bundle. */
async function nameNoMachine(path: string): Promise<void> {
  const text = await Deno.readTextFile(path);
  const cachePath = /(?:\.\.\/)+[^"\n]*?\/npm\/[^/"\n]+\//g;
  await Deno.writeTextFile(path, text.replaceAll(cachePath, "npm/"));
}

/** What is loaded from another file would be missing where there is only this one. */
async function mustBeWhole(path: string): Promise<void> {
  const text = await Deno.readTextFile(path);
  const code = text.replaceAll(/^\s*\*.*$/gm, ""); // examples in comments load nothing
  const outside = /\bimport\(\s*["'](?!node:)[^"']+["']\s*\)|\bnew Worker\(|\bfrom "(?!node:)[./]/
    .exec(code);
  if (outside !== null) {
    throw new BuildError(`The bundle needs another file: ${outside[0]}`);
  }
}
