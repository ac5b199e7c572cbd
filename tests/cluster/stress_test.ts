import assert from "node:assert/strict";
import {
  checkTopic,
  describeProblems,
  drainTopic,
  History,
  RawClient,
  registerTopics,
  startLoad,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const TOPICS = ["busy", "busier"] as const;
const WRITERS_PER_TOPIC = 40;
const WRITER_DEPTH = 8;
const CONSUMER_DEPTH = 8;
const ACKNOWLEDGED = 8000;

/** Takes from the topic's shared cursor until it is told to stop and nothing is left; what it got, in order. */
async function consume(
  options: { port: number; topic: string; isDone: () => boolean },
): Promise<string[]> {
  const { port, topic, isDone } = options;
  const client = await RawClient.connect(port);
  const taken: string[] = [];
  for (let isAtEnd = false; !isAtEnd;) {
    const wasDone = isDone();
    let got = 0;
    for (let i = 0; i < CONSUMER_DEPTH; i++) await client.send(`GET ${topic}`);
    for (let i = 0; i < CONSUMER_DEPTH; i++) {
      const answer = await client.receive();
      if (answer === "EMPTY") continue;
      assert.match(answer, /^OK /);
      taken.push(answer.slice(3));
      got++;
    }
    isAtEnd = wasDone && got === 0;
  }
  client.close();
  return taken;
}

Deno.test("Eighty writers and six consumers at once: each entry once, in order, to one consumer", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "500" }, async (running) => {
    const ports = running.clientPorts;
    const history = new History();
    await registerTopics(ports[0]!, TOPICS);
    let isDone = false;
    const consumers = TOPICS.map((topic) =>
      Promise.all(ports.map((port) => consume({ port, topic, isDone: () => isDone })))
    );
    const load = startLoad({
      history,
      ports,
      topics: TOPICS,
      writersPerTopic: WRITERS_PER_TOPIC,
      depth: WRITER_DEPTH,
      valueBytes: 200,
    });
    await untilAcknowledged(history, ACKNOWLEDGED);
    await load.stop();
    isDone = true;
    const taken = await Promise.all(consumers);
    assert.deepEqual(load.errors, []);
    assert.equal(load.reconnects, 0);
    assert.equal(history.count("unknown"), 0);
    for (const [index, topic] of TOPICS.entries()) {
      assert.deepEqual(await drainTopic(topic, ports), [], "nothing was left");
      const attempts = history.ofTopic(topic);
      // Each entry went to one consumer …
      const all = taken[index]!.flat();
      assert.equal(all.length, attempts.length);
      assert.equal(new Set(all).size, attempts.length);
      // … and what each of them got is in the order in which it was written.
      for (const got of taken[index]!) {
        const values = new Set(got);
        const known = attempts.filter(({ value }) => values.has(value));
        assert.equal(describeProblems(checkTopic(known, got)), "");
      }
    }
  });
});
