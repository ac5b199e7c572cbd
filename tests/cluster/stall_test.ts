import assert from "node:assert/strict";
import {
  askOnce,
  checkTopic,
  describeProblems,
  drainTopic,
  History,
  startWriter,
  withCluster,
} from "./mod.ts";

/** Longer than a lease and than it takes to give a node up. */
const STOPPED_MS = 4000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("A node that is stopped for longer than its lease and goes on loses nothing", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "300" }, async (running) => {
    const history = new History();
    assert.equal(await askOnce(running.clientPorts[0]!, "REGISTER paused"), "OK");
    const writers = await Promise.all(running.clientPorts.map((port, index) =>
      startWriter({
        history,
        port,
        topic: "paused",
        name: `w${index}`,
        depth: 8,
        valueBytes: 200,
      })
    ));
    for (const node of running.nodes) {
      await pause(500);
      node.signal("SIGSTOP");
      await pause(STOPPED_MS);
      node.signal("SIGCONT");
    }
    await pause(1000);
    await Promise.all(writers.map((writer) => writer.stop()));
    await running.restart();
    assert.ok(history.count("ok") > 500, `${history.count("ok")} were acknowledged`);
    const read = await drainTopic("paused", running.clientPorts);
    assert.equal(describeProblems(checkTopic(history.ofTopic("paused"), read)), "");
  });
});
