/**
 * The commands and their flags. What a command does is in its own file, which is loaded when it runs:
 * `walrus cli` does not pay for the server, nor `serve` for the line editor.
 *
 * @module
 */

import { Command } from "commander";
import { makeBenchCommand } from "./bench/mod.ts";
import { makeShellCommand } from "./shell/mod.ts";
import { describeError, EXIT, exitCodeOf } from "./exit.ts";
import { makeServeCommand, planServe, type ServeFlags } from "./serve_options.ts";
import { type Output, processOutput } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Does what `args` say; the exit code. Never throws: what goes wrong is one line on stderr. */
export async function runProgram(
  args: readonly string[],
  output: Output = processOutput(),
): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = makeProgram(output, (code) => exitCode = code);
  if (args.length === 0) {
    output.error(program.helpInformation());
    return EXIT.usage;
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    return reportError(error, output);
  }
}

function makeProgram(output: Output, onExitCode: (code: number) => void): Command {
  const program = new Command("walrus")
    .description("A distributed log: append messages to topics, read them back in order.")
    .version(VERSION, "-V, --version", "print the version")
    .addHelpText("after", HELP_EXAMPLES);
  program.addCommand(
    makeServeCommand().action(async (flags: ServeFlags) => {
      const plan = planServe(flags, (name) => Deno.env.get(name));
      const { serve } = await import("./serve.ts");
      onExitCode(await serve(plan));
    }),
  );
  program.addCommand(makeShellCommand(output, onExitCode));
  program.addCommand(makeBenchCommand(output));
  program.addCommand(makeVerifyCommand(output, onExitCode));
  program.command("version").description("Print the version.").action(() => {
    output.out(`walrus ${VERSION} (deno ${Deno.version.deno}, ${Deno.build.target})\n`);
  });
  for (const command of withSubcommands(program)) prepare(command, output);
  return program;
}

function makeVerifyCommand(output: Output, onExitCode: (code: number) => void): Command {
  return new Command("verify")
    .description("Read all of a stopped node's data and say what is damaged.")
    .option("--data-dir <path>", "the node's data", "./data")
    .option("--json", "print the report as JSON")
    .addHelpText("after", VERIFY_HELP)
    .action(async (flags: { dataDir: string; json?: boolean }) => {
      const { runVerify } = await import("./verify.ts");
      onExitCode(await runVerify({ dataDir: flags.dataDir, json: flags.json ?? false }, output));
    });
}

const VERIFY_HELP = `
Exit codes: 0 all of it is good, 1 something is not, or it could not be looked at.

Examples:
  walrus verify --data-dir ./data/1
  walrus verify --data-dir ./data/1 --json`;

const HELP_EXAMPLES = `
Examples:
  walrus serve --node-id 1
  walrus cli --addr 127.0.0.1:8080 put logs "hello"`;

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** No process exit from within the parser, and its complaints as one line. */
function prepare(command: Command, output: Output): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.error(text),
      outputError: (text) => output.error(usageLine(command, text)),
    });
}

function usageLine(command: Command, text: string): string {
  const line = text.replace(/^error: /, "").trim().replace(/\s*\n\s*/g, " ");
  return `walrus: ${line} (${pathOf(command)} --help shows what there is)\n`;
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function reportError(error: unknown, output: Output): number {
  // Who read our output has seen enough (`walrus cli get t --all | head`).
  if (error instanceof Deno.errors.BrokenPipe) return EXIT.failure;
  const exitCode = exitCodeOf(error);
  // The parser has said by itself what was wrong.
  const isSaid = error instanceof Error && error.name === "CommanderError";
  if (!isSaid) {
    const withStack = Deno.env.get("WALRUS_LOG") === "debug";
    output.error(`walrus: ${describeError(error, { withStack })}\n`);
  }
  return exitCode;
}
