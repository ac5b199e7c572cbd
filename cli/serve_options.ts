/**
 * The flags and environment variables of `walrus serve`, and the node configuration that they make.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { MAX_FRAME_BYTES_DEFAULT } from "../client/mod.ts";
import {
  FAILOVER_MS_DEFAULT,
  NODE_ID_MAX,
  type NodeConfig,
  REPAIR_AFTER_MS_DEFAULT,
  SCRUB_BYTES_PER_SECOND_DEFAULT,
} from "../server/config.ts";
import type { Durability } from "../storage/types.ts";
import { type LogThreshold, parseLogThreshold } from "../world/real/mod.ts";
import type { Address } from "../world/mod.ts";
import { REPLICATION_FACTOR_MAX } from "../server/topic_settings.ts";
import { UsageError } from "./exit.ts";
import { address, durability, host, integerBetween, port } from "./flag_values.ts";
import { VERSION } from "./version.ts";

const DATA_DIR_DEFAULT = "./data";
const DEV_NODE_ID = 1;
const LOOPBACK = "127.0.0.1";
const RAFT_PORT_DEFAULT = 6000;
const CLIENT_PORT_DEFAULT = 8080;
const REPLICATION_FACTOR_DEFAULT = 3;
const MAX_SEGMENT_ENTRIES_DEFAULT = 1_000_000;
const MAX_SEGMENT_BYTES_DEFAULT = 1024 * 1024 * 1024;
const MONITOR_CHECK_MS_DEFAULT = 10_000;
const BYTES_PER_MB = 1_000_000;
const SCRUB_MBPS_DEFAULT = SCRUB_BYTES_PER_SECOND_DEFAULT / BYTES_PER_MB;
/** Frames beyond this could not be stored in one piece. */
const MAX_FRAME_BYTES_MAX = 256 * 1024 * 1024;
const MAX_FRAME_BYTES_MIN = 1024;

/** What the flags say, as the parser leaves it. */
export interface ServeFlags {
  dev?: boolean;
  nodeId?: number;
  dataDir?: string;
  raftPort: number;
  raftHost: string;
  raftAdvertiseHost?: string;
  clientPort: number;
  clientHost: string;
  join?: Address;
  replicationFactor: number;
  fsync: Durability;
  logFile?: string;
  logFormat: LogFormat;
  maxFrameBytes: number;
}

/** Lines for people, or one JSON object a line. */
export type LogFormat = "text" | "json";
const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/** Reads an environment variable; `undefined` where it isn't set. */
export type Environment = (name: string) => string | undefined;

/** Everything about a process that `serve` runs, besides the node's own configuration. */
export interface ServePlan {
  config: NodeConfig;
  /** `null`: a temporary directory that is gone when the node has stopped. */
  dataDir: string | null;
  disableUring: boolean;
  logThreshold: LogThreshold;
  logFile: string | null;
  logFormat: LogFormat;
  /** Where what the node does is told in the specification's words (spec/README.md); `null`: nowhere. */
  traceFolder: string | null;
}

/** The command with its flags; the caller adds what it does. */
export function makeServeCommand(): Command {
  return new Command("serve")
    .description("Run a node.")
    .option("--dev", "to try things out: node 1, with temporary data")
    .option(
      "--node-id <n>",
      "this node's number in the cluster (needed, but for --dev)",
      integerBetween(1, NODE_ID_MAX),
    )
    .option("--data-dir <path>", `where its data is (default: ${DATA_DIR_DEFAULT})`)
    .option("--raft-port <port>", "for other nodes", port, RAFT_PORT_DEFAULT)
    .option("--raft-host <host>", "address to listen on for other nodes", host, LOOPBACK)
    .option(
      "--raft-advertise-host <host>",
      "where others reach it (default: raft-host)",
      host,
    )
    .option("--client-port <port>", "for clients", port, CLIENT_PORT_DEFAULT)
    .option("--client-host <host>", "address to listen on for clients", host, LOOPBACK)
    .option("--join <host:port>", "raft address of any member of a cluster", address)
    .option(
      "--replication-factor <n>",
      "replicas of a new segment",
      integerBetween(1, REPLICATION_FACTOR_MAX),
      REPLICATION_FACTOR_DEFAULT,
    )
    .option(
      "--fsync <when>",
      "sync each commit, none, or every <n>ms",
      durability,
      "each",
    )
    .option("--log-file <path>", "log lines go there instead of stderr")
    .addOption(
      new Option("--log-format <format>", "text or json")
        .choices(LOG_FORMATS).default("text"),
    )
    .option(
      "--max-frame-bytes <n>",
      "longest request of a client",
      integerBetween(MAX_FRAME_BYTES_MIN, MAX_FRAME_BYTES_MAX),
      MAX_FRAME_BYTES_DEFAULT,
    )
    .addHelpText(
      "after",
      `
Environment:
  WALRUS_MAX_SEGMENT_ENTRIES  entries that fill a segment (${MAX_SEGMENT_ENTRIES_DEFAULT})
  WALRUS_MAX_SEGMENT_BYTES    payload bytes that fill a segment (${MAX_SEGMENT_BYTES_DEFAULT})
  WALRUS_MONITOR_CHECK_MS     between looks for full segments (${MONITOR_CHECK_MS_DEFAULT})
  WALRUS_REPAIR_AFTER_MS      silence until a node's data is copied (${REPAIR_AFTER_MS_DEFAULT})
  WALRUS_SCRUB_MBPS           MB read each second in search of rot, 0 for none (${SCRUB_MBPS_DEFAULT})
  WALRUS_DISABLE_IO_URING     set to 1: plain file calls instead of io_uring
  WALRUS_LOG                  debug, info, warn or error (info)

Examples:
  walrus serve --dev
  walrus serve --node-id 2 --data-dir ./data/2 --raft-port 6002 --client-port 8082 --join 127.0.0.1:6000`,
    );
}

