/**
 * `walrus cli` without a command: one line typed, one thing done.
 *
 * @module
 */

import * as readline from "node:readline";
import process from "node:process";
import { isTopicName, type WalrusClient } from "../../client/mod.ts";
import { describeError, EXIT } from "../exit.ts";
import { nearest } from "../nearest.ts";
import type { Output } from "../terminal.ts";
import { complete, findReplCommand, REPL_COMMANDS, type ReplCommand } from "./commands.ts";
import { historyPath, loadHistory, saveHistory } from "./history.ts";
import { printable, showJson } from "./show.ts";
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
  const session = new ReplSession(client, output, topicsIn(history));
  const editor = readline.createInterface({
    input: process.stdin,
    output: isInteractive ? process.stdout : undefined,
    terminal: isInteractive,
    prompt: output.paint("bold", "walrus> "),
    completer: (line: string) => complete(line, session.topics),
    history,
    removeHistoryDuplicates: true,
  });
  editor.on("history", (lines: string[]) => keepHistory(path, lines));
  editor.on("SIGINT", () => {
    output.out(editor.line === "" ? "\n(exit or Ctrl-D leaves)\n" : "^C\n");
    editor.write(null, { ctrl: true, name: "e" });
    editor.write(null, { ctrl: true, name: "u" });
    editor.prompt();
  });
  if (isInteractive) await session.learnTopics();
  if (isInteractive) output.out(`Connected to ${client.address}. Try help.\n`);
  const isLeft = await session.run(editor);
  if (!isLeft && isInteractive) output.out("\n");
  editor.close();
  return session.hasFailed && !isInteractive ? EXIT.failure : EXIT.ok;
}

/** Topics that were named in earlier sessions. */
function topicsIn(history: readonly string[]): Set<string> {
  const topics = new Set<string>();
  for (const line of history.slice(0, TOPICS_MAX)) {
    const [name, topic] = line.trim().split(/\s+/);
    const isTopic = topic !== undefined && isTopicName(topic);
    if (isTopic && findReplCommand(name!)?.takesTopic) topics.add(topic);
  }
  return topics;
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
  readonly topics: Set<string>;
  readonly #client: WalrusClient;
  readonly #output: Output;

  constructor(client: WalrusClient, output: Output, topics: Set<string>) {
    this.#client = client;
    this.#output = output;
    this.topics = topics;
  }

  /** Learns the topics that there are, for completion; a node that can't say them does no harm. */
  async learnTopics(): Promise<void> {
    const { topics } = await this.#client.topics().catch(() => ({ topics: [] }));
    for (const { topic } of topics.slice(0, TOPICS_MAX)) this.topics.add(topic);
  }

  /** True when a line said to leave, false at the end of input. */
  async run(editor: readline.Interface): Promise<boolean> {
    let isClosed = false;
    editor.on("close", () => isClosed = true);
    editor.prompt();
    // Lines that are pasted while one is being done wait here, in order.
    for await (const line of linesOf(editor)) {
      if (await this.#handleLine(line) === "exit") return true;
      if (!isClosed) editor.prompt();
    }
    return false;
  }

  async #handleLine(line: string): Promise<"exit" | void> {
    const split = splitWords(line);
    if (!split.ok) return this.#complain(split.problem);
    const [name, ...words] = split.words;
    if (name === undefined) return;
    const command = findReplCommand(name);
    if (command === undefined) return this.#complain(unknownCommand(name));
    if (words.length < command.wordsMin || words.length > command.wordsMax) {
      return this.#complain(`Usage: ${command.usage}`);
    }
    if (command.name === "exit" || command.name === "quit") return "exit";
    try {
      await this.#do(command, words);
      if (command.takesTopic && this.topics.size < TOPICS_MAX) this.topics.add(words[0]!);
    } catch (error) {
      this.#complain(describeError(error, { withStack: false }));
    }
  }

  async #do(command: ReplCommand, words: string[]): Promise<void> {
    const { paint } = this.#output;
    const topic = words[0] ?? "";
    switch (command.name) {
      case "register":
        await this.#client.register(topic);
        return this.#print(paint("green", "OK"));
      case "put":
        await this.#client.put(topic, words.slice(1).join(" "));
        return this.#print(paint("green", "OK"));
      case "get": {
        const message = await this.#client.get(topic);
        return this.#print(message === null ? paint("dim", "EMPTY") : printable(message));
      }
      case "state":
        return this.#print(showJson(await this.#client.state(topic), paint));
      case "metrics":
        return this.#print(showJson(await this.#client.metrics(), paint));
      case "topics":
        return this.#print(showJson(await this.#client.topics(), paint));
      case "nodes":
        return this.#print(showJson(await this.#client.nodes(), paint));
      case "help":
        return this.#print(helpText(words[0], this.#output));
    }
  }

  #print(text: string): void {
    this.#output.out(`${text}\n`);
  }

  #complain(text: string): void {
    this.hasFailed = true;
    this.#output.error(`${this.#output.paintError("red", "ERR")} ${text}\n`);
  }
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

function unknownCommand(name: string): string {
  const near = nearest(name, REPL_COMMANDS.map((command) => command.name));
  const hint = near === undefined ? "help shows what there is." : `Did you mean ${near}?`;
  return `Unknown command ${JSON.stringify(name)}. ${hint}`;
}

function helpText(name: string | undefined, output: Output): string {
  if (name !== undefined) {
    const command = findReplCommand(name);
    if (command === undefined) return unknownCommand(name);
    return `${
      output.paint("bold", command.usage)
    }\n  ${command.summary}\n  for example: ${command.example}`;
  }
  const width = Math.max(...REPL_COMMANDS.map((command) => command.usage.length));
  return REPL_COMMANDS.map(({ usage, summary }) =>
    `${output.paint("bold", usage.padEnd(width))}  ${summary}`
  ).join("\n");
}
