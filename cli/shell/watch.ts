/**
 * `watch`: looks at the cluster again and again, and draws what it sees.
 *
 * @module
 */

import { type NodeList, type NodeMetrics, WalrusClient } from "../../client/mod.ts";
import { formatAddress, parseAddress } from "../../world/mod.ts";
import { describeError, EXIT } from "../exit.ts";
import { type Output, screenSize } from "../terminal.ts";
import { clusterLine, type ClusterLook, clusterScreen } from "./cluster_view.ts";

/** What `watch` was told. */
export interface WatchFlags {
  interval: number;
  count?: number;
  json?: boolean;
}

/** A node that does not say its metrics in this time is shown without. */
const METRICS_TIMEOUT_MS = 1_000;
/** The other screen of a terminal, from its top, without a cursor; and back. */
const ENTER_SCREEN = "\x1b[?1049h\x1b[?25l";
const LEAVE_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Looks until `signal` or so often; the exit code. @throws {ClientError} when the first look fails. */
export async function watchCluster(
  client: WalrusClient,
  { flags, signal, output }: { flags: WatchFlags; signal: AbortSignal; output: Output },
): Promise<number> {
  const links = new NodeLinks();
  const isScreen = output.isTerminal && !flags.json && flags.count !== 1;
  let before: ClusterLook | null = null;
  let isEntered = false;
  try {
    for (let left = flags.count ?? Infinity; left > 0 && !signal.aborted; left--) {
      try {
        const now: ClusterLook = await lookAt(client, links);
        if (signal.aborted) break;
        if (isScreen && !isEntered) {
          isEntered = true;
          output.out(ENTER_SCREEN);
        }
        draw({ now, before }, { output, isScreen, isJson: flags.json ?? false });
        before = now;
      } catch (error) {
        if (before === null) throw error;
        complain(error, { output, isScreen });
      }
      if (left > 1) await pause(flags.interval * 1000, signal);
    }
  } finally {
    if (isEntered) output.out(LEAVE_SCREEN);
    await links.close();
  }
  return EXIT.ok;
}

async function lookAt(client: WalrusClient, links: NodeLinks): Promise<ClusterLook> {
  const [{ nodes }, { topics }] = await Promise.all([client.nodes(), client.topics()]);
  const metrics = await links.metricsOf(nodes);
  return { atMs: Date.now(), nodes, topics, metrics };
}

function draw(
  change: { now: ClusterLook; before: ClusterLook | null },
  { output, isScreen, isJson }: { output: Output; isScreen: boolean; isJson: boolean },
): void {
  if (isJson) {
    const { atMs, nodes, topics, metrics } = change.now;
    const at = new Date(atMs).toISOString();
    return output.out(
      `${JSON.stringify({ at, nodes, topics, metrics: Object.fromEntries(metrics) })}\n`,
    );
  }
  const size = screenSize();
  if (!isScreen) {
    const lines = output.isTerminal
      ? clusterScreen(change, { ...size, rows: Infinity, paint: output.paint })
      : [clusterLine(change)];
    return output.out(lines.map((line) => `${line}\n`).join(""));
  }
  // The last line stays free: a full one would scroll.
  const hint = output.paint("dim", "Ctrl-C ends it");
  const lines = clusterScreen(change, { ...size, rows: size.rows - 2, paint: output.paint });
  output.out(HOME + [...lines, "", hint].join(`${CLEAR_LINE}\r\n`) + CLEAR_LINE + CLEAR_BELOW);
}

function complain(
  error: unknown,
  { output, isScreen }: { output: Output; isScreen: boolean },
): void {
  const line = `walrus: ${describeError(error, { withStack: false })}`;
  if (isScreen) output.out(`${HOME}${output.paint("red", line)}${CLEAR_LINE}`);
  else output.error(`${line}\n`);
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** A connection to each node, made when it is missed. */
class NodeLinks {
  readonly #clients = new Map<number, WalrusClient>();

  /** What the live nodes say of themselves within their time. */
  async metricsOf(nodes: NodeList["nodes"]): Promise<Map<number, NodeMetrics>> {
    const metrics = new Map<number, NodeMetrics>();
    await Promise.all(
      nodes.filter((node) => node.live).map(async (node) => {
        try {
          metrics.set(node.id, await (await this.#clientOf(node)).metrics());
        } catch {
          // It says nothing now: the table shows that.
          await this.#drop(node.id);
        }
      }),
    );
    return metrics;
  }

  async close(): Promise<void> {
    for (const id of [...this.#clients.keys()]) await this.#drop(id);
  }

  async #clientOf(node: NodeList["nodes"][number]): Promise<WalrusClient> {
    const known = this.#clients.get(node.id);
    if (known !== undefined) return known;
    const client = await WalrusClient.connect(clientAddressOf(node), {
      timeoutMs: METRICS_TIMEOUT_MS,
      connectTimeoutMs: METRICS_TIMEOUT_MS,
    });
    this.#clients.set(node.id, client);
    return client;
  }

  async #drop(id: number): Promise<void> {
    const client = this.#clients.get(id);
    this.#clients.delete(id);
    await client?.close();
  }
}

/** A node that listens to clients everywhere is found where the other nodes find it. */
function clientAddressOf(node: NodeList["nodes"][number]): string {
  const client = parseAddress(node.client_addr);
  const raft = parseAddress(node.raft_addr);
  const isEverywhere = client?.host === "0.0.0.0" || client?.host === "::";
  if (!isEverywhere || client === undefined || raft === undefined) return node.client_addr;
  return formatAddress({ host: raft.host, port: client.port });
}
