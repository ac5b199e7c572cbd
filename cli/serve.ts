/**
 * `walrus serve`: a node with the real world around it, from the first line to a clean stop.
 *
 * @module
 */

import type { Node } from "../server/mod.ts";
import { type NodeWorld, startNode } from "../server/mod.ts";
import { LOCK_FILE } from "../storage/disk/directory.ts";
import { openDisk } from "../storage/disk/mod.ts";
import { formatAddress, type Logger } from "../world/mod.ts";
import {
  ConsoleLogger,
  fileSink,
  JsonLogger,
  RealClock,
  RealNetwork,
  RealRandom,
  stderrSink,
} from "../world/real/mod.ts";
import { EXIT, FailureError } from "./exit.ts";
import { ADDRESS_DEFAULT } from "./flag_values.ts";
import { traceInto } from "./segment_trace_file.ts";
import type { ServePlan } from "./serve_options.ts";
import { VERSION } from "./version.ts";

const DEV_DATA_PREFIX = "walrus-dev-";

/** Runs until a signal or a failure ends the node; the exit code. @throws what kept it from starting. */
export async function serve(plan: ServePlan): Promise<number> {
  const logger = openLogger(plan);
  if (plan.dataDir !== null) {
    await mustNotBeForeign(plan.dataDir);
    return await serveFrom({ ...plan, dataDir: plan.dataDir, isForTrying: false }, logger);
  }
  const dataDir = await Deno.makeTempDir({ prefix: DEV_DATA_PREFIX });
  // A second Ctrl-C ends the process where it stands, but not without this.
  globalThis.addEventListener("unload", () => removeDevData(dataDir));
  logger.log("info", "For trying things out: the data is temporary, gone when this node stops");
  return await serveFrom({ ...plan, dataDir, isForTrying: true }, logger);
}

function removeDevData(directory: string): void {
  try {
    Deno.removeSync(directory, { recursive: true });
  } catch {
    // It lies in the system's folder for temporary things, which is cleaned anyway.
  }
}

async function serveFrom(
  plan: ServePlan & { dataDir: string; isForTrying: boolean },
  logger: Logger,
): Promise<number> {
  const { dataDir, traceFolder } = plan;
  const disk = await openDisk({ directory: dataDir, disableUring: plan.disableUring });
  const world: NodeWorld = {
    clock: new RealClock(),
    random: new RealRandom(),
    network: new RealNetwork(),
    disk,
    logger,
    crc32c: disk.crc32c,
    ...bootIdOfMachine(),
    ...(traceFolder !== null && { segmentEvents: traceInto(traceFolder, plan.config.nodeId) }),
  };
  try {
    logger.log("info", `Walrus ${VERSION}`, { node: plan.config.nodeId, dataDir });
    const node = await startNode(plan.config, world);
    return await runNode(node, logger, { isForTrying: plan.isForTrying });
  } finally {
    await disk.close();
  }
}

/** Linux says when the machine was started; elsewhere each unclean stop counts as the machine's. */
function bootIdOfMachine(): Pick<NodeWorld, "bootId"> {
  try {
    return { bootId: Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim() };
  } catch {
    return {};
  }
}

async function runNode(
  node: Node,
  logger: Logger,
  { isForTrying }: { isForTrying: boolean },
): Promise<number> {
  // Before anybody is told that it is ready, and so may want to stop it.
  const signals = onStopSignals((signal) => {
    logger.log("info", `Stopping (${signal}); once more to stop at once`);
    node.stop();
  });
  logger.log("info", "Ready", {
    clients: formatAddress(node.clientAddress),
    raft: formatAddress(node.raftAddress),
  });
  if (isForTrying) {
    const address = formatAddress(node.clientAddress);
    const cli = `walrus cli${address === ADDRESS_DEFAULT ? "" : ` --addr ${address}`}`;
    logger.log("info", `Try: ${cli} register logs; ${cli} put logs hello; ${cli} get logs`);
  }
  try {
    const failure = await node.stopped;
    if (failure !== null) throw new FailureError(`The node stopped: ${failure.message}`);
    return EXIT.ok;
  } finally {
    signals.dispose();
  }
}

/**
 * Somebody's folder of other things is not filled with our files. A directory that a node has used has
 * its lock file; whose it is, the node finds out by itself.
 */
async function mustNotBeForeign(dataDir: string): Promise<void> {
  let names: string[];
  try {
    names = (await Array.fromAsync(Deno.readDir(dataDir))).map((entry) => entry.name);
  } catch {
    return; // not there yet, or not readable: opening it says why
  }
  const strange = names.find((name) => !name.startsWith(".") && name !== "lost+found");
  if (strange === undefined || names.includes(LOCK_FILE)) return;
  throw new FailureError(
    `The data directory ${dataDir} has other things in it (${strange}) and no Walrus data. ` +
      `Choose an empty or a new directory.`,
  );
}

function openLogger(plan: ServePlan): Logger {
  try {
    const sink = plan.logFile === null ? stderrSink() : fileSink(plan.logFile);
    const options = { threshold: plan.logThreshold, sink, clock: new RealClock() };
    return plan.logFormat === "json" ? new JsonLogger(options) : new ConsoleLogger(options);
  } catch (error) {
    throw new FailureError(`Can't write the log file ${plan.logFile}: ${(error as Error).message}`);
  }
}

/** The first signal stops with order, the second one at once. */
function onStopSignals(stop: (signal: Deno.Signal) => void): { dispose(): void } {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  let isStopping = false;
  const handlers = signals.map((signal) => {
    const handler = () => {
      if (isStopping) Deno.exit(EXIT.failure);
      isStopping = true;
      stop(signal);
    };
    Deno.addSignalListener(signal, handler);
    return { signal, handler };
  });
  return {
    dispose() {
      for (const { signal, handler } of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}
