/**
 * `walrus cli` without a command: one line typed, one thing done.
 *
 * @module
 */

import * as readline from "node:readline";
import process from "node:process";
import { Command, CommanderError } from "commander";
import { isTopicName, type WalrusClient } from "../../client/mod.ts";
import { describeError, EXIT } from "../exit.ts";
import { prepare, UNTYPED_ROOT } from "../parser.ts";
import type { Output } from "../terminal.ts";
import { complete, pathsFrom } from "./completion.ts";
import { historyPath, loadHistory, saveHistory } from "./history.ts";
import type { ShellParts } from "./parts.ts";
import { mustFind, promptCommands } from "./prompt_commands.ts";
import { withTopicHint } from "./topic_hint.ts";
import { splitWords } from "./words.ts";

/** Topics that completion remembers. */
const TOPICS_MAX = 1000;

/** What a REPL needs. */
export interface ReplOptions {
  client: WalrusClient;
  output: Output;
  /** Greets, prompts and edits lines; without it only reads them, and ends with 1 if one failed. */
  isInteractive: boolean;
}

/** Reads and does lines until `exit`, `quit` or the end of input; the exit code. */
export async function runRepl(options: ReplOptions): Promise<number> {
  const { client, output, isInteractive } = options;
  const path = isInteractive ? historyPath((name) => Deno.env.get(name)) : null;
  const history = loadHistory(path);
  const session = new ReplSession(client, output);
  session.learnFromHistory(history);
  const editor = readline.createInterface({
    input: process.stdin,
    output: isInteractive ? process.stdout : undefined,
    terminal: isInteractive,
    prompt: output.paint("bold", "walrus> "),
    completer: (line: string) => session.complete(line),
    history,
    removeHistoryDuplicates: true,
  });
  editor.on("history", (lines: string[]) => keepHistory(path, lines));
  editor.on("SIGINT", () => {
    if (session.interrupt()) return;
    output.out(editor.line === "" ? "\n(exit or Ctrl-D leaves)\n" : "^C\n");
    editor.write(null, { ctrl: true, name: "e" });
    editor.write(null, { ctrl: true, name: "u" });
    editor.prompt();
  });
  editor.on("close", () => session.interrupt()); // Ctrl-D, or a terminal that is gone
  if (isInteractive) await session.learnNames();
  if (isInteractive) {
    output.out(
      `Connected to ${client.address}. help lists commands, Tab completes, Ctrl-D leaves.\n`,
    );
  }
  await session.run(editor);
  if (!session.isLeft && isInteractive) output.out("\n");
  editor.close();
  return session.hasFailed && !isInteractive ? EXIT.failure : EXIT.ok;
}

function keepHistory(path: string | null, lines: readonly string[]): void {
  if (path === null) return;
  try {
    saveHistory(path, lines);
  } catch {
    // A session without a writable home works, it just isn't remembered.
  }
}

class ReplSession {
  hasFailed = false;
  isLeft = false;
  readonly #client: WalrusClient;
  readonly #output: Output;
  readonly #parts: ShellParts;
  readonly #topics = new Set<string>();
  #nodes: number[] = [];
  /** Of the command that Ctrl-C would end; `null` while none such runs. */
  #running: AbortController | null = null;

