/**
 * What the commands are given, by a command line or by the prompt.
 *
 * @module
 */

import { Command } from "commander";
import type { WalrusClient } from "../../client/mod.ts";
import { isTopicName, TOPIC_NAME_RULE } from "../../client/mod.ts";
import { UsageError } from "../exit.ts";
import { addExamples, inCapitalsToo } from "../parser.ts";
import type { Output } from "../terminal.ts";

/** What a command of the shell needs. */
export interface ShellParts {
  output: Output;
  /** In front of every example: `walrus cli `, or nothing at the prompt. */
  prefix: string;
  /** `null` at the prompt, where it is the prompt's own. */
  standardInput: (() => AsyncIterable<Uint8Array>) | null;
  /** Runs `action` with a connected client; takes the exit code that it resolves to. */
  withClient(action: (client: WalrusClient) => Promise<number>): Promise<void>;
  /** Runs `action` with a signal that Ctrl-C gives; the process, or the prompt, goes on behind it. */
  interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** A remark for the person, on stderr. */
  warn(line: string): void;
}

/** How a command is spoken of. */
export interface CommandTexts {
  name: string;
  summary: string;
  /** What flags can't say, in a line before the examples. */
  note?: string;
  examples: readonly [string, string];
}

/** A command with its two examples, that may be typed in capitals too. */
export function shellCommand(parts: ShellParts, options: CommandTexts): Command {
  const command = new Command(options.name).description(options.summary);
  if (options.note !== undefined) command.addHelpText("after", `\n${options.note}`);
  return addExamples(inCapitalsToo(command), parts.prefix, options.examples);
}

/** Says that a command was done. */
export function printOk(output: Output, more = ""): void {
  output.out(`${output.paint("green", "OK")}${more}\n`);
}

/** Checks a topic's name where it is read. @throws {UsageError} */
export function topicName(text: string): string {
  if (isTopicName(text)) return text;
  throw new UsageError(`Bad topic name ${JSON.stringify(text)}: ${TOPIC_NAME_RULE}.`);
}
