/**
 * What can be typed at the prompt: all commands of the shell, and those that only make sense here.
 *
 * @module
 */

import type { Command } from "commander";
import { UsageError } from "../exit.ts";
import { nearest } from "../nearest.ts";
import { wordOf } from "../parser.ts";
import type { Output } from "../terminal.ts";
import { shellCommand, type ShellParts } from "./parts.ts";
import { shellCommands } from "./shell_commands.ts";

/** `onExit` is called when the person wants to leave. */
export function promptCommands(parts: ShellParts, onExit: () => void): Command[] {
  const commands = shellCommands(parts);
  const leave = (name: string, summary: string) =>
    shellCommand(parts, { name, summary, examples: ["exit", "quit"] }).action(onExit);
  const help = shellCommand(parts, {
    name: "help",
    summary: "this list, or one command with its flags and examples",
    examples: ["help", "help put"],
  }).argument("[command]").action((name: string | undefined) => {
    if (name === undefined) return parts.output.out(listOf(commands, parts.output));
    mustFind(commands, name).outputHelp();
  });
  commands.push(help, leave("exit", "leave (Ctrl-D does so too)"), leave("quit", "leave"));
  return commands;
}

/** The command of that name, in small letters or capitals. @throws {UsageError} with the nearest one. */
export function mustFind(commands: readonly Command[], name: string): Command {
  const found = commands.find((command) => command.name() === name.toLowerCase());
  if (found !== undefined) return found;
  throw unknownCommandError(name, { commands, whereToLook: "help" });
}

/** What to say of a word that names no command. */
export function unknownCommandError(
  word: string,
  { commands, whereToLook }: { commands: readonly Command[]; whereToLook: string },
): UsageError {
  const near = nearest(word, commands.map((command) => command.name()));
  const hint = near === undefined ? `${whereToLook} shows what there is.` : `Did you mean ${near}?`;
  return new UsageError(`Unknown command ${JSON.stringify(word)}. ${hint}`);
}

function listOf(commands: readonly Command[], { paint }: Output): string {
  const rows = commands.map((command) => {
    const words = command.registeredArguments.map(wordOf);
    return { usage: [command.name(), ...words].join(" "), summary: command.description() };
  });
  const width = Math.max(...rows.map(({ usage }) => usage.length));
  const lines = rows.map(({ usage, summary }) =>
    `${paint("bold", usage.padEnd(width))}  ${summary}\n`
  );
  return `${lines.join("")}Flags and examples: help put\n`;
}
