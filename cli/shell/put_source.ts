/**
 * What `put` appends: words of the command line, a file, or standard input.
 *
 * @module
 */

import { FailureError, UsageError } from "../exit.ts";
import { readLines } from "../lines.ts";

/** What `put` was told. */
export interface PutFlags {
  file?: string;
  null?: boolean;
  whole?: boolean;
  retry: number;
}

/** One message, or many of them. */
export type PutSource =
  | { kind: "one"; message: Uint8Array }
  | { kind: "many"; messages: AsyncIterable<Uint8Array>; unit: string };

/** Stands for standard input, in place of a message or of a file's name. */
const STANDARD_INPUT = "-";
/** Deno has it in place of what is no UTF-8 in an argument; who means the character itself can give it by a file. */
const NOT_TEXT = "\ufffd";
/** Longer ones are refused before they are in memory; nodes take 16 MiB unless they were told otherwise. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** The source that words and flags ask for. @throws {UsageError} where they contradict each other. */
export function sourceOf(
  words: readonly string[],
  flags: PutFlags,
  { standardInput }: { standardInput: (() => AsyncIterable<Uint8Array>) | null },
): () => Promise<PutSource> {
  const isDash = words.length === 1 && words[0] === STANDARD_INPUT;
  const isStream = flags.file !== undefined || isDash;
  if (words.length > 0 && flags.file !== undefined) {
    throw new UsageError("Give a message or --file, not both.");
  }
  if (words.length === 0 && !isStream) {
    const orInput = standardInput === null ? "" : ", - for standard input,";
    throw new UsageError(`There is no message: give one${orInput} or --file <path>.`);
  }
  if (!isStream) {
    if (flags.null || flags.whole) {
      throw new UsageError("--null and --whole are for - and for --file <path>.");
    }
    const text = words.join(" ");
    if (text.includes(NOT_TEXT)) {
      throw new UsageError(
        "The message is no UTF-8 text: where it isn't, other bytes would be appended. Give it by " +
          `${standardInput === null ? "" : "- or "}--file <path>.`,
      );
    }
    const message = new TextEncoder().encode(text);
    return () => Promise.resolve({ kind: "one", message });
  }
  const path = flags.file ?? STANDARD_INPUT;
  if (path === STANDARD_INPUT && standardInput === null) {
    throw new UsageError("Standard input is this prompt: use --file <path>.");
  }
  return async () => {
    const stream = path === STANDARD_INPUT ? standardInput!() : await openFile(path);
    if (flags.whole) return { kind: "one", message: await readWhole(stream) };
    const lengthBytesMax = MESSAGE_BYTES_MAX;
    return flags.null
      ? {
        kind: "many",
        messages: readLines(stream, { endByte: 0, lengthBytesMax }),
        unit: "record",
      }
      : { kind: "many", messages: readLines(stream, { lengthBytesMax }), unit: "line" };
  };
}

async function openFile(path: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    const { isDirectory } = await Deno.stat(path);
    if (!isDirectory) return (await Deno.open(path)).readable;
  } catch (error) {
    throw new FailureError(`${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
  throw new FailureError(`${path} is a directory: name a file.`);
}

async function readWhole(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let lengthBytes = 0;
  for await (const part of stream) {
    parts.push(part.slice());
    lengthBytes += part.length;
    if (lengthBytes > MESSAGE_BYTES_MAX) {
      throw new FailureError(
        `It has more than ${MESSAGE_BYTES_MAX} bytes: too long for one message.`,
      );
    }
  }
  return await new Blob(parts).bytes();
}