/** @throws {UsageError} for what the flags' own checks can't see, and for environment variables. */
export function planServe(flags: ServeFlags, environment: Environment): ServePlan {
  checkPorts(flags);
  checkDev(flags);
  const raftAdvertiseHost = flags.raftAdvertiseHost ?? flags.raftHost;
  return {
    config: {
      nodeId: flags.nodeId ?? DEV_NODE_ID,
      raft: { host: flags.raftHost, port: flags.raftPort },
      raftAdvertiseHost,
      client: { host: flags.clientHost, port: flags.clientPort },
      join: flags.join ?? null,
      replicationFactor: flags.replicationFactor,
      durability: flags.fsync,
      maxSegmentEntries: fromEnvironment(environment, "WALRUS_MAX_SEGMENT_ENTRIES") ??
        MAX_SEGMENT_ENTRIES_DEFAULT,
      maxSegmentBytes: fromEnvironment(environment, "WALRUS_MAX_SEGMENT_BYTES") ??
        MAX_SEGMENT_BYTES_DEFAULT,
      monitorCheckMs: fromEnvironment(environment, "WALRUS_MONITOR_CHECK_MS") ??
        MONITOR_CHECK_MS_DEFAULT,
      failoverMs: FAILOVER_MS_DEFAULT,
      repairAfterMs: fromEnvironment(environment, "WALRUS_REPAIR_AFTER_MS") ??
        REPAIR_AFTER_MS_DEFAULT,
      scrubBytesPerSecond: scrubRate(environment),
      maxFrameBytes: flags.maxFrameBytes,
      version: VERSION,
    },
    dataDir: flags.dev === true ? null : flags.dataDir ?? DATA_DIR_DEFAULT,
    disableUring: isSwitchedOn(environment("WALRUS_DISABLE_IO_URING")),
    logThreshold: logThreshold(environment),
    logFile: flags.logFile ?? null,
    logFormat: flags.logFormat,
    traceFolder: environment("WALRUS_TRACE") || null,
  };
}

/** @throws {UsageError} */
function scrubRate(environment: Environment): number {
  const text = environment("WALRUS_SCRUB_MBPS");
  if (text === undefined || text === "") return SCRUB_BYTES_PER_SECOND_DEFAULT;
  const rate = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (rate >= 0) return rate * BYTES_PER_MB;
  throw new UsageError(`WALRUS_SCRUB_MBPS=${text} is not a number from 0 to 99999.`);
}

function checkDev(flags: ServeFlags): void {
  if (flags.dev !== true) {
    if (flags.nodeId !== undefined) return;
    throw new UsageError(
      "walrus serve needs --node-id <n>, this node's number, or --dev to try things out.",
    );
  }
  // What a cluster keeps must not be on one of its nodes for a while only.
  const clash = flags.dataDir !== undefined ? "--data-dir" : flags.join && "--join";
  if (clash === undefined) return;
  throw new UsageError(`--dev has temporary data and a cluster of its own: leave ${clash} out.`);
}

function checkPorts(flags: ServeFlags): void {
  const { raftPort, clientPort, join } = flags;
  if (raftPort !== 0 && raftPort === clientPort && flags.raftHost === flags.clientHost) {
    throw new UsageError(`--raft-port and --client-port are both ${raftPort}: they must differ.`);
  }
  const isItself = join !== undefined && join.port === raftPort &&
    (join.host === flags.raftHost || join.host === flags.raftAdvertiseHost);
  if (isItself) {
    throw new UsageError(
      `--join ${join.host}:${join.port} is this node's own raft address: name another node, ` +
        `or leave --join out to start a new cluster.`,
    );
  }
}

function fromEnvironment(environment: Environment, name: string): number | undefined {
  const text = environment(name);
  if (text === undefined || text === "") return undefined;
  try {
    return integerBetween(1, Number.MAX_SAFE_INTEGER)(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`${name}=${text} is not usable. ${error.message}`);
  }
}

function isSwitchedOn(text: string | undefined): boolean {
  return text !== undefined && !["", "0", "false", "no", "off"].includes(text.toLowerCase());
}

/** `WALRUS_LOG` must be right; `RUST_LOG` may speak of other programs, and then says nothing to us. */
function logThreshold(environment: Environment): LogThreshold {
  const own = environment("WALRUS_LOG");
  if (own !== undefined && own !== "") {
    const threshold = parseLogThreshold(own);
    if (threshold !== undefined) return threshold;
    throw new UsageError(`WALRUS_LOG=${own} is not usable: set debug, info, warn or error.`);
  }
  return parseLogThreshold(environment("RUST_LOG") ?? "") ?? "info";
}
