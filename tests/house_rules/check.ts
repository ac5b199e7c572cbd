/**
 * All rules over a tree.
 *
 * @module
 */

/// <reference lib="deno.unstable" />

import { fileRules } from "./file_rules.ts";
import {
  folderOf,
  isTestCode,
  normalizePath,
  type SourceFile,
  type Violation,
} from "./source_tree.ts";

/** Lines that a file may have. Longer ones hold more than one concept. */
export const FILE_LINES_MAX = 500;

/** Runs every rule on every file. Works under `deno test` only, which has the parser. */
export function checkTree(files: readonly SourceFile[]): Violation[] {
  const sources = files.filter(({ path }) => path.endsWith(".ts"));
  return [
    ...sources.flatMap(checkFile),
    ...sources.flatMap(checkLength),
    ...checkFaces(sources),
    ...checkReaders(files),
    ...checkTasks(files),
    ...checkTaskNames(files),
    ...files.flatMap(checkForeignText),
  ];
}

function checkFile(file: SourceFile): Violation[] {
  return Deno.lint.runPlugin(fileRules as Deno.lint.Plugin, file.path, file.text)
    .map(({ id, message, range }) => ({
      rule: id.replace("house/", ""),
      path: file.path,
      line: file.text.slice(0, range[0]).split("\n").length,
      message,
    }));
}

function checkLength({ path, text }: SourceFile): Violation[] {
  const lines = text.trimEnd().split("\n").length;
  if (lines <= FILE_LINES_MAX) return [];
  const message = `${lines} lines, over ${FILE_LINES_MAX}: split it by concept.`;
  return [{ rule: "file-length", path, line: 0, message }];
}

/** Every folder of a part that holds code shows its face in `mod.ts`; `tests/` and `spec/` are no parts. */
function checkFaces(sources: readonly SourceFile[]): Violation[] {
  const folders = new Set(
    sources.filter(({ path }) => !/_test\.ts$/.test(path)).map(({ path }) => folderOf(path)),
  );
  folders.delete("");
  const paths = new Set(sources.map(({ path }) => path));
  return [...folders]
    .filter((folder) => !/^(tests|spec)(\/|$)/.test(folder) && !paths.has(`${folder}/mod.ts`))
    .map((folder) => ({
      rule: "folder-face",
      path: folder,
      line: 0,
      message: "The folder has no mod.ts.",
    }));
}

/** Every file is used: from main.ts, mod.ts, a test, or a task of deno.json. */
function checkReaders(files: readonly SourceFile[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const visit = (path: string) => {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) return;
    reached.add(path);
    for (const specifier of localSpecifiers(file.text)) {
      visit(normalizePath(`${folderOf(path)}/${specifier}`));
    }
  };
  for (const path of ["main.ts", "mod.ts", ...taskFiles(byPath.get("deno.json")?.text)]) {
    visit(path);
  }
  for (const { path } of files) if (/_test\.ts$/.test(path)) visit(path);
  return files
    .filter(({ path }) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !reached.has(path))
    .map(({ path }) => ({
      rule: "no-file-without-reader",
      path,
      line: 0,
      message: "Nothing imports it, from main.ts, mod.ts, a test or a task of deno.json.",
    }));
}

/** Relative specifiers in imports, exports, `import()` and `new URL(…, import.meta.url)`. */
function localSpecifiers(text: string): string[] {
  const imports = /(?:\bfrom|\bimport|\bimport\()\s*["'](\.{1,2}\/[^"']+\.ts)["']/g;
  const urls = /\bnew URL\(\s*["']([^"':]+\.ts)["'],\s*import\.meta\.url/g;
  return [...text.matchAll(imports), ...text.matchAll(urls)].map((match) => match[1]!);
}

function taskFiles(denoJson: string | undefined): string[] {
  if (denoJson === undefined) return [];
  const tasks = JSON.stringify(JSON.parse(denoJson).tasks ?? {});
  return [...tasks.matchAll(/[\w./-]+\.ts\b/g)].map((match) => normalizePath(match[0]));
}

function checkTasks(files: readonly SourceFile[]): Violation[] {
  const paths = new Set(files.map(({ path }) => path));
  return taskFiles(files.find(({ path }) => path === "deno.json")?.text)
    .filter((path) => !paths.has(path))
    .map((path) => ({
      rule: "task-file-exists",
      path: "deno.json",
      line: 0,
      message: `A task runs ${path}, which is not there.`,
    }));
}

/** Whoever says `deno task x` must mean a task that is there. */
function checkTaskNames(files: readonly SourceFile[]): Violation[] {
  const denoJson = files.find(({ path }) => path === "deno.json")?.text;
  if (denoJson === undefined) return [];
  const names = Object.keys(JSON.parse(denoJson).tasks ?? {});
  return files.filter(({ path }) => !path.startsWith("tests/house_rules")).flatMap((file) =>
    [...file.text.matchAll(/(?:\bdeno(?:@[\d.]+)?|\[@\]\}") task ([a-z]+(?:[:_-][a-z]+)*)/g)]
      .filter((match) => !names.includes(match[1]!))
      .map((match) => ({
        rule: "task-exists",
        path: file.path,
        line: file.text.slice(0, match.index).split("\n").length,
        message: `deno.json has no task ${match[1]}.`,
      }))
  );
}

/** Text that belongs to the machine where it was written, not to the repository. */
const FOREIGN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w.~$}])\/(?:root|work\/main)\//, "a path of one machine"],
  [/\bregistry\.(?:npmjs|yarnpkg)\b/, "the host of a package registry"],
];

function checkForeignText({ path, text }: SourceFile): Violation[] {
  const found: Violation[] = [];
  for (const [pattern, what] of FOREIGN_TEXT) {
    const match = pattern.exec(text);
    if (match === null || (isTestCode(path) && path.startsWith("tests/house_rules"))) continue;
    const line = text.slice(0, match.index).split("\n").length;
    found.push({ rule: "no-foreign-text", path, line, message: `Holds ${what}: ${match[0]}` });
  }
  return found;
}
