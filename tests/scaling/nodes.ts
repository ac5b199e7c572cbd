/**
 * Clusters of any size on this machine, for measuring.
 *
 * @module
 */

import { findFreePorts, LocalNode } from "../../cli/local/mod.ts";

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** Nodes that know each other, in a folder that is removed when they stop. */
export class MeasuredCluster {
  readonly nodes: readonly LocalNode[];
  readonly #folder: string;

  private constructor(nodes: LocalNode[], folder: string) {
    this.nodes = nodes;
    this.#folder = folder;
  }

  /** Starts them one after the other. @throws {FailureError} when one isn't ready in time. */
  static async start(options: {
    directory: string;
    nodes: number;
    environment?: Record<string, string>;
  }): Promise<MeasuredCluster> {
    const folder = await Deno.makeTempDir({ dir: options.directory, prefix: "scaling_" });
    const ports = findFreePorts(2 * options.nodes);
    const nodes: LocalNode[] = [];
    for (let i = 0; i < options.nodes; i++) {
      const node = new LocalNode({
        nodeId: i + 1,
        dataDir: `${folder}/node-${i + 1}`,
        raftPort: ports[2 * i]!,
        clientPort: ports[2 * i + 1]!,
        environment: options.environment ?? {},
        ...(i > 0 ? { joinPort: ports[0]! } : {}),
      });
      node.start();
      nodes.push(node);
      const isReady = (metrics: { current_leader?: unknown; membership_config?: unknown }) =>
        typeof metrics.current_leader === "number";
      await node.ready({ timeoutMs: READY_TIMEOUT_MS, isReady });
    }
    return new MeasuredCluster(nodes, folder);
  }

  /** `HOST:PORT`, with commas between. */
  get addresses(): string {
    return this.nodes.map((node) => node.clientAddress).join(",");
  }

  /** Resident memory of all nodes together, bytes. */
  residentBytes(): number {
    return this.nodes.reduce((sum, { pid }) => sum + residentBytesOf(pid!), 0);
  }

  /** Resolves when all nodes together have taken less than half a core for a second. */
  async quiet(): Promise<void> {
    for (let second = 0; second < QUIET_SECONDS_MAX; second++) {
      const before = this.#cpuTicks();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (this.#cpuTicks() - before < TICKS_PER_SECOND / 2) return;
    }
  }

  #cpuTicks(): number {
    return this.nodes.reduce((sum, { pid }) => sum + cpuTicksOf(pid!), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop({ timeoutMs: STOP_TIMEOUT_MS })));
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const BYTES_PER_KB = 1024;
const TICKS_PER_SECOND = 100;
/** A node that is still busy then is measured as it is. */
const QUIET_SECONDS_MAX = 60;

/** Of user and system time, in `/proc/PID/stat` behind the name in brackets. */
function cpuTicksOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function residentBytesOf(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * BYTES_PER_KB;
}
