/**
 * The flags of `walrus bench`, and its result as a person reads it.
 *
 * @module
 */

import { Command, Option } from "commander";
import { APPEND_ENTRIES_MAX, isTopicName, TOPIC_NAME_RULE } from "../../client/mod.ts";
import type { Address } from "../../world/mod.ts";
import { UsageError } from "../exit.ts";
import { addressOption, integerBetween } from "../flag_values.ts";
import type { Output } from "../terminal.ts";
import type { BenchProgress, BenchResult } from "./bench.ts";

const CONNECTIONS_DEFAULT = 64;
const CONNECTIONS_MAX = 10_000;
const DEPTH_DEFAULT = 16;
const DEPTH_MAX = 100_000;
const SIZE_BYTES_DEFAULT = 726;
const SIZE_BYTES_MAX = 16 * 1024 * 1024 - 1024;
const SECONDS_DEFAULT = 10;
const SECONDS_MAX = 86_400;
const WARM_UP_SECONDS_DEFAULT = 2;
const TOPICS_MAX = 10_000;
const RATE_MAX = 10_000_000;
/** Waiting for answers must not hold back what is due. */
const OPEN_DEPTH_DEFAULT = 1024;

interface BenchFlags {
  addr: Address[];
  connections: number;
  depth?: number;
  size: number;
  seconds: number;
  warmUp?: number;
  topics: number;
  topicPrefix: string;
  get?: boolean;
  batch?: number;
  consume?: "get" | "fetch";
  rate?: number;
  tail?: boolean;
  json?: boolean;
}

/** The command; its result goes to `output`. */
export function makeBenchCommand(output: Output): Command {
  return new Command("bench")
    .description("Measure how many messages a cluster acknowledges.")
    .addOption(addressOption("client addresses, used in turn"))
    .option(
      "-c, --connections <n>",
      "open connections",
      integerBetween(1, CONNECTIONS_MAX),
      CONNECTIONS_DEFAULT,
    )
    .option(
      "-d, --depth <n>",
      `requests in flight on each (${DEPTH_DEFAULT}; at most ${OPEN_DEPTH_DEFAULT} with --rate)`,
      integerBetween(1, DEPTH_MAX),
    )
    .option(
      "--size <bytes>",
      "length of a message",
      integerBetween(0, SIZE_BYTES_MAX),
      SIZE_BYTES_DEFAULT,
    )
    .option("--seconds <n>", "how long to measure", integerBetween(1, SECONDS_MAX), SECONDS_DEFAULT)
    .option(
      "--warm-up <seconds>",
      `before that (${WARM_UP_SECONDS_DEFAULT}; none with --get)`,
      integerBetween(0, SECONDS_MAX),
    )
    .option("--topics <n>", "connections are spread over so many", integerBetween(1, TOPICS_MAX), 1)
    .option("--topic-prefix <name>", "the topics are <name>-0, <name>-1 …", "bench")
    .option(
      "--rate <n>",
      "open loop: so many requests are due each second, whatever the answers do",
      integerBetween(1, RATE_MAX),
    )
    .option(
      "--batch <n>",
      "messages appended together by each request; with --consume fetch, fetched at most",
      integerBetween(1, APPEND_ENTRIES_MAX),
    )
    .addOption(
      new Option("--consume <how>", "read instead: take from the cursor, or fetch by offsets")
        .choices(["get", "fetch"]),
    )
    .option("--tail", "read what is appended as it comes, too: one more connection for each topic")
    .option("--get", "take what an earlier run has put there, until all is read or the time is up")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Without --rate the load is a closed loop: a connection sends the next request when one is answered, and
latency counts from then. With it, latency counts from when the request was due, sent late or not.

Examples:
  walrus bench --addr 127.0.0.1:8080
  walrus bench --rate 50000 --seconds 30 --json`,
    )
    .action(async (flags: BenchFlags) => {
      if (!isTopicName(`${flags.topicPrefix}-${flags.topics}`)) {
        throw new UsageError(
          `--topic-prefix ${flags.topicPrefix} can't be used: ${TOPIC_NAME_RULE}.`,
        );
      }
      const kind = flags.consume ?? (flags.get ? "get" : "put");
      if (kind === "get" && flags.batch !== undefined) {
        throw new UsageError("--batch is for appending and for --consume fetch, not for GET.");
      }
      if (kind === "fetch" && flags.rate !== undefined) {
        throw new UsageError("--rate can't be used with --consume fetch: that is a closed loop.");
      }
      if (kind !== "put" && flags.tail) {
        throw new UsageError(
          "--tail reads beside an appending load: leave --consume and --get out.",
        );
      }
      const { runBench } = await import("./bench.ts");
      const { RealClock, RealNetwork } = await import("../../world/real/mod.ts");
      const result = await runBench({
        kind,
        batch: flags.batch ?? null,
        addresses: flags.addr,
        connections: flags.connections,
        depth: flags.depth ?? (flags.rate === undefined ? DEPTH_DEFAULT : OPEN_DEPTH_DEFAULT),
        ratePerSecond: flags.rate ?? null,
        withTails: flags.tail ?? false,
        sizeBytes: flags.size,
        seconds: flags.seconds,
        warmUpSeconds: flags.warmUp ?? (kind === "get" ? 0 : WARM_UP_SECONDS_DEFAULT),
        topics: flags.topics,
        topicPrefix: flags.topicPrefix,
        ...(output.isTerminal ? { onProgress: (progress) => showProgress(output, progress) } : {}),
      }, { clock: new RealClock(), network: new RealNetwork() });
      if (output.isTerminal) output.error(CLEAR_LINE);
      output.out(flags.json ? `${JSON.stringify(result)}\n` : textOf(result));
    });
}

/** To the beginning of the line, and what stands there is gone. */
const CLEAR_LINE = "\r\x1b[K";

function showProgress(output: Output, { seconds, messagesPerSecond, p99Ms }: BenchProgress): void {
  const rate = Math.round(messagesPerSecond).toLocaleString("en");
  const when = seconds <= 0 ? "warming up" : `${seconds.toFixed(0)} s`;
  output.error(`${CLEAR_LINE}${when}  ${rate} messages/s  p99 ${p99Ms.toFixed(1)} ms`);
}

function textOf(result: BenchResult): string {
  const { latency_ms: latency } = result;
  const rate = Math.round(result.messages_per_second).toLocaleString("en");
  const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1);
  const pace = result.rate_per_second === null
    ? `${result.depth} in flight`
    : `at most ${result.depth} in flight, ${result.rate_per_second.toLocaleString("en")}/s due`;
  const what = result.batch === 1 || result.kind === "get"
    ? result.kind
    : `${result.kind} of ${result.batch ?? "as many as come"}`;
  const tailed = result.tailed_per_second === null
    ? ""
    : `, ${Math.round(result.tailed_per_second).toLocaleString("en")}/s read by tails`;
  return [
    `${what}, ${result.connections} connections × ${pace}, ${result.size_bytes} B, ` +
    `${result.topics} topic${result.topics === 1 ? "" : "s"}, ${result.seconds.toFixed(1)} s`,
    `nodes ${result.nodes}, durability ${result.durability}, backend ${result.backend}`,
    `${rate} messages/s  ${result.megabytes_per_second.toFixed(1)} MB/s${tailed}`,
    `latency ms  min ${ms(latency.min)}  p50 ${ms(latency.p50)}  p90 ${ms(latency.p90)}  ` +
    `p99 ${ms(latency.p99)}  p99.9 ${ms(latency.p99_9)}  max ${ms(latency.max)}`,
    "",
  ].join("\n");
}
