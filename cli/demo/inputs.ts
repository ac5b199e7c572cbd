/**
 * Which lines the demonstration carries.
 *
 * @module
 */

import { FailureError, UsageError } from "../exit.ts";
import { readLines } from "../lines.ts";

/** A file's lines, each with exactly its bytes, without the line feed. */
export interface InputFile {
  path: string;
  lines: Uint8Array[];
}

/** All lines are held in memory, to compare what comes back with them. */
const INPUT_BYTES_MAX = 512 * 1024 * 1024;
/** Of files that nobody asked for, so many lines are enough. */
const OWN_CHOICE_LINES_MAX = 20_000;
/** Fewer lines under /var/log than this don't make a demonstration. */
const OWN_CHOICE_LINES_MIN = 1_000;
const LOG_FOLDER = "/var/log";
const LOG_FOLDER_DEPTH = 2;
const LOG_NAME = /(?:\.log|^syslog|^messages|^dmesg|^kern.*|^auth.*|^daemon.*)$/;
const SOURCE_NAME = /\.(?:ts|c|md|json)$/;
const SOURCE_DEPTH = 4;
/** A NUL byte within so many bytes: it is no text. */
const TEXT_PROBE_BYTES = 8192;

/** The lines of the named files. @throws {UsageError | FailureError} for what can't be read or is too much. */
export async function readNamedFiles(paths: readonly string[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  let bytes = 0;
  for (const path of paths) {
    const file = await readFile(path).catch((error) => {
      throw new UsageError(`Can't read ${path}: ${reasonOf(error)}.`);
    });
    bytes += sizeOf(file);
    if (bytes > INPUT_BYTES_MAX) {
      throw new FailureError(
        `The files are larger than ${
          INPUT_BYTES_MAX / 2 ** 20
        } MiB: the demonstration compares in memory.`,
      );
    }
    files.push(file);
  }
  const withLines = files.filter((file) => file.lines.length > 0);
  if (withLines.length === 0) throw new UsageError("The files have no lines.");
  return withLines;
}

/** The machine's own logs; the sources of Walrus where there are too few. */
export async function readOwnChoice(sourceFolder: string): Promise<InputFile[]> {
  const logs = await readTextFiles(findFiles(LOG_FOLDER, LOG_NAME, LOG_FOLDER_DEPTH));
  if (countLines(logs) >= OWN_CHOICE_LINES_MIN) return logs;
  return await readTextFiles(findFiles(sourceFolder, SOURCE_NAME, SOURCE_DEPTH));
}

/** Lines of all files together. */
export function countLines(files: readonly InputFile[]): number {
  return files.reduce((sum, file) => sum + file.lines.length, 0);
}

async function readTextFiles(paths: readonly string[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  let room = OWN_CHOICE_LINES_MAX;
  for (const path of paths) {
    if (room <= 0) break;
    const file = await readFile(path).catch(() => null); // some logs are for root only
    if (file === null || !isText(file) || file.lines.length === 0) continue;
    file.lines = file.lines.slice(0, room);
    room -= file.lines.length;
    files.push(file);
  }
  return files;
}

async function readFile(path: string): Promise<InputFile> {
  const file = await Deno.open(path);
  return { path, lines: await Array.fromAsync(readLines(file.readable)) };
}

function isText(file: InputFile): boolean {
  let probed = 0;
  for (const line of file.lines) {
    if (line.includes(0)) return false;
    probed += line.length;
    if (probed > TEXT_PROBE_BYTES) break;
  }
  return true;
}

function sizeOf(file: InputFile): number {
  return file.lines.reduce((sum, line) => sum + line.length, 0);
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return (error as Error).message;
}

function findFiles(folder: string, name: RegExp, depth: number): string[] {
  const found: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return [];
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFile && name.test(entry.name)) found.push(path);
    const isHidden = entry.name.startsWith(".") || entry.name === "node_modules";
    if (entry.isDirectory && depth > 1 && !isHidden) {
      found.push(...findFiles(path, name, depth - 1));
    }
  }
  return found;
}
