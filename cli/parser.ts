/**
 * How commands are parsed and complained of, in the process's arguments and at the prompt alike.
 *
 * @module
 */

import type { Argument, Command } from "commander";
import type { Output } from "./terminal.ts";

/** Lines that the help of one command may have: a screen. */
export const HELP_LINES_MAX = 40;
/** Columns of help where it isn't a terminal that says how many it has. */
const HELP_COLUMNS = 80;

/** The command and everything below it. */
export function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Where a command's parser writes, and how it complains. */
export interface ParserVoice {
  output: Output;
  /** Takes what is wrong, as one line without an end. */
  complain: (line: string, command: Command) => void;
}

/** No process exit from within the parser, its complaints as one line, its help without upper-case names. */
export function prepare(command: Command, { output, complain }: ParserVoice): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureHelp({ subcommandTerm: termOf, commandUsage: usageOf })
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.error(text),
      getOutHelpWidth: () => Math.max(output.columns ?? HELP_COLUMNS, HELP_COLUMNS),
      outputError: (text) => complain(oneLine(text), command),
    });
}

/** Name of a root that nobody types, as at the prompt. */
export const UNTYPED_ROOT = "(prompt)";

/** `walrus cli put`, or `put` at the prompt. */
export function pathOf(command: Command): string {
  if (command.name() === UNTYPED_ROOT) return "";
  const parent = command.parent === null ? "" : pathOf(command.parent);
  return `${parent} ${command.name()}`.trim();
}

/** Lets a command be typed in capitals, as the protocol has it. */
export function inCapitalsToo(command: Command): Command {
  return command.alias(command.name().toUpperCase());
}

/** Examples behind a command's help. */
export function addExamples(
  command: Command,
  prefix: string,
  examples: readonly string[],
): Command {
  const lines = examples.map((example) => `  ${prefix}${example}`).join("\n");
  return command.addHelpText("after", `\nExamples:\n${lines}`);
}

function oneLine(text: string): string {
  return text.replace(/^error: /, "").trim().replace(/\s*\n\s*/g, " ");
}

/** Without the alias in capitals; a command that has commands is named alone. */
function termOf(command: Command): string {
  const words = command.commands.length > 0 ? [] : command.registeredArguments.map(wordOf);
  return [command.name(), ...words].join(" ");
}

/** `<topic>`, `[message...]`. */
export function wordOf(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function usageOf(command: Command): string {
  return `${pathOf(command)} ${command.usage()}`.trim();
}
