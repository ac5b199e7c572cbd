/**
 * The commands and their flags. What a command does is in its own file, which is loaded when it runs:
 * `walrus cli` does not pay for the server, nor `serve` for the line editor.
 *
 * @module
 */

import { Argument, Command } from "commander";
import { makeBenchCommand } from "./bench/mod.ts";
import { makeShellCommand } from "./shell/mod.ts";
import { describeError, EXIT, exitCodeOf } from "./exit.ts";
import { pathOf, prepare, withSubcommands } from "./parser.ts";
import { makeServeCommand, planServe, type ServeFlags } from "./serve_options.ts";
import { type Output, processOutput } from "./terminal.ts";
import { completionsFor, SHELLS } from "./completions.ts";
import { type BuildInfo, describeVersion } from "./version.ts";

/** What {@link runProgram} may be given. */
export interface ProgramOptions {
  /** The process's own, if not given. */
  output?: Output;
  /** How the executable was made; `null` for a program that runs from source. */
  build?: BuildInfo | null;
}

/** Does what `args` say; the exit code. Never throws: what goes wrong is one line on stderr. */
export async function runProgram(
  args: readonly string[],
  { output = processOutput(), build = null }: ProgramOptions = {},
): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = makeProgram({ output, build, onExitCode: (code) => exitCode = code });
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return EXIT.usage;
  }
  try {
    const isVersionAsked = args[0] === "--version" || args[0] === "-V";
    await program.parseAsync(isVersionAsked ? ["version"] : [...args], { from: "user" });
    return exitCode;
  } catch (error) {
    return reportError(error, output);
  }
}

/** What the commands are given. */
export interface ProgramParts {
  output: Output;
  build: BuildInfo | null;
  /** Is told what a command ends with, where that isn't 0. */
  onExitCode: (code: number) => void;
}

/** All commands with their flags. */
export function makeProgram({ output, build, onExitCode }: ProgramParts): Command {
  const program = new Command("walrus")
    .description("A distributed log: append messages to topics, read them back in order.")
    .option("-V, --version", "print the version and how this program was built")
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
  program.command("version")
    .description("Print version, commit, backend and how this program was built.")
    .addHelpText("after", VERSION_HELP)
    .action(async () => output.out(await describeVersion(build)));
  program.command("completions")
    .description("Print the completion script of a shell.")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText("after", COMPLETIONS_HELP)
    .action((shell: string) => output.out(completionsFor(shell, program)));
  const complain = (line: string, command: Command) =>
    output.error(`walrus: ${line} (${pathOf(command)} --help shows what there is)\n`);
  for (const command of withSubcommands(program)) prepare(command, { output, complain });
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

const VERSION_HELP = `
Examples:
  walrus version
  walrus --version`;

const COMPLETIONS_HELP = `
Examples:
  walrus completions bash > /etc/bash_completion.d/walrus
  walrus completions zsh > "\${fpath[1]}/_walrus"`;

const HELP_EXAMPLES = `
Examples:
  walrus serve --dev
  walrus cli --addr 127.0.0.1:8080 put logs "hello"`;

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
