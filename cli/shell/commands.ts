/**
 * What can be asked of a node, described once for the REPL's help, completion and checks.
 *
 * @module
 */

/** One command of the REPL. */
export interface ReplCommand {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly example: string;
  /** Words behind the command. */
  readonly wordsMin: number;
  readonly wordsMax: number;
  /** The first word is a topic: it is completed and remembered. */
  readonly takesTopic: boolean;
}

/** In the order of `help`. */
export const REPL_COMMANDS: readonly ReplCommand[] = [
  {
    name: "register",
    usage: "register <topic>",
    summary: "create the topic unless it is there",
    example: "register logs",
    wordsMin: 1,
    wordsMax: 1,
    takesTopic: true,
  },
  {
    name: "put",
    usage: "put <topic> <message>",
    summary: "append one message; quote it when it has spaces at its ends or escapes in it",
    example: 'put logs "first line\\n"',
    wordsMin: 2,
    wordsMax: Infinity,
    takesTopic: true,
  },
  {
    name: "get",
    usage: "get <topic>",
    summary: "take the next message; the cursor is shared by all clients",
    example: "get logs",
    wordsMin: 1,
    wordsMax: 1,
    takesTopic: true,
  },
  {
    name: "state",
    usage: "state <topic>",
    summary: "the topic's segments, leaders and counts",
    example: "state logs",
    wordsMin: 1,
    wordsMax: 1,
    takesTopic: true,
  },
  {
    name: "metrics",
    usage: "metrics",
    summary: "the node's view of the cluster",
    example: "metrics",
    wordsMin: 0,
    wordsMax: 0,
    takesTopic: false,
  },
  {
    name: "topics",
    usage: "topics",
    summary: "all topics",
    example: "topics",
    wordsMin: 0,
    wordsMax: 0,
    takesTopic: false,
  },
  {
    name: "nodes",
    usage: "nodes",
    summary: "all nodes, and what each leads and holds",
    example: "nodes",
    wordsMin: 0,
    wordsMax: 0,
    takesTopic: false,
  },
  {
    name: "help",
    usage: "help [command]",
    summary: "this list, or one command with an example",
    example: "help put",
    wordsMin: 0,
    wordsMax: 1,
    takesTopic: false,
  },
  {
    name: "exit",
    usage: "exit",
    summary: "leave (quit and Ctrl-D do so too)",
    example: "exit",
    wordsMin: 0,
    wordsMax: 0,
    takesTopic: false,
  },
  {
    name: "quit",
    usage: "quit",
    summary: "leave",
    example: "quit",
    wordsMin: 0,
    wordsMax: 0,
    takesTopic: false,
  },
];

/** The command of that name, upper or lower case. */
export function findReplCommand(name: string): ReplCommand | undefined {
  return REPL_COMMANDS.find((command) => command.name === name.toLowerCase());
}

/** What may stand at the end of `line`: commands first, then topics, or commands behind `help`. */
export function complete(line: string, topics: Iterable<string>): [string[], string] {
  const words = line.trimStart().split(/\s+/);
  const last = words.at(-1)!;
  const starting = (candidates: readonly string[]) =>
    candidates.filter((candidate) => candidate.startsWith(last)).map((found) => `${found} `);
  const names = REPL_COMMANDS.map((command) => command.name);
  if (words.length === 1) {
    const lower = last.toLowerCase();
    return [names.filter((name) => name.startsWith(lower)).map((name) => `${name} `), last];
  }
  if (words.length > 2) return [[], last];
  if (words[0]!.toLowerCase() === "help") return [starting(names), last];
  const takesTopic = findReplCommand(words[0]!)?.takesTopic ?? false;
  return [takesTopic ? starting([...topics].sort()) : [], last];
}
