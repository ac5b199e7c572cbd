/**
 * What may stand at the end of a line at the prompt.
 *
 * @module
 */

import type { Command } from "commander";

/** What completion knows of the cluster. */
export interface KnownNames {
  topics: Iterable<string>;
  /** Ids of nodes. */
  nodes: Iterable<number>;
  /** Names in a folder that begin with the end of a path; whole paths, folders with a slash behind. */
  paths: (begun: string) => string[];
}

/** Words that fit in place of the last one of `line`, with a space behind those that are whole, and that word. */
export function complete(
  line: string,
  commands: readonly Command[],
  known: KnownNames,
): [string[], string] {
  const words = line.trimStart().split(/\s+/);
  const last = words.at(-1)!;
  if (words.length === 1) {
    const lower = last.toLowerCase();
    const names = commands.map((command) => command.name());
    return [names.filter((name) => name.startsWith(lower)).map(whole), last];
  }
  const name = words[0]!.toLowerCase();
  const command = commands.find((command) => command.name() === name);
  if (command === undefined) return [[], last];
  const candidates = candidatesFor(command, words.slice(1, -1), last, { commands, known });
  return [candidates.filter((candidate) => candidate.startsWith(last)), last];
}

function candidatesFor(
  command: Command,
  before: readonly string[],
  last: string,
  { commands, known }: { commands: readonly Command[]; known: KnownNames },
): string[] {
  const previous = before.at(-1);
  const option = command.options.find(({ short, long }) =>
    previous !== undefined && (previous === short || previous === long)
  );
  if (option !== undefined && (option.required || option.optional)) {
    if (option.long === "--file") return known.paths(last);
    return (option.argChoices ?? []).map(whole);
  }
  if (last.startsWith("-")) {
    const flags = command.options.flatMap(({ long }) => long ?? []).filter((flag) =>
      !before.includes(flag)
    );
    return [...flags, "--help"].map(whole);
  }
  // Flags and their values take no place of an argument; a value is taken for one here, at the worst.
  const place = before.filter((word) => !word.startsWith("-")).length;
  if (place > 0) return [];
  switch (command.registeredArguments[0]?.name()) {
    case "topic":
      return [...known.topics].sort().map(whole);
    case "id":
      return [...known.nodes].sort((a, b) => a - b).map(String).map(whole);
    case "command":
      return commands.map((command) => command.name()).map(whole);
    default:
      return [];
  }
}

function whole(word: string): string {
  return `${word} `;
}

/** Names in the folder that `begun` is in, as {@link KnownNames} wants them. */
export function pathsFrom(begun: string): string[] {
  const folder = begun.slice(0, begun.lastIndexOf("/") + 1);
  try {
    return [...Deno.readDirSync(folder === "" ? "." : folder)]
      .map(({ name, isDirectory }) => `${folder}${name}${isDirectory ? "/" : " "}`)
      .sort();
  } catch {
    return []; // no such folder, or not ours to read
  }
}
