/**
 * Other programs that the build runs.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** The Deno that the executable carries and is built with. */
export const DENO_PINNED = "2.9.6";

/** The repository. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url));
/** Everything that the build makes. */
export const DIST: string = `${ROOT}dist`;

/** The build can't be done here; the message says what is missing. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** What a program said. */
export interface RunResult {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. A missing one, or one that takes longer, is a result without success. */
export async function run(
  command: string,
  options: { args: string[]; timeoutMs: number; env?: Record<string, string> },
): Promise<RunResult> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: options.args,
      cwd: ROOT,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
      stdin: "null",
      signal: AbortSignal.timeout(options.timeoutMs),
    }).output();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    const message = error instanceof Deno.errors.NotFound ? `there is no ${command}` : `${error}`;
    return { success: false, stdout: "", stderr: message };
  }
}

/** For people. */
export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** `41.2 MB`. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The first line that says something, for a message. */
export function firstLine(text: string): string {
  return text.split("\n").map((line) => line.trim()).find((line) => line !== "") ?? "no message";
}
