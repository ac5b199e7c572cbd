import assert from "node:assert/strict";
import {
  askOnce,
  assertAllThere,
  drainTopic,
  History,
  killAll,
  registerTopics,
  startLoad,
  stateOf,
  testOnBackends,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const TOPICS = ["alpha", "beta"] as const;
const STOP_TIMEOUT_MS = 10_000;
/** Small segments: a stop falls into rollovers too. */
const environmentOf = (backend: Record<string, string>) => ({
  ...backend,
  WALRUS_MAX_SEGMENT_ENTRIES: "300",
});

await testOnBackends(
  "All nodes are stopped under load and started again: everything is there, and the disks are clean",
  async (backend) => {
    await withCluster(environmentOf(backend), async (running) => {
      const ports = running.clientPorts;
      const history = new History();
      await registerTopics(ports[0]!, TOPICS);
      const load = startLoad({
        history,
        ports,
        topics: TOPICS,
        writersPerTopic: 3,
        depth: 8,
        valueBytes: 300,
      });
      for (let round = 0; round < 2; round++) {
        await untilAcknowledged(history, 400);
        const exits = await Promise.all(
          running.nodes.map((node) => node.stop({ timeoutMs: STOP_TIMEOUT_MS })),
        );
        for (const exit of exits) assert.deepEqual(exit, { code: 0, signal: null });
        await running.restart();
      }
      await untilAcknowledged(history, 400);
      await load.stop();
      for (const node of running.nodes) {
        const opened = running.logOf(node.options.nodeId)
          .filter((line) => line.includes("storage is open"));
        assert.equal(opened.length, 3);
        // An empty directory is no clean one either way: only the restarts count.
        for (const line of opened.slice(1)) assert.match(line, /clean=true/);
      }
      await assertAllThere(ports, history, TOPICS);
    });
  },
);

await testOnBackends(
  "What is at rest stays as it is through a stop and through kill -9 of all: entries, segments, cursor",
  async (backend) => {
    await withCluster(environmentOf(backend), async (running) => {
      const [port] = running.clientPorts as [number];
      await registerTopics(port, ["rest"]);
      const values = Array.from({ length: 700 }, (_, i) => `entry ${i}`);
      for (const value of values) assert.equal(await askOnce(port, `PUT rest ${value}`), "OK");
      const taken = values.splice(0, 310);
      for (const value of taken) assert.equal(await askOnce(port, "GET rest"), `OK ${value}`);

      await Promise.all(running.nodes.map((node) => node.stop({ timeoutMs: STOP_TIMEOUT_MS })));
      await running.restart();
      const between = values.splice(0, 10);
      for (const value of between) assert.equal(await askOnce(port, "GET rest"), `OK ${value}`);
      const { sealed_segments: sealedBefore } = await stateOf(port, "rest");

      await killAll(running.nodes);
      await running.restart();
      const { sealed_segments: sealedAfter, segments } = await stateOf(port, "rest");
      for (const [number, count] of Object.entries(sealedBefore)) {
        assert.equal(sealedAfter[number], count, `segment ${number}`);
      }
      assert.ok(!Object.values(segments).some((segment) => segment.may_have_lost));
      assert.deepEqual(await drainTopic("rest", running.clientPorts), values);
    });
  },
);
