/**
 * `tail`: a topic's messages from a place on, and those that come.
 *
 * @module
 */

import { type Command, InvalidArgumentError } from "commander";
import type { TopicOffsets, WalrusClient } from "../../client/mod.ts";
import { EXIT } from "../exit.ts";
import { integerBetween } from "../flag_values.ts";
import { addFormatFlags, type FormatFlags, messagePrinter } from "./message_format.ts";
import { shellCommand, type ShellParts, topicName } from "./parts.ts";

/** Where a tail begins: an offset, or so many messages before the end. */
export type TailStart = { kind: "offset"; offset: number } | { kind: "last"; count: number };

interface TailFlags extends FormatFlags {
  from: TailStart;
  count?: number;
  follow: boolean;
}

const END: TailStart = { kind: "last", count: 0 };

/** Reads `beginning`, `end`, an offset, or `-n`. @throws {InvalidArgumentError} */
export function tailStart(text: string): TailStart {
  if (text === "end") return END;
  if (text === "beginning") return { kind: "offset", offset: 0 };
  const [, minus, digits] = /^(-?)(\d{1,15})$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new InvalidArgumentError("It must be beginning, end, an offset, or -n for the last n.");
  }
  const count = Number(digits);
  return minus === "-" ? { kind: "last", count } : { kind: "offset", offset: count };
}

/** The offset that a start means, while these can be read: what is gone is passed over. */
export function firstOffsetOf(start: TailStart, { first, next }: TopicOffsets): number {
  if (start.kind === "offset") return Math.max(first, start.offset);
  return Math.max(first, next - start.count);
}

/** The command. */
export function tailCommand(parts: ShellParts): Command {
  const command = shellCommand(parts, {
    name: "tail",
    summary: "follow a topic until Ctrl-C; moves no cursor",
    note: "What is read here can still be read by get, and by every other tail.",
    examples: ["tail logs", "tail logs --from beginning --no-follow --json"],
  }).argument("<topic>", "", topicName)
    .option("--from <place>", "beginning, end, an offset, or -n for the last n", tailStart, END)
    .option("-n, --count <n>", "end after n", integerBetween(1, Number.MAX_SAFE_INTEGER))
    .option("--no-follow", "end with what is there now");
  describeDefault(command, "--from", "end");
  return addFormatFlags(command).action((topic: string, flags: TailFlags) =>
    parts.withClient((client) =>
      parts.interruptible((signal) => tail(client, { topic, flags, signal, parts }))
    )
  );
}

function describeDefault(command: Command, long: string, text: string): void {
  const option = command.options.find((option) => option.long === long);
  if (option !== undefined) option.default(option.defaultValue, text);
}

async function tail(
  client: WalrusClient,
  { topic, flags, signal, parts }: {
    topic: string;
    flags: TailFlags;
    signal: AbortSignal;
    parts: ShellParts;
  },
): Promise<number> {
  const print = messagePrinter(parts.output, flags);
  const offsets = await client.offsets(topic);
  const from = firstOffsetOf(flags.from, offsets);
  let left = flags.count ?? Infinity;
  if (!flags.follow) left = Math.min(left, offsets.next - from);
  if (left <= 0) {
    parts.output.error(`${parts.output.paintError("dim", "EMPTY")}\n`);
    return EXIT.empty;
  }
  for await (const { offset, payload } of client.tail(topic, { from, signal })) {
    print({ bytes: payload, offset });
    if (--left <= 0) break;
  }
  return EXIT.ok;
}
