import assert from "node:assert/strict";
import { LocalNode } from "../../cli/local/local_node.ts";
import {
  askOnce,
  assertAllThere,
  exitCodeOf,
  History,
  joinCluster,
  metricsOf,
  nodesOf,
  portBeside,
  registerTopics,
  REMOVED,
  removeNode,
  startLoad,
  stateOf,
  until,
  untilAcknowledged,
  withCluster,
  withExtraNode,
} from "./mod.ts";

const STOP_TIMEOUT_MS = 10_000;
const ACKNOWLEDGED = 300;
/** Not so small that a node which leaves has hundreds of segments to hand on. */
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "400", WALRUS_MONITOR_CHECK_MS: "500" };

/** Nobody else holds what `id` held, and nothing has too few replicas. */
async function assertHandedOn(port: number, topics: readonly string[], id: number): Promise<void> {
  for (const topic of topics) {
    const state = await stateOf(port, topic);
    for (const [number, replicas] of Object.entries(state.segment_replicas)) {
      assert.ok(!replicas.includes(id), `${topic}/${number} is on node ${replicas.join(", ")}`);
      assert.equal(replicas.length, 3, `${topic}/${number} is on node ${replicas.join(", ")}`);
      assert.ok(!state.segments[number]!.under_replicated, `${topic}/${number}`);
    }
  }
}

Deno.test("A fourth node joins under load; a leader of segments and the Raft leader are removed", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [port] = running.clientPorts as [number];
    const history = new History();
    const topics = ["load", "quiet"];
    await registerTopics(port, topics);
    await withExtraNode(running, { nodeId: 4 }, async ({ node: fourth, lines }) => {
      const nodes = [...running.nodes, fourth];
      const logOf = (id: number) => id === 4 ? lines : running.logOf(id);
      const load = startLoad({
        history,
        ports: nodes.map((node) => node.options.clientPort),
        topics: ["load"],
        writersPerTopic: 4,
        depth: 4,
        valueBytes: 200,
      });
      await untilAcknowledged(history, ACKNOWLEDGED);
      await joinCluster(fourth, port);
      await until("node 4 leads a segment", async () => {
        return Object.values((await stateOf(port, "load")).segment_leaders).includes(4);
      });

      // The leader of an open segment that is at rest, or, where that leads Raft too, any other follower.
      const { current_leader: raftLeader } = await metricsOf(port);
      const { leader_node: atRest } = await stateOf(port, "quiet");
      const follower = atRest !== raftLeader ? atRest : raftLeader! % 4 + 1;
      await removeUnderLoad(nodes, { leaving: follower, history, topics });

      const gone = nodes[follower - 1]!;
      const linesBefore = logOf(follower).length;
      gone.start();
      assert.equal(await exitCodeOf(gone), 1);
      const told = logOf(follower).slice(linesBefore);
      assert.match(told.at(-1) ?? "", REMOVED);
      assert.ok(!told.some((line) => /Ready/.test(line)), "it serves nobody");

      await Deno.remove(gone.options.dataDir, { recursive: true });
      const again = new LocalNode({
        ...gone.options,
        joinPort: nodes[raftLeader! - 1]!.options.raftPort,
      });
      try {
        await joinCluster(again, portBeside(nodes, follower));
        nodes[follower - 1] = again;
        await untilAcknowledged(history, ACKNOWLEDGED);
        const leaving = (await metricsOf(again.options.clientPort)).current_leader!;
        await removeUnderLoad(nodes, { leaving, history, topics });
        await load.stop();
        const left = nodes.filter((node) => node.options.nodeId !== leaving);
        await assertAllThere(left.map((node) => node.options.clientPort), history, topics);
      } finally {
        await again.kill();
      }
    });
  });
});

Deno.test("A node of another cluster is refused by both sides, and takes no part", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [port] = running.clientPorts as [number];
    const third = running.nodes[2]!;
    await registerTopics(port, ["own"]);
    const { joinPort: _, environment, ...options } = third.options;
    const lines: string[] = [];
    const foreign = new LocalNode({
      ...options,
      environment: environment ?? {},
      dataDir: `${options.dataDir}-foreign`,
      onLine: (line) => lines.push(line),
    });
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    foreign.start();
    try {
      await foreign.ready({ timeoutMs: STOP_TIMEOUT_MS });
      const refusal = /belongs to cluster [-0-9a-f]{36}, node \d to [-0-9a-f]{36}/;
      await until("both sides say so", () =>
        lines.some((line) => refusal.test(line)) &&
        [1, 2].some((id) => running.logOf(id).some((line) => refusal.test(line))));
      const seen = (await nodesOf(port)).find((node) => node.id === 3);
      assert.equal(seen?.live, false);
      assert.match(await askOnce(foreign.options.clientPort, "STATE own"), /^ERR unknown topic/);
      assert.equal(await askOnce(port, "PUT own entry"), "OK");
    } finally {
      await foreign.kill();
    }
    await running.restart();
    await until("node 3 is live again", async () => {
      return (await nodesOf(port)).find((node) => node.id === 3)?.live === true;
    });
    assert.equal(await askOnce(third.options.clientPort, "GET own"), "OK entry");
  });
});

Deno.test("A node that comes back on other ports is found again", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [first, second, third] = running.nodes as [LocalNode, LocalNode, LocalNode];
    const port = first.options.clientPort;
    await registerTopics(port, ["moved"]);
    assert.equal(await askOnce(port, "PUT moved 1"), "OK");
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    // It finds the others by its own disk: nobody is named to join.
    const { joinPort: _, raftPort, clientPort, onLine: __, ...options } = third.options;
    const changes = { ...options, nodeId: 3 };
    await withExtraNode(running, changes, async ({ node: moved }) => {
      moved.start();
      await moved.ready({ timeoutMs: STOP_TIMEOUT_MS });
      await until("others know where it is", async () => {
        const { nodes } = (await metricsOf(port)).membership_config.membership;
        return nodes["3"]?.addr === `127.0.0.1:${moved.options.raftPort}`;
      });
      assert.notEqual(moved.options.raftPort, raftPort);
      assert.notEqual(moved.options.clientPort, clientPort);
      // From here on every majority needs it.
      await second.kill();
      await until("an entry is accepted", async () => await askOnce(port, "PUT moved 2") === "OK");
      const movedPort = moved.options.clientPort;
      assert.equal(await askOnce(movedPort, "GET moved"), "OK 1");
      assert.equal(await askOnce(movedPort, "GET moved"), "OK 2");
    });
  });
});

async function removeUnderLoad(
  nodes: readonly LocalNode[],
  options: { leaving: number; history: History; topics: readonly string[] },
): Promise<void> {
  const { leaving, history, topics } = options;
  const node = nodes.find(({ options }) => options.nodeId === leaving)!;
  const port = portBeside(nodes, leaving);
  await removeNode(leaving, port);
  assert.equal(await exitCodeOf(node), 0);
  await untilAcknowledged(history, ACKNOWLEDGED);
  await assertHandedOn(port, topics, leaving);
}
