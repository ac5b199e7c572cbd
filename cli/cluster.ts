/**
 * `deno task cluster`: three nodes in one terminal.
 *
 * @module
 */

import { describeError, EXIT } from "./exit.ts";
import { LocalCluster, type LocalNode } from "./local/mod.ts";
import { type Output, processOutput, type Style } from "./terminal.ts";

const RAFT_PORTS = [6001, 6002, 6003];
const CLIENT_PORTS = [9091, 9092, 9093];
const FOLDER = "./data";
const NODE_STYLES: readonly Style[] = ["cyan", "magenta", "yellow"];

/** Runs until Ctrl-C, or until all nodes are gone; the exit code. */
async function runCluster(output: Output): Promise<number> {
  const cluster = new LocalCluster({
    folder: FOLDER,
    raftPorts: RAFT_PORTS,
    clientPorts: CLIENT_PORTS,
    onLine: (nodeId, line) => {
      const style = NODE_STYLES[(nodeId - 1) % NODE_STYLES.length]!;
      output.out(`${output.paint(style, `node ${nodeId} │`)} ${line}\n`);
    },
  });
  let isStopping = false;
  const stop = () => {
    // A terminal sends Ctrl-C to the nodes too: a second signal would make them stop at once.
    if (isStopping) return;
    isStopping = true;
    output.out(`${output.paint("bold", "Stopping three nodes …")}\n`);
  };
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      stop();
      for (const node of cluster.nodes) node.signal("SIGTERM");
    });
  }
  try {
    await cluster.start();
  } catch (error) {
    if (!isStopping) output.error(`walrus: ${describeError(error, { withStack: false })}\n`);
    await cluster.stop();
    return isStopping ? EXIT.ok : EXIT.failure;
  }
  output.out(whatNext(output));
  const ends = cluster.nodes.map((node) => watch(node, () => isStopping, output));
  return (await Promise.all(ends)).every((isGood) => isGood) ? EXIT.ok : EXIT.failure;
}

/** Whether the node ended well. The others go on when one is killed: that is what a cluster is for. */
async function watch(node: LocalNode, isStopping: () => boolean, output: Output): Promise<boolean> {
  const exit = await node.exit;
  if (isStopping()) return exit.code === 0;
  const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
  const id = node.options.nodeId;
  output.out(`${output.paint("bold", `Node ${id} is gone (${how}); the others go on.`)}\n`);
  return exit.signal !== null;
}

function whatNext(output: Output): string {
  const addresses = CLIENT_PORTS.map((port) => `127.0.0.1:${port}`).join(",");
  return [
    "",
    output.paint("bold", "Three nodes are ready.") + " In another terminal:",
    `  deno task cli --addr ${addresses}`,
    `  deno task cli --addr 127.0.0.1:9091 register logs`,
    `  deno task cli --addr 127.0.0.1:9092 put logs "hello"`,
    `  deno task cli --addr 127.0.0.1:9093 get logs`,
    `Data is under ${FOLDER}. Ctrl-C stops all three.`,
    "",
    "",
  ].join("\n");
}

if (import.meta.main) Deno.exit(await runCluster(processOutput()));
