import assert from "node:assert/strict";
import {
  askOnce,
  assertAllThere,
  drainTopic,
  History,
  metricsOf,
  Namespaces,
  RawClient,
  registerTopics,
  type RunningCluster,
  startLoad,
  stateOf,
  until,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const TOPICS = ["alpha", "beta"] as const;
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "300" };
const ACKNOWLEDGED = 300;
/** Requests that are answered with an error all the same: a bound against hanging, four times what is promised. */
const ERROR_TIMEOUT_MS = 20_000;

const reason = await Namespaces.whyNot();

function testPartition(
  name: string,
  test: (running: RunningCluster, network: Namespaces) => Promise<void>,
): void {
  Deno.test({
    name: reason === null ? name : `${name} (skipped: ${reason})`,
    ignore: reason !== null,
    fn: () =>
      Namespaces.with((network) =>
        withCluster(ENVIRONMENT, (running) => test(running, network), network)
      ),
  });
}

function startUsualLoad(running: RunningCluster, history: History): ReturnType<typeof startLoad> {
  return startLoad({
    history,
    ports: running.clientPorts,
    topics: TOPICS,
    writersPerTopic: 3,
    depth: 4,
    valueBytes: 200,
  });
}

/** The cluster as it should be after any cut: everybody leads again, and everything is there. */
async function assertHealed(running: RunningCluster, history: History): Promise<void> {
  await running.restart();
  for (const [i, port] of running.clientPorts.entries()) {
    await until(`node ${i + 1} takes entries`, async () => {
      const client = await RawClient.connect(port);
      const answer = await client.ask("PUT healed x");
      client.close();
      return answer === "OK";
    });
  }
  const written = new Set(history.attempts.map(({ topic }) => topic));
  await assertAllThere(running.clientPorts, history, [...written]);
}

testPartition(
  "Each node in turn is cut off: the others go on, nothing is lost",
  async (running, network) => {
    const history = new History();
    await registerTopics(running.clientPorts[0]!, [...TOPICS, "healed"]);
    const load = startUsualLoad(running, history);
    for (const { options: { nodeId } } of running.nodes) {
      await untilAcknowledged(history, ACKNOWLEDGED);
      await network.isolate(nodeId);
      await untilAcknowledged(history, ACKNOWLEDGED);
      // Until the others lead everything: the cut-off node's last segments are sealed without it.
      await until("the others lead", async () => {
        const other = running.clientPorts[nodeId % 3]!;
        const leaders = await Promise.all(TOPICS.map((topic) => stateOf(other, topic)));
        return leaders.every(({ leader_node: leader }) => leader !== nodeId);
      });
      await untilAcknowledged(history, ACKNOWLEDGED);
      await network.heal();
      await running.restart();
    }
    await load.stop();
    await assertHealed(running, history);
  },
);

testPartition(
  "The Raft leader in a minority answers with errors in bounded time, and what it took counts or not for all",
  async (running, network) => {
    const history = new History();
    await registerTopics(running.clientPorts[0]!, [...TOPICS, "healed"]);
    const load = startUsualLoad(running, history);
    await untilAcknowledged(history, ACKNOWLEDGED);
    const { current_leader: leader } = await metricsOf(running.clientPorts[0]!);
    const cutOff = running.clientPorts[leader! - 1]!;
    await network.isolate(leader!);

    // Whatever was taken before its lease ended: from the first error on there is nothing but errors.
    const client = await RawClient.connect(cutOff);
    await until("the minority refuses", async () => {
      const attempt = history.begin({ topic: "alpha", value: valueOf("m", history), writer: "m" });
      await client.send(`PUT alpha ${attempt.value}`);
      const answer = await client.receive(ERROR_TIMEOUT_MS);
      if (answer === "OK") history.settle(attempt, "ok");
      return answer.startsWith("ERR ");
    });
    for (const topic of TOPICS) {
      const attempt = history.begin({ topic, value: valueOf("n", history), writer: `n-${topic}` });
      await client.send(`PUT ${topic} ${attempt.value}`);
      assert.match(await client.receive(ERROR_TIMEOUT_MS), /^ERR /);
      await client.send(`GET ${topic}`);
      assert.match(await client.receive(ERROR_TIMEOUT_MS), /^ERR /);
    }
    await client.send("REGISTER minority");
    assert.match(await client.receive(ERROR_TIMEOUT_MS), /^ERR /);
    client.close();

    const majority = running.clientPorts[leader! % 3]!;
    await until("the majority has another Raft leader", async () => {
      const { current_leader: now } = await metricsOf(majority);
      return now !== null && now !== leader;
    });
    await untilAcknowledged(history, ACKNOWLEDGED);
    await network.heal();
    await untilAcknowledged(history, ACKNOWLEDGED);
    await load.stop();
    await assertHealed(running, history);
  },
);

