import assert from "node:assert/strict";
import {
  askOnce,
  checkTopic,
  describeProblems,
  drainTopic,
  History,
  killAll,
  type RunningCluster,
  startWriter,
  testOnBackends,
  withCluster,
  type Writer,
} from "./mod.ts";

const TOPICS = ["alpha", "beta", "gamma"] as const;
/** Small, so that kills fall into rollovers too. */
const environmentOf = (backend: Record<string, string>) => ({
  ...backend,
  WALRUS_MAX_SEGMENT_ENTRIES: "300",
});
/** Acknowledged entries without which a round proves nothing. */
const ACKNOWLEDGED_MIN = 500;

/** Two writers for each topic, each on another node. */
function startWriters(running: RunningCluster, history: History, round: number): Promise<Writer[]> {
  return Promise.all(
    TOPICS.flatMap((topic, t) =>
      [0, 1].map((w) =>
        startWriter({
          history,
          port: running.clientPorts[(t + w) % running.clientPorts.length]!,
          topic,
          name: `${topic}-r${round}-w${w}`,
          depth: 16,
          valueBytes: 700,
        })
      )
    ),
  );
}

async function registerAll(running: RunningCluster): Promise<void> {
  for (const topic of TOPICS) {
    assert.equal(await askOnce(running.clientPorts[0]!, `REGISTER ${topic}`), "OK");
  }
}

/** Waits until so many more are acknowledged; a cluster that stands still fails the test. */
async function untilAcknowledged(history: History, more: number): Promise<void> {
  const goal = history.count("ok") + more;
  const endMs = Date.now() + 60_000;
  while (history.count("ok") < goal) {
    assert.ok(Date.now() < endMs, `only ${history.count("ok")} of ${goal} were acknowledged`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function assertAllThere(running: RunningCluster, history: History): Promise<void> {
  for (const topic of TOPICS) {
    const read = await drainTopic(topic, running.clientPorts);
    assert.equal(describeProblems(checkTopic(history.ofTopic(topic), read)), "", topic);
  }
}

await testOnBackends("kill -9 of all three nodes under load loses nothing", async (backend) => {
  await withCluster(environmentOf(backend), async (running) => {
    const history = new History();
    await registerAll(running);
    for (const round of [1, 2]) {
      const writers = await startWriters(running, history, round);
      await untilAcknowledged(history, ACKNOWLEDGED_MIN);
      await killAll(running.nodes);
      await Promise.all(writers.map((writer) => writer.stop()));
      await running.restart();
    }
    await assertAllThere(running, history);
  });
});

await testOnBackends(
  "kill -9 of one node under load and its restart lose nothing",
  async (backend) => {
    await withCluster(environmentOf(backend), async (running) => {
      const history = new History();
      await registerAll(running);
      for (const [round, node] of running.nodes.entries()) {
        const writers = await startWriters(running, history, round);
        await untilAcknowledged(history, ACKNOWLEDGED_MIN);
        await node.kill();
        await running.restart();
        await Promise.all(writers.map((writer) => writer.stop()));
      }
      await assertAllThere(running, history);
    });
  },
);

await testOnBackends("The shared cursor survives kill -9 of all three nodes", async (backend) => {
  await withCluster(environmentOf(backend), async (running) => {
    await registerAll(running);
    const [port] = running.clientPorts as [number];
    for (let i = 0; i < 40; i++) assert.equal(await askOnce(port, `PUT alpha ${i}`), "OK");
    for (let i = 0; i < 15; i++) assert.equal(await askOnce(port, "GET alpha"), `OK ${i}`);
    await killAll(running.nodes);
    await running.restart();
    const rest = await drainTopic("alpha", running.clientPorts);
    assert.deepEqual(rest, Array.from({ length: 25 }, (_, i) => `${i + 15}`));
  });
});
