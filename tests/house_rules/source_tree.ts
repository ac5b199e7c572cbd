/**
 * The source files as values, so that the rules can be tried on planted ones too.
 *
 * @module
 */

/** One text file of the repository. */
export interface SourceFile {
  /** From the repository's root, with slashes. */
  path: string;
  text: string;
}

/** One place where a rule is broken. */
export interface Violation {
  rule: string;
  path: string;
  /** From 1; 0 where it is about the file or folder as such. */
  line: number;
  message: string;
}

const SKIPPED_FOLDERS: readonly string[] = [
  ".git",
  ".cache",
  "coverage",
  "data",
  "dist",
  "node_modules",
];
const BUILD_OUTPUT = "ffi/build";
/** Larger files are data. */
const TEXT_BYTES_MAX = 1024 * 1024;

/** All text files under `root`, sorted by path. */
export async function readSourceTree(root: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(`${root}/${folder}`)) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory) {
        if (!SKIPPED_FOLDERS.includes(entry.name) && path !== BUILD_OUTPUT) await visit(path);
      } else if (entry.isFile && path !== ".git") { // a worktree's, which names its repository
        const text = await readText(`${root}/${path}`);
        if (text !== undefined) files.push({ path, text });
      }
    }
  };
  await visit("");
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

async function readText(path: string): Promise<string | undefined> {
  const { size } = await Deno.stat(path);
  if (size > TEXT_BYTES_MAX) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof TypeError) return undefined; // not text
    throw error;
  }
}

/** `a/b/../c.ts` as `a/c.ts`. */
export function normalizePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** The folder that holds a file; "" for the root. */
export function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

/** Whether the file is a test, or in a folder that only tests and simulations use. */
export function isTestCode(path: string): boolean {
  if (/_test\.ts$/.test(path) || /(^|\/)test_[a-z_]+\.ts$/.test(path)) return true;
  // The simulated twins are judged as the twins that they are.
  return /(^|\/)(tests|testing|sim|simulation)\//.test(path) && !path.startsWith("world/sim/");
}
