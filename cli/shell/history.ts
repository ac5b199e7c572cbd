/**
 * Lines typed in earlier sessions, kept in a file of the user.
 *
 * @module
 */

/** Lines that are kept. */
const HISTORY_LINES_MAX = 1000;
/** Messages may be private: nobody else reads the file. */
const FILE_MODE = 0o600;

/** Where the history stands by the XDG rules; `null` where there is no home. */
export function historyPath(environment: (name: string) => string | undefined): string | null {
  const stateHome = environment("XDG_STATE_HOME");
  if (stateHome?.startsWith("/")) return `${stateHome}/walrus/history`;
  const home = environment("HOME") ?? environment("USERPROFILE");
  return home ? `${home}/.local/state/walrus/history` : null;
}

/** The newest line first, as the line editor wants them. A file that can't be read is an empty history. */
export function loadHistory(path: string | null): string[] {
  if (path === null) return [];
  try {
    const lines = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
    return lines.slice(-HISTORY_LINES_MAX).reverse();
  } catch {
    return [];
  }
}

/** Replaces the file. @throws {Deno.errors} where it can't be written. */
export function saveHistory(path: string, newestFirst: readonly string[]): void {
  const lines = newestFirst.slice(0, HISTORY_LINES_MAX).reverse();
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const unfinished = `${path}.${Deno.pid}`;
  Deno.writeTextFileSync(unfinished, lines.map((line) => `${line}\n`).join(""), {
    mode: FILE_MODE,
  });
  Deno.renameSync(unfinished, path);
}
