/**
 * Whose work the executable carries besides ours, and under which licences.
 *
 * @module
 */

import { BuildError, ROOT, run } from "./tools.ts";

const INFO_TIMEOUT_MS = 60_000;
const LICENCE_FILE = /^licen[cs]e(\.\w+)?$/i;

/** Parts that are not npm packages. Their texts are where the named place says. */
const OTHER_PARTS = [
  "Deno (https://github.com/denoland/deno): MIT, Copyright the Deno authors. It contains V8",
  "  (BSD-3-Clause, Copyright the V8 project authors) and many Rust crates under permissive licences.",
  "liburing (https://github.com/axboe/liburing), linked into the shim: MIT, Copyright Jens Axboe.",
  "zstd (https://github.com/facebook/zstd), linked into the launcher: BSD-3-Clause, Copyright Meta",
  "  Platforms, Inc. and affiliates.",
  "The GNU C Library, linked into the launcher: LGPL-2.1-or-later; the launcher's source, to link it anew,",
  "  is in Walrus's repository (packaging/launcher).",
];

/** The notice's text. @throws {BuildError} when it can't be found out what is in the bundle. */
export async function makeNotice(): Promise<string> {
  const parts = [
    "Walrus is under the MIT licence:",
    (await Deno.readTextFile(`${ROOT}LICENSE`)).trim(),
    ["The executable also carries:", ...OTHER_PARTS].join("\n"),
    "and, within the program, these npm packages:",
  ];
  for (const { name, version, folder } of await bundledPackages()) {
    const { licence, text } = await licenceOf(folder);
    parts.push(`${name} ${version} (${licence})${text === "" ? "" : `\n\n${text}`}`);
  }
  return parts.join(`\n\n${"-".repeat(80)}\n\n`) + "\n";
}

interface Package {
  name: string;
  version: string;
  folder: string;
}

interface InfoJson {
  npmPackages: Record<string, { name: string; version: string; dependencies: string[] }>;
  modules: { kind?: string; npmPackage?: string }[];
}

/** What `main.ts` imports, and what that needs. */
async function bundledPackages(): Promise<Package[]> {
  const timeoutMs = INFO_TIMEOUT_MS;
  const general = await run(Deno.execPath(), { args: ["info", "--json"], timeoutMs });
  const graph = await run(Deno.execPath(), { args: ["info", "--json", "main.ts"], timeoutMs });
  if (!general.success || !graph.success) {
    throw new BuildError("It can't be found out what the program imports.");
  }
  const { npmCache } = JSON.parse(general.stdout) as { npmCache: string };
  const { npmPackages, modules } = JSON.parse(graph.stdout) as InfoJson;
  const waiting = modules.flatMap(({ npmPackage }) => npmPackage === undefined ? [] : [npmPackage]);
  const reached = new Set<string>();
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    waiting.push(...npmPackages[id]?.dependencies ?? []);
  }
  const host = await onlyFolderOf(npmCache);
  return [...reached].flatMap((id) => npmPackages[id] ?? [])
    .map(({ name, version }) => ({ name, version, folder: `${host}/${name}/${version}` }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The cache has a folder for each place that packages come from. */
async function onlyFolderOf(npmCache: string): Promise<string> {
  for await (const entry of Deno.readDir(npmCache)) {
    if (entry.isDirectory) return `${npmCache}/${entry.name}`;
  }
  throw new BuildError(`There are no npm packages in ${npmCache}.`);
}

async function licenceOf(folder: string): Promise<{ licence: string; text: string }> {
  const { license } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`)) as {
    license?: string;
  };
  let text = "";
  for await (const entry of Deno.readDir(folder)) {
    if (LICENCE_FILE.test(entry.name)) text = await Deno.readTextFile(`${folder}/${entry.name}`);
  }
  return { licence: license ?? "see its text", text: text.trim() };
}