testPartition("One-way cuts, into a node and out of it, lose nothing", async (running, network) => {
  const history = new History();
  await registerTopics(running.clientPorts[0]!, [...TOPICS, "healed"]);
  const load = startUsualLoad(running, history);
  await untilAcknowledged(history, ACKNOWLEDGED);
  const others = (id: number) => [1, 2, 3].filter((other) => other !== id);

  // Deaf: it speaks, and hears nobody.
  for (const other of others(2)) await network.cut(other, 2);
  await untilAcknowledged(history, ACKNOWLEDGED);
  await until("others lead", () => leadsNothing(running.clientPorts[0]!, 2));
  await network.heal();
  await running.restart();

  // Dumb: it hears everybody, and nobody hears it. The Raft leader, so that another one must be found.
  const { current_leader: leader } = await metricsOf(running.clientPorts[0]!);
  for (const other of others(leader!)) await network.cut(leader!, other);
  await until("others lead", () => leadsNothing(running.clientPorts[leader! % 3]!, leader!));
  await untilAcknowledged(history, ACKNOWLEDGED);
  await network.heal();
  await running.restart();

  // Two that can't speak with each other, while the third hears both.
  await network.cut(1, 3);
  await network.cut(3, 1);
  await untilAcknowledged(history, ACKNOWLEDGED);
  await network.heal();
  await untilAcknowledged(history, ACKNOWLEDGED);
  await load.stop();
  await assertHealed(running, history);
});

testPartition(
  "Where every node is alone nothing is taken, and all comes back",
  async (running, network) => {
    const [port] = running.clientPorts as [number];
    await registerTopics(port, ["alone", "healed"]);
    assert.equal(await askOnce(port, "PUT alone before"), "OK");
    for (const id of [1, 2, 3]) await network.isolate(id);
    const tried = await Promise.all(running.clientPorts.map(async (each, i) => {
      const client = await RawClient.connect(each);
      await client.send(`PUT alone within-${i}`);
      const answer = await client.receive(ERROR_TIMEOUT_MS);
      client.close();
      return answer;
    }));
    for (const answer of tried) assert.match(answer, /^ERR /);
    await network.heal();
    await assertHealed(running, new History());
    assert.equal(await askOnce(port, "PUT alone after"), "OK");
    const read = await drainTopic("alone", running.clientPorts);
    assert.equal(read[0], "before");
    assert.equal(read.at(-1), "after");
    // An error leaves it open whether the entry is there; twice it can't be.
    const within = read.slice(1, -1);
    assert.equal(new Set(within).size, within.length);
    for (const value of within) assert.match(value, /^within-[012]$/);
  },
);

const valueOf = (prefix: string, history: History) => `${prefix}-${history.attempts.length}`;

async function leadsNothing(port: number, nodeId: number): Promise<boolean> {
  const states = await Promise.all(TOPICS.map((topic) => stateOf(port, topic)));
  return states.every(({ leader_node: leader }) => leader !== nodeId);
}
