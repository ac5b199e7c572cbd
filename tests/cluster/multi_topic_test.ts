import assert from "node:assert/strict";
import {
  assertAllThere,
  drainTopic,
  History,
  RawClient,
  registerTopics,
  startLoad,
  stateOf,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const namesOf = (count: number) => Array.from({ length: count }, (_, i) => `topic-${i}`);

Deno.test("Forty topics are written at once, through a kill -9: each keeps its own entries and order", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "50" }, async (running) => {
    const ports = running.clientPorts;
    const topics = namesOf(40);
    const history = new History();
    await registerTopics(ports[0]!, topics);
    const leaders = await Promise.all(topics.map((topic) => stateOf(ports[1]!, topic)));
    // New topics go to the nodes in turn.
    assert.equal(new Set(leaders.map((state) => state.segment_leaders["1"])).size, 3);
    const load = startLoad({
      history,
      ports,
      topics,
      writersPerTopic: 1,
      depth: 4,
      valueBytes: 100,
    });
    await untilAcknowledged(history, 1500);
    await running.nodes[1]!.kill();
    await untilAcknowledged(history, 1500);
    await running.restart();
    await load.stop();
    const written = new Set(
      history.attempts.filter(({ outcome }) => outcome === "ok")
        .map(({ topic }) => topic),
    );
    assert.equal(written.size, topics.length);
    await assertAllThere(ports, history, topics);
  });
});

Deno.test("One connection writes many topics in turn, and reads them in turn", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "20" }, async (running) => {
    const topics = namesOf(12);
    await registerTopics(running.clientPorts[0]!, topics);
    const client = await RawClient.connect(running.clientPorts[1]!);
    const perTopic = 100;
    const write = async () => {
      for (let i = 0; i < perTopic; i++) {
        for (const topic of topics) await client.send(`PUT ${topic} ${topic} ${i}`);
      }
    };
    const confirm = async () => {
      for (let i = 0; i < perTopic * topics.length; i++) assert.equal(await client.receive(), "OK");
    };
    await Promise.all([write(), confirm()]);
    const half = perTopic / 2;
    for (let i = 0; i < half; i++) {
      for (const topic of topics) await client.send(`GET ${topic}`);
      for (const topic of topics) assert.equal(await client.receive(), `OK ${topic} ${i}`);
    }
    client.close();
    for (const topic of topics) {
      const rest = Array.from({ length: perTopic - half }, (_, i) => `${topic} ${half + i}`);
      assert.deepEqual(await drainTopic(topic, running.clientPorts), rest);
    }
  });
});
