import assert from "node:assert/strict";
import {
  assertAllThere,
  History,
  registerTopics,
  type RunningCluster,
  startLoad,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const TOPICS = ["alpha", "beta", "gamma"] as const;
/** Small segments: faults fall into rollovers too. */
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "300" };
/** So small that others roll segments over to a node while it stops. */
const STORM = { WALRUS_MAX_SEGMENT_ENTRIES: "30" };
/** Acknowledgements between two faults: without them a round proves nothing. */
const BETWEEN_FAULTS = 400;
const STOP_TIMEOUT_MS = 10_000;
/** What a node that stops must not do to those who wait for it. */
const BROKEN_OFF = /ended before the answer came: (The other side closed it|.* broke: )/;

/** What nodes write to their logs after this call, as of the call of what it gives. */
function linesFromNowOn({ nodes, logOf }: RunningCluster): () => string[] {
  const before = nodes.map(({ options }) => logOf(options.nodeId).length);
  return () => nodes.flatMap(({ options }, i) => logOf(options.nodeId).slice(before[i]));
}

Deno.test("kill -9 of nodes in turn: the others go on, and all that was acknowledged is there", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const ports = running.clientPorts;
    const history = new History();
    await registerTopics(ports[0]!, TOPICS);
    const load = startLoad({
      history,
      ports,
      topics: TOPICS,
      writersPerTopic: 2,
      depth: 8,
      valueBytes: 700,
    });
    for (const node of running.nodes) {
      await untilAcknowledged(history, BETWEEN_FAULTS);
      await node.kill();
      await untilAcknowledged(history, BETWEEN_FAULTS);
      await running.restart();
    }
    await untilAcknowledged(history, BETWEEN_FAULTS);
    await load.stop();
    assert.ok(load.reconnects >= running.nodes.length, `${load.reconnects} reconnects`);
    await assertAllThere(ports, history, TOPICS);
  });
});

Deno.test("A rolling restart by SIGTERM under load shows clients nothing but reconnects", async () => {
  await withCluster(STORM, async (running) => {
    const ports = running.clientPorts;
    const history = new History();
    await registerTopics(ports[0]!, TOPICS);
    const load = startLoad({
      history,
      ports,
      topics: TOPICS,
      writersPerTopic: 2,
      depth: 8,
      valueBytes: 700,
    });
    for (const node of running.nodes) {
      await untilAcknowledged(history, BETWEEN_FAULTS);
      const exit = await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
      assert.deepEqual(exit, { code: 0, signal: null });
      await untilAcknowledged(history, BETWEEN_FAULTS);
      await running.restart();
    }
    await untilAcknowledged(history, BETWEEN_FAULTS);
    await load.stop();
    assert.deepEqual(load.errors, []);
    // Nobody was given a segment that he would leave behind.
    const lines = running.nodes.flatMap(({ options }) => running.logOf(options.nodeId));
    assert.deepEqual(lines.filter((line) => /recovering a segment/.test(line)), []);
    assert.ok(load.reconnects >= running.nodes.length, `${load.reconnects} reconnects`);
    await assertAllThere(ports, history, TOPICS);
  });
});

Deno.test("Nodes that stop in turn: clients of the others see neither an error nor a lost connection", async () => {
  await withCluster(STORM, async (running) => {
    const ports = running.clientPorts;
    const history = new History();
    const written: string[] = [];
    for (const [round, node] of [...running.nodes, ...running.nodes].entries()) {
      // Of their own: a load names its values by topic and writer.
      const topics = TOPICS.map((topic) => `${topic}-${round}`);
      const newLines = linesFromNowOn(running);
      written.push(...topics);
      await registerTopics(ports[0]!, topics);
      const load = startLoad({
        history,
        ports: ports.filter((port) => port !== node.options.clientPort),
        topics,
        writersPerTopic: 4,
        depth: 16,
        valueBytes: 300,
      });
      await untilAcknowledged(history, BETWEEN_FAULTS);
      const exit = await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
      assert.deepEqual(exit, { code: 0, signal: null });
      await untilAcknowledged(history, BETWEEN_FAULTS);
      await load.stop();
      // Where this machine stood still in this round so long that nodes took each other for dead, errors are right.
      const hasStoodStill = newLines().some((line) => /Nothing was heard|recovering a/.test(line));
      const errors = load.errors.filter((error) => !hasStoodStill || BROKEN_OFF.test(error));
      assert.deepEqual([errors, load.reconnects], [[], 0], `node ${node.options.nodeId}`);
      await running.restart();
    }
    await assertAllThere(ports, history, written);
  });
});
