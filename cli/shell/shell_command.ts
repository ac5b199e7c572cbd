/**
 * `walrus cli`: its flags, the one-shot commands, and the prompt when there is none.
 *
 * @module
 */

import { Command } from "commander";
import { ConnectError, WalrusClient } from "../../client/mod.ts";
import type { Address } from "../../world/mod.ts";
import { addressOption, integerBetween } from "../flag_values.ts";
import type { Output } from "../terminal.ts";
import type { ShellParts } from "./parts.ts";
import { unknownCommandError } from "./prompt_commands.ts";
import { shellCommands } from "./shell_commands.ts";
import { interruptibleBySignals } from "./signals.ts";
import { withTopicHint } from "./topic_hint.ts";

const TIMEOUT_MS_DEFAULT = 10_000;
const TIMEOUT_MS_MAX = 3_600_000;
const WAIT_SECONDS_MAX = 3_600;
/** Between two rounds over the addresses, while nobody answers. */
const CONNECT_POLL_MS = 100;

interface ShellFlags {
  addr: Address[];
  timeout: number;
  wait: number;
}

/** `onExitCode` is told what a command ends with, where that isn't 0. */
export function makeShellCommand(output: Output, onExitCode: (code: number) => void): Command {
  const shell = new Command("cli")
    .description("Talk to a cluster: one command, or a prompt without one.")
    .addOption(addressOption("client addresses of nodes, tried in turn"))
    .option(
      "--timeout <ms>",
      "how long one request may take",
      integerBetween(1, TIMEOUT_MS_MAX),
      TIMEOUT_MS_DEFAULT,
    )
    .option(
      "--wait <seconds>",
      "until a node is ready, for those that have just been started",
      integerBetween(0, WAIT_SECONDS_MAX),
      0,
    )
    .usage("[options] [command]")
    .argument("[command]")
    .argument("[words...]") // so that a mistyped command is complained of, not the words behind it
    .helpCommand(true)
    .addHelpText("after", SHELL_HELP);
  const withClient = async (action: (client: WalrusClient) => Promise<number>) => {
    const client = await connect(shell.opts<ShellFlags>());
    try {
      onExitCode(await withTopicHint(client, () => action(client)));
    } finally {
      await client.close();
    }
  };
  const parts: ShellParts = {
    output,
    prefix: "walrus cli ",
    standardInput: () => Deno.stdin.readable,
    withClient,
    interruptible: interruptibleBySignals,
    warn: (line) => output.error(`walrus: ${line}\n`),
  };
  const commands = shellCommands(parts);
  shell.action(async (word: string | undefined) => {
    if (word !== undefined) {
      throw unknownCommandError(word, { commands, whereToLook: "walrus cli --help" });
    }
    await withClient(async (client) => {
      const { runRepl } = await import("./repl.ts");
      const isInteractive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
      return await runRepl({ client, output, isInteractive });
    });
  });
  for (const command of commands) shell.addCommand(command);
  return shell;
}

/**
 * Connects; with `--wait`, to a node that is ready.
 *
 * @throws {ClientError} when nobody answers, or none is ready for as long as `--wait` says.
 */
async function connect({ addr, timeout, wait }: ShellFlags): Promise<WalrusClient> {
  const endMs = performance.now() + wait * 1000;
  while (true) {
    try {
      const client = await WalrusClient.connect(addr, { timeoutMs: timeout });
      if (wait === 0) return client;
      const isReady = await client.metrics().then((metrics) => metrics.current_leader !== null)
        .catch(() => false);
      if (isReady || performance.now() >= endMs) return client;
      await client.close();
    } catch (error) {
      if (!(error instanceof ConnectError) || performance.now() >= endMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
  }
}

const SHELL_HELP = `
Exit codes: 0 done, 1 the node or the connection said no, 2 wrong usage, 3 nothing to get,
4 the answer was lost: it may have been done or not.

Examples:
  walrus cli --addr 127.0.0.1:9091,127.0.0.1:9092
  walrus cli --addr 127.0.0.1:9091 put logs - < server.log`;