  constructor(client: WalrusClient, output: Output) {
    this.#client = client;
    this.#output = output;
    this.#parts = {
      output,
      prefix: "",
      standardInput: null,
      withClient: async (action) => void await withTopicHint(client, () => action(client)),
      interruptible: (action) => this.#interruptible(action),
      warn: (line) => output.error(`${output.paintError("yellow", "NOTE")} ${line}\n`),
    };
  }

  /** Topics that were named in earlier sessions. */
  learnFromHistory(history: readonly string[]): void {
    const commands = this.#commands();
    for (const line of history.slice(0, TOPICS_MAX)) {
      const [name, topic] = line.trim().split(/\s+/);
      const command = commands.find((command) => command.name() === name);
      if (command !== undefined) this.#learnTopic(command, topic);
    }
  }

  /** Learns what there is, for completion; a node that can't say it does no harm. */
  async learnNames(): Promise<void> {
    const [{ topics }, { nodes }] = await Promise.all([
      this.#client.topics().catch(() => ({ topics: [] })),
      this.#client.nodes().catch(() => ({ nodes: [] })),
    ]);
    for (const { topic } of topics.slice(0, TOPICS_MAX)) this.#topics.add(topic);
    this.#nodes = nodes.map(({ id }) => id);
  }

  complete(line: string): [string[], string] {
    const known = { topics: this.#topics, nodes: this.#nodes, paths: pathsFrom };
    return complete(line, this.#commands(), known);
  }

  /** Whether there was a command to end. */
  interrupt(): boolean {
    this.#running?.abort();
    return this.#running !== null;
  }

  /** Until a line said to leave, or the end of input. */
  async run(editor: readline.Interface): Promise<void> {
    let isClosed = false;
    editor.on("close", () => isClosed = true);
    editor.prompt();
    // Lines that are pasted while one is being done wait here, in order.
    for await (const line of linesOf(editor)) {
      await this.#handleLine(line);
      if (this.isLeft) return;
      if (!isClosed) editor.prompt();
    }
  }

  async #handleLine(line: string): Promise<void> {
    const split = splitWords(line);
    if (!split.ok) return this.#complain(split.problem);
    const [name, ...words] = split.words;
    if (name === undefined) return;
    try {
      const commands = this.#commands();
      const command = mustFind(commands, name);
      await rootOf(commands).parseAsync(
        [command.name(), ...withMark(command, { words, isQuoted: split.isQuoted.slice(1) })],
        { from: "user" },
      );
      this.#learnTopic(command, words[0]);
    } catch (error) {
      if (!(error instanceof CommanderError)) {
        return this.#complain(describeError(error, { withStack: false }));
      }
      // The parser has said by itself what was wrong, and help is no failure.
      if (error.exitCode !== 0) this.hasFailed = true;
    }
  }

  #commands(): Command[] {
    const commands = promptCommands(this.#parts, () => this.isLeft = true);
    const complain = (line: string, command: Command) =>
      this.#complain(`${line} (help ${command.name()} shows how)`);
    for (const command of commands) prepare(command, { output: this.#output, complain });
    return commands;
  }

  #learnTopic(command: Command, word: string | undefined): void {
    const takesTopic = command.registeredArguments[0]?.name() === "topic";
    if (!takesTopic || word === undefined || !isTopicName(word) || word.startsWith("-")) return;
    if (this.#topics.size < TOPICS_MAX) this.#topics.add(word);
  }

  async #interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = this.#running = new AbortController();
    try {
      return await action(controller.signal);
    } finally {
      this.#running = null;
    }
  }

  #complain(text: string): void {
    this.hasFailed = true;
    this.#output.error(`${this.#output.paintError("red", "ERR")} ${text}\n`);
  }
}

function rootOf(commands: readonly Command[]): Command {
  const root = new Command(UNTYPED_ROOT).exitOverride().helpCommand(false);
  for (const command of commands) root.addCommand(command);
  return root;
}

/** A quoted word that begins with a dash is a message, not a flag: so is all behind it. */
function withMark(
  command: Command,
  { words, isQuoted }: { words: readonly string[]; isQuoted: readonly boolean[] },
): string[] {
  const at = words.findIndex((word, i) => isQuoted[i] && word.startsWith("-"));
  if (at < 0 || command.name() !== "put") return [...words];
  return [...words.slice(0, at), "--", ...words.slice(at)];
}

/**
 * The lines that were entered. Not the editor's own iterator: that one loses lines that come in one
 * chunk with the end of input.
 */
async function* linesOf(editor: readline.Interface): AsyncGenerator<string> {
  const lines: string[] = [];
  let isClosed = false;
  let wake = () => {};
  editor.on("line", (line: string) => {
    lines.push(line);
    wake();
  });
  editor.on("close", () => {
    isClosed = true;
    wake();
  });
  while (true) {
    while (lines.length > 0) yield lines.shift()!;
    if (isClosed) return;
    await new Promise<void>((resolve) => wake = resolve);
  }
}
