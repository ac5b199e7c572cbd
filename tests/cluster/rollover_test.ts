import assert from "node:assert/strict";
import { askOnce, drainTopic, RawClient, withCluster } from "./mod.ts";

Deno.test("Rollover storms: each node takes entries while segments of ten change hands", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "10" }, async (running) => {
    assert.equal(await askOnce(running.clientPorts[0]!, "REGISTER storm"), "OK");
    const perNode = 200;
    await Promise.all(running.clientPorts.map(async (port, node) => {
      const client = await RawClient.connect(port);
      const sending = (async () => {
        for (let i = 0; i < perNode; i++) await client.send(`PUT storm ${node}-${i}`);
      })();
      // A planned rollover costs latency, never an error.
      for (let i = 0; i < perNode; i++) assert.equal(await client.receive(), "OK");
      await sending;
      client.close();
    }));
    const read = await drainTopic("storm", running.clientPorts);
    assert.equal(read.length, 3 * perNode);
    for (const node of running.clientPorts.keys()) {
      const own = read.filter((value) => value.startsWith(`${node}-`));
      assert.deepEqual(own, Array.from({ length: perNode }, (_, i) => `${node}-${i}`));
    }
    const state = JSON.parse(await askOnce(running.clientPorts[2]!, "STATE storm"));
    const counts = Object.values<number>(state.sealed_segments);
    assert.ok(counts.length >= 20, `${counts.length} sealed segments`);
    assert.equal(counts.reduce((sum, count) => sum + count, 0), state.last_sealed_entry_offset);
    assert.equal(new Set(Object.values(state.segment_leaders)).size, 3);
  });
});
