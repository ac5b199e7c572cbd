/**
 * `walrus cli`: the flags, the one-shot commands, and the REPL when there is none.
 *
 * @module
 */

import { Command } from "commander";
import {
  isTopicName,
  TOPIC_NAME_RULE,
  type TopicSettings,
  WalrusClient,
} from "../../client/mod.ts";
import type { Address } from "../../world/mod.ts";
import { REPLICATION_FACTOR_MAX } from "../../server/topic_settings.ts";
import { EXIT, UsageError } from "../exit.ts";
import { addressOption, durability, integerBetween } from "../flag_values.ts";
import { nearest } from "../nearest.ts";
import type { Output } from "../terminal.ts";
import { readLines } from "../lines.ts";
import { putLines } from "./put_lines.ts";
import { showJson } from "./show.ts";

const TIMEOUT_MS_DEFAULT = 10_000;
const TIMEOUT_MS_MAX = 3_600_000;
/** Messages that `get --all` asks for at once. */
const GETS_IN_FLIGHT = 64;
const LINE_FEED = Uint8Array.of(0x0a);

interface ShellFlags {
  addr: Address[];
  timeout: number;
}

interface GetFlags {
  count: number;
  all?: boolean;
  raw?: boolean;
}

/** `onExitCode` is told what a command ends with, where that isn't 0. */
export function makeShellCommand(output: Output, onExitCode: (code: number) => void): Command {
  const shell = new Command("cli")
    .description("Talk to a cluster: one command, or a prompt without one.")
    .addOption(addressOption("client addresses of nodes; the first that answers is used"))
    .option(
      "--timeout <ms>",
      "how long one request may take",
      integerBetween(1, TIMEOUT_MS_MAX),
      TIMEOUT_MS_DEFAULT,
    )
    .usage("[options] [command]")
    .argument("[command]")
    .argument("[words...]") // so that a mistyped command is complained of, not the words behind it
    .addHelpText("after", SHELL_HELP);
  const withClient = async (action: (client: WalrusClient) => Promise<number>) => {
    const flags = shell.opts<ShellFlags>();
    const client = await WalrusClient.connect(flags.addr, { timeoutMs: flags.timeout });
    try {
      onExitCode(await action(client));
    } finally {
      await client.close();
    }
  };
  shell.action(async (word: string | undefined) => {
    if (word !== undefined) throw unknownCommandError(word, shell);
    await withClient(async (client) => {
      const { runRepl } = await import("./repl.ts");
      const isInteractive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
      return await runRepl({ client, output, isInteractive });
    });
  });
  addOneShots(shell, { output, withClient });
  return shell;
}

const SHELL_HELP = `
Exit codes: 0 done, 1 the node or the connection said no, 2 wrong usage, 3 nothing to get.

Examples:
  walrus cli --addr 127.0.0.1:9091,127.0.0.1:9092
  walrus cli --addr 127.0.0.1:9091 put logs - < server.log`;

interface OneShotParts {
  output: Output;
  withClient: (action: (client: WalrusClient) => Promise<number>) => Promise<void>;
}

function addOneShots(shell: Command, { output, withClient }: OneShotParts): void {
  shell.command("register").argument("<topic>", "", topicName)
    .description("create the topic unless it is there")
    .option("--replication-factor <n>", "replicas of each segment", replicationFactor)
    .option("--fsync <when>", "each, none or <n>ms, for this topic", topicDurability)
    .action((topic: string, settings: TopicSettings) =>
      withClient(async (client) => {
        await client.register(topic, settings);
        output.out("OK\n");
        return EXIT.ok;
      })
    );
  shell.command("put").argument("<topic>", "", topicName).argument("<message>")
    .description("append one message, or with - each line of standard input")
    .action((topic: string, message: string) =>
      withClient((client) => put(client, { topic, message, output }))
    );
  shell.command("get").argument("<topic>", "", topicName)
    .description("take the next message; the cursor is shared by all clients")
    .option("-n, --count <n>", "take up to n", integerBetween(1, Number.MAX_SAFE_INTEGER), 1)
    .option("--all", "take all there are")
    .option("--raw", "no line feed behind each message")
    .action((topic: string, flags: GetFlags) =>
      withClient((client) => get(client, { topic, flags, output }))
    );
  shell.command("state").argument("<topic>", "", topicName)
    .description("the topic's segments, leaders and counts, as JSON")
    .action((topic: string) =>
      withClient(async (client) => {
        output.out(`${showJson(await client.state(topic), output.paint)}\n`);
        return EXIT.ok;
      })
    );
  addClusterCommands(shell, { output, withClient });
}

function addClusterCommands(shell: Command, { output, withClient }: OneShotParts): void {
  const showing = (ask: (client: WalrusClient) => Promise<unknown>) => () =>
    withClient(async (client) => {
      output.out(`${showJson(await ask(client), output.paint)}\n`);
      return EXIT.ok;
    });
  shell.command("metrics").description("the node's view of the cluster, as JSON")
    .action(showing((client) => client.metrics()));
  shell.command("topics").description("all topics, as JSON")
    .action(showing((client) => client.topics()));
  shell.command("nodes").description("all nodes, and what each leads and holds, as JSON")
    .action(showing((client) => client.nodes()));
  shell.command("remove-node").argument("<id>", "", integerBetween(1, Number.MAX_SAFE_INTEGER))
    .description("move everything off a node, which then leaves; nodes shows how far it is")
    .action((id: number) =>
      withClient(async (client) => {
        await client.removeNode(id);
        output.out("OK\n");
        return EXIT.ok;
      })
    );
}

const replicationFactor = integerBetween(1, REPLICATION_FACTOR_MAX);

/** Checked here as `serve --fsync` is, sent as it was typed. */
function topicDurability(text: string): string {
  durability(text);
  return text;
}

async function put(
  client: WalrusClient,
  options: { topic: string; message: string; output: Output },
): Promise<number> {
  const { topic, message, output } = options;
  if (message !== "-") {
    await client.put(topic, message);
    output.out("OK\n");
  } else {
    const count = await putLines(client, topic, readLines(Deno.stdin.readable));
    output.out(`OK ${count}\n`);
  }
  return EXIT.ok;
}

async function get(
  client: WalrusClient,
  options: { topic: string; flags: GetFlags; output: Output },
): Promise<number> {
  const { topic, flags, output } = options;
  const wished = flags.all ? Infinity : flags.count;
  let got = 0;
  while (got < wished) {
    const asked = Math.min(wished - got, GETS_IN_FLIGHT);
    const answers = Array.from({ length: asked }, () => client.get(topic));
    // Every message that was taken is printed, also those behind a request that failed.
    const settled = await Promise.allSettled(answers);
    const messages = settled.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
    for (const message of messages) {
      if (message === null) continue;
      got++;
      output.outBytes(message);
      if (!flags.raw) output.outBytes(LINE_FEED);
    }
    const failed = settled.find((answer) => answer.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const isEmpty = messages.includes(null);
    if (isEmpty) break;
  }
  if (got === 0) output.error("EMPTY\n");
  return got === 0 ? EXIT.empty : EXIT.ok;
}

function topicName(text: string): string {
  if (isTopicName(text)) return text;
  throw new UsageError(`Bad topic name ${JSON.stringify(text)}: ${TOPIC_NAME_RULE}.`);
}

function unknownCommandError(word: string, shell: Command): UsageError {
  const near = nearest(word, shell.commands.map((command) => command.name()));
  const hint = near === undefined
    ? "walrus cli --help shows what there is."
    : `Did you mean ${near}?`;
  return new UsageError(`Unknown command ${JSON.stringify(word)}. ${hint}`);
}
