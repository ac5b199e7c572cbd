/**
 * The commands that carry messages: `register`, `put`, `get`, `tail`.
 *
 * @module
 */

import type { Command } from "commander";
import type { TopicSettings, WalrusClient } from "../../client/mod.ts";
import { REPLICATION_FACTOR_MAX } from "../../server/topic_settings.ts";
import { EXIT } from "../exit.ts";
import { durability, integerBetween } from "../flag_values.ts";
import { addFormatFlags, type FormatFlags, messagePrinter } from "./message_format.ts";
import { printOk, shellCommand, type ShellParts, topicName } from "./parts.ts";
import { putMany } from "./put_many.ts";
import { retrying } from "./put_retry.ts";
import { type PutFlags, type PutSource, sourceOf } from "./put_source.ts";
import { tailCommand } from "./tail.ts";

/** Messages that `get --all` asks for at once. */
const GETS_IN_FLIGHT = 256;
const RETRIES_MAX = 1000;

interface GetFlags extends FormatFlags {
  count: number;
  all?: boolean;
}

/** In the order of the help. */
export function messageCommands(parts: ShellParts): Command[] {
  return [registerCommand(parts), putCommand(parts), getCommand(parts), tailCommand(parts)];
}

function registerCommand(parts: ShellParts): Command {
  return shellCommand(parts, {
    name: "register",
    summary: "create the topic unless it is there",
    examples: ["register logs", "register logs --replication-factor 1 --fsync 10ms"],
  }).argument("<topic>", "", topicName)
    .option("--replication-factor <n>", "replicas of each segment", replicationFactor)
    .option("--fsync <when>", "each, none or <n>ms, for this topic", topicDurability)
    .option("--retention-bytes <n>", "keep at least so many bytes, then trim; 0: no limit", promise)
    .option("--retention-ms <n>", "keep messages at least so long", promise)
    .option("--retention-entries <n>", "keep at least so many messages", promise)
    .action((topic: string, settings: TopicSettings) =>
      parts.withClient(async (client) => {
        await client.register(topic, settings);
        printOk(parts.output);
        return EXIT.ok;
      })
    );
}

const promise = integerBetween(0, Number.MAX_SAFE_INTEGER);
const replicationFactor = integerBetween(1, REPLICATION_FACTOR_MAX);

/** Checked here as `serve --fsync` is, sent as it was typed. */
function topicDurability(text: string): string {
  durability(text);
  return text;
}

function putCommand(parts: ShellParts): Command {
  const isPrompt = parts.standardInput === null;
  const dash = isPrompt ? "" : "; - is standard input, a message a line";
  return shellCommand(parts, {
    name: "put",
    summary: "append a message, or many from a file",
    note: "Without --retry nothing is sent twice. A message that begins with - stands behind --.",
    examples: [
      'put logs "hello, walrus"',
      isPrompt ? "put logs --file server.log" : "put logs - < server.log",
    ],
  }).argument("<topic>", "where to", topicName)
    .argument("[message...]", `words, joined by spaces${dash}`)
    .option("-f, --file <path>", "append what is in a file, a message a line")
    .option("-0, --null", "messages end with a NUL byte, not with a line feed")
    .option("--whole", "all of it is one message")
    .option(
      "--retry <n>",
      "try again so often, one message at a time; says so where one may now be there twice",
      integerBetween(0, RETRIES_MAX),
      0,
    )
    .action(async (topic: string, words: string[], flags: PutFlags) => {
      const open = sourceOf(words, flags, parts);
      await parts.withClient((client) => put(client, { topic, open, flags, parts }));
    });
}

async function put(
  client: WalrusClient,
  { topic, open, flags, parts }: {
    topic: string;
    open: () => Promise<PutSource>;
    flags: PutFlags;
    parts: ShellParts;
  },
): Promise<number> {
  const source = await open();
  const once = (message: Uint8Array) => client.put(topic, message);
  const append = flags.retry > 0
    ? retrying(once, { retries: flags.retry, warn: parts.warn })
    : once;
  if (source.kind === "one") {
    await append(source.message);
    printOk(parts.output);
  } else {
    const bound = flags.retry > 0 ? { inFlightMax: 1 } : {};
    const count = await putMany(append, source.messages, { unit: source.unit, ...bound });
    printOk(parts.output, ` ${count}`);
  }
  return EXIT.ok;
}

function getCommand(parts: ShellParts): Command {
  const command = shellCommand(parts, {
    name: "get",
    summary: "take the next message; the cursor is shared by all clients",
    examples: ["get logs", "get logs --all --json"],
  }).argument("<topic>", "", topicName)
    .option("-n, --count <n>", "take up to n", integerBetween(1, Number.MAX_SAFE_INTEGER), 1)
    .option("--all", "take all there are");
  return addFormatFlags(command).action((topic: string, flags: GetFlags) =>
    parts.withClient((client) => get(client, { topic, flags, parts }))
  );
}

async function get(
  client: WalrusClient,
  { topic, flags, parts }: { topic: string; flags: GetFlags; parts: ShellParts },
): Promise<number> {
  const { output } = parts;
  const print = messagePrinter(output, flags);
  const wished = flags.all ? Infinity : flags.count;
  let got = 0;
  while (got < wished) {
    const asked = Math.min(wished - got, GETS_IN_FLIGHT);
    const answers = Array.from({ length: asked }, () => client.get(topic));
    // Every message that was taken is printed, also those behind a request that failed.
    const settled = await Promise.allSettled(answers);
    const messages = settled.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
    for (const bytes of messages) {
      if (bytes === null) continue;
      got++;
      print({ bytes });
    }
    const failed = settled.find((answer) => answer.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const isEmpty = messages.includes(null);
    if (isEmpty) break;
  }
  if (got === 0) output.error(`${output.paintError("dim", "EMPTY")}\n`);
  return got === 0 ? EXIT.empty : EXIT.ok;
}
