/**
 * The flags of `walrus bench`, and its result as a person reads it.
 *
 * @module
 */

import { Command } from "commander";
import { isTopicName, TOPIC_NAME_RULE } from "../../client/mod.ts";
import type { Address } from "../../world/mod.ts";
import { UsageError } from "../exit.ts";
import { addressOption, integerBetween } from "../flag_values.ts";
import type { Output } from "../terminal.ts";
import type { BenchResult } from "./bench.ts";

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

interface BenchFlags {
  addr: Address[];
  connections: number;
  depth: number;
  size: number;
  seconds: number;
  warmUp?: number;
  topics: number;
  topicPrefix: string;
  get?: boolean;
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
      "requests in flight on each",
      integerBetween(1, DEPTH_MAX),
      DEPTH_DEFAULT,
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
    .option("--get", "take what an earlier run has put there, until all is read or the time is up")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
The load is a closed loop: a connection sends the next request when one is answered. Latency is from
handing a request to the system until its answer is read.

Examples:
  walrus bench --addr 127.0.0.1:8080
  walrus bench -c 1 -d 1 --size 100 --json`,
    )
    .action(async (flags: BenchFlags) => {
      if (!isTopicName(`${flags.topicPrefix}-${flags.topics}`)) {
        throw new UsageError(
          `--topic-prefix ${flags.topicPrefix} can't be used: ${TOPIC_NAME_RULE}.`,
        );
      }
      const { runBench } = await import("./bench.ts");
      const { RealClock, RealNetwork } = await import("../../world/real/mod.ts");
      const result = await runBench({
        kind: flags.get ? "get" : "put",
        addresses: flags.addr,
        connections: flags.connections,
        depth: flags.depth,
        sizeBytes: flags.size,
        seconds: flags.seconds,
        warmUpSeconds: flags.warmUp ?? (flags.get ? 0 : WARM_UP_SECONDS_DEFAULT),
        topics: flags.topics,
        topicPrefix: flags.topicPrefix,
      }, { clock: new RealClock(), network: new RealNetwork() });
      output.out(flags.json ? `${JSON.stringify(result)}\n` : textOf(result));
    });
}

function textOf(result: BenchResult): string {
  const { latency_ms: latency } = result;
  const rate = Math.round(result.messages_per_second).toLocaleString("en");
  const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1);
  return [
    `${result.kind}, ${result.connections} connections × ${result.depth} in flight, ${result.size_bytes} B, ` +
    `${result.topics} topic${result.topics === 1 ? "" : "s"}, ${result.seconds.toFixed(1)} s`,
    `nodes ${result.nodes}, durability ${result.durability}, backend ${result.backend}`,
    `${rate} messages/s  ${result.megabytes_per_second.toFixed(1)} MB/s`,
    `latency ms  min ${ms(latency.min)}  p50 ${ms(latency.p50)}  p90 ${ms(latency.p90)}  ` +
    `p99 ${ms(latency.p99)}  p99.9 ${ms(latency.p99_9)}  max ${ms(latency.max)}`,
    "",
  ].join("\n");
}
