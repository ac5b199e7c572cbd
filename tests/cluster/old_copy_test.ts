import assert from "node:assert/strict";
import type { LocalNode } from "../../cli/local/local_node.ts";
import {
  assertAllThere,
  exitCodeOf,
  History,
  joinCluster,
  metricsOf,
  registerTopics,
  removeNode,
  type RunningCluster,
  startLoad,
  stateOf,
  until,
  untilAcknowledged,
  withCluster,
  withExtraNode,
} from "./mod.ts";

const STOP_TIMEOUT_MS = 10_000;
const ACKNOWLEDGED = 300;
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "50", WALRUS_MONITOR_CHECK_MS: "500" };
const TOPIC = "kept";

async function copyDirectory(from: string, to: string): Promise<void> {
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(success, `cp ${from} ${to}`);
}

async function putBack(copy: string, dataDir: string): Promise<void> {
  await Deno.remove(dataDir, { recursive: true });
  await copyDirectory(copy, dataDir);
}

/** A node that doesn't lead Raft, so that who leads it stays and remembers. */
async function followerOf({ nodes, clientPorts }: RunningCluster): Promise<LocalNode> {
  const { current_leader: leader } = await metricsOf(clientPorts[0]!);
  return nodes.find(({ options }) => options.nodeId !== leader && options.nodeId !== 1)!;
}

function load(history: History, { clientPorts }: RunningCluster) {
  return startLoad({
    history,
    ports: clientPorts,
    topics: [TOPIC],
    writersPerTopic: 3,
    depth: 4,
    valueBytes: 200,
  });
}

/** It ends with a clear word, and ends again; the others go on without it. */
async function assertRefused(
  running: RunningCluster,
  { node, why, history }: { node: LocalNode; why: RegExp; history: History },
): Promise<void> {
  const { nodeId } = node.options;
  for (const attempt of [1, 2]) {
    node.start();
    assert.equal(await exitCodeOf(node), 1, `start ${attempt}`);
    const line = running.logOf(nodeId).at(-1)!;
    assert.match(line, why);
    assert.match(line, new RegExp(`remove-node ${nodeId}\\), empty its data directory`));
  }
  await untilAcknowledged(history, ACKNOWLEDGED);
}

/** What the operator does about it. */
async function replace(node: LocalNode, port: number): Promise<void> {
  await removeNode(node.options.nodeId, port);
  await Deno.remove(node.options.dataDir, { recursive: true });
  await joinCluster(node, port);
}

async function untilWhole(port: number): Promise<void> {
  await until("everything has three replicas again", async () => {
    const { segments } = await stateOf(port, TOPIC);
    return Object.values(segments).every((segment) => !segment.under_replicated);
  });
}

Deno.test("An older copy of a data directory is refused, whoever is asked; removed and joined again it holds everything", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [first, second, third] = running.nodes as [LocalNode, LocalNode, LocalNode];
    const [port] = running.clientPorts as [number];
    const { dataDir } = third.options;
    const history = new History();
    await registerTopics(port, [TOPIC]);
    const writing = load(history, running);
    await untilAcknowledged(history, ACKNOWLEDGED);
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    await copyDirectory(dataDir, `${dataDir}-copy`);
    await running.restart();
    await untilAcknowledged(history, ACKNOWLEDGED);
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    // Nobody remembers by himself what the node promised: metadata does.
    for (const node of [first, second]) {
      await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
      node.start();
      await node.ready({ timeoutMs: 30_000 });
      await untilAcknowledged(history, ACKNOWLEDGED);
    }
    await putBack(`${dataDir}-copy`, dataDir);
    await assertRefused(running, { node: third, why: /node 3 is an older copy/, history });
    await replace(third, port);
    await untilAcknowledged(history, ACKNOWLEDGED);
    await writing.stop();
    await untilWhole(port);
    await assertAllThere(running.clientPorts, history, [TOPIC]);
  });
});

Deno.test("A disk that went back while its node ran is found out: the node ends, and never comes back with it", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const node = await followerOf(running);
    const [port] = running.clientPorts as [number];
    const { dataDir } = node.options;
    const history = new History();
    await registerTopics(port, [TOPIC]);
    const writing = load(history, running);
    await untilAcknowledged(history, ACKNOWLEDGED);
    node.signal("SIGSTOP");
    await copyDirectory(dataDir, `${dataDir}-copy`);
    node.signal("SIGCONT");
    await untilAcknowledged(history, 4 * ACKNOWLEDGED);
    await node.kill();
    await putBack(`${dataDir}-copy`, dataDir);
    await assertRefused(running, { node, why: /disk has gone back: .* end at/, history });
    await replace(node, port);
    await untilAcknowledged(history, ACKNOWLEDGED);
    await writing.stop();
    await untilWhole(port);
    await assertAllThere(running.clientPorts, history, [TOPIC]);
  });
});

Deno.test("A copy of a directory that is started beside its living original ends, and leaves the original alone", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const original = await followerOf(running);
    const { nodeId, dataDir } = original.options;
    const history = new History();
    await registerTopics(running.clientPorts[0]!, [TOPIC]);
    const writing = load(history, running);
    await untilAcknowledged(history, ACKNOWLEDGED);
    original.signal("SIGSTOP");
    await copyDirectory(dataDir, `${dataDir}-copy`);
    original.signal("SIGCONT");
    await untilAcknowledged(history, 2 * ACKNOWLEDGED);
    await withExtraNode(
      running,
      { nodeId, dataDir: `${dataDir}-copy` },
      async ({ node, lines }) => {
        node.start();
        assert.equal(await exitCodeOf(node), 1);
        assert.match(
          lines.at(-1)!,
          new RegExp(`another process with .* of node ${nodeId} is running`),
        );
      },
    );
    await untilAcknowledged(history, ACKNOWLEDGED);
    assert.equal(original.isRunning, true);
    // Both ways of being started again.
    await original.kill();
    await running.restart();
    await original.stop({ timeoutMs: STOP_TIMEOUT_MS });
    await running.restart();
    await untilAcknowledged(history, ACKNOWLEDGED);
    await writing.stop();
    await untilWhole(running.clientPorts[0]!);
    await assertAllThere(running.clientPorts, history, [TOPIC]);
  });
});
