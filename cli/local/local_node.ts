/**
 * A node as a process of its own on this machine, for the demonstration, the local cluster and tests.
 *
 * @module
 */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type NodeMetrics, WalrusClient } from "../../client/mod.ts";
import { FailureError } from "../exit.ts";
import { readLines } from "../lines.ts";

/** How one node is started. */
export interface LocalNodeOptions {
  nodeId: number;
  dataDir: string;
  raftPort: number;
  clientPort: number;
  /** Raft port of a member to join; without it the node starts a cluster. */
  joinPort?: number;
  /** Where it stands, unless that is this machine's loopback. */
  place?: NodePlace;
  /** The script that is run from source, unless that is `main.ts`. */
  script?: string;
  /** Besides what this process has. */
  environment?: Record<string, string>;
  /** Takes the node's log lines. */
  onLine?: (line: string) => void;
}

/** A node in a network of its own; its client port is relayed to the same port of the loopback. */
export interface NodePlace {
  /** The address that it listens on. */
  host: string;
  /** Of the member to join. */
  joinHost: string;
  /** The command that runs a command there. */
  prefix: readonly string[];
}

/** How a process ended. */
export interface NodeExit {
  code: number;
  signal: Deno.Signal | null;
}

const POLL_MS = 50;
const POLL_TIMEOUT_MS = 1000;
/** Log lines that are kept for a failure's message. */
const LAST_LINES_MAX = 5;

interface HowToRun {
  program: string;
  args: string[];
  env: Record<string, string>;
}

/** From source by this very Deno; or the executable at `path`, which needs nothing that `PATH` has. */
function howToRun(path: string | undefined, script: string | undefined): HowToRun {
  if (path) return { program: resolve(path), args: [], env: { PATH: "" } };
  const root = new URL("../../", import.meta.url);
  const config = fileURLToPath(new URL("deno.json", root));
  const main = script ?? fileURLToPath(new URL("main.ts", root));
  const args = ["run", "-q", "-A", "--config", config, main];
  return { program: Deno.execPath(), args, env: { DENO_NO_UPDATE_CHECK: "1" } };
}

/** One process after the other under the same name, ports and data. */
export class LocalNode {
  readonly options: LocalNodeOptions;
  #child: Deno.ChildProcess | null = null;
  #exit: Promise<NodeExit> = Promise.resolve({ code: 0, signal: null });
  #lastLines: string[] = [];
  /** What METRICS said last, or why it said nothing. */
  #lastAnswer = "";

  constructor(options: LocalNodeOptions) {
    this.options = options;
  }

  get clientAddress(): string {
    return `127.0.0.1:${this.options.clientPort}`;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** The process's number; `null` while none runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Settled when the running process has ended. */
  get exit(): Promise<NodeExit> {
    return this.#exit;
  }

  /** Starts the process; `ready()` tells when it serves. */
  start(): void {
    const { options } = this;
    const { program, args, env } = howToRun(Deno.env.get("WALRUS_EXECUTABLE"), options.script);
    args.push("serve", "--node-id", `${options.nodeId}`, "--data-dir", options.dataDir);
    args.push("--raft-port", `${options.raftPort}`, "--client-port", `${options.clientPort}`);
    const { place } = options;
    if (place) args.push("--raft-host", place.host, "--client-host", place.host);
    const joinHost = place?.joinHost ?? "127.0.0.1";
    if (options.joinPort !== undefined) args.push("--join", `${joinHost}:${options.joinPort}`);
    const [command, ...before] = [...place?.prefix ?? [], program];
    const child = new Deno.Command(command!, {
      args: [...before, ...args],
      env: { ...place?.prefix ? {} : env, ...options.environment }, // a prefix is looked for in PATH
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#lastLines = [];
    this.#exit = this.#watch(child);
  }

  /** Waits until the node answers and `isReady` is content. @throws {FailureError} if it ends or takes too long. */
  async ready(options: {
    timeoutMs: number;
    isReady?: (metrics: NodeMetrics) => boolean;
  }): Promise<NodeMetrics> {
    const endMs = performance.now() + options.timeoutMs;
    while (performance.now() < endMs) {
      if (this.#child === null) {
        throw new FailureError(`Node ${this.options.nodeId} ended: ${this.#lastLines.join(" | ")}`);
      }
      const metrics = await this.#askMetrics();
      if (metrics !== null && (options.isReady?.(metrics) ?? true)) return metrics;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new FailureError(
      `Node ${this.options.nodeId} is not ready after ${options.timeoutMs} ms: ` +
        [...this.#lastLines, this.#lastAnswer].join(" | "),
    );
  }

  /** Sends a signal; harmless when the process is gone. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has just ended.
    }
  }

  /** Ends the process without a warning, as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#exit;
  }

  /** Stops it with order; kills it when that takes longer than `timeoutMs`. */
  async stop(options: { timeoutMs: number }): Promise<NodeExit> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), options.timeoutMs);
    const exit = await this.#exit;
    clearTimeout(timer);
    return exit;
  }

  async #watch(child: Deno.ChildProcess): Promise<NodeExit> {
    const decoder = new TextDecoder();
    for await (const bytes of readLines(child.stderr)) {
      const line = decoder.decode(bytes);
      this.#lastLines.push(line);
      if (this.#lastLines.length > LAST_LINES_MAX) this.#lastLines.shift();
      this.options.onLine?.(line);
    }
    const { code, signal } = await child.status;
    this.#child = null;
    return { code, signal };
  }

  async #askMetrics(): Promise<NodeMetrics | null> {
    try {
      const client = await WalrusClient.connect(this.clientAddress, { timeoutMs: POLL_TIMEOUT_MS });
      try {
        const metrics = await client.metrics();
        this.#lastAnswer = JSON.stringify(metrics.membership_config);
        return metrics;
      } finally {
        await client.close();
      }
    } catch (error) {
      this.#lastAnswer = (error as Error).message;
      return null;
    }
  }
}
