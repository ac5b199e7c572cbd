import assert from "node:assert/strict";
import { RefusalCode } from "./handshake.ts";
import { DEAD_AFTER_MS, IDLE_PING_MS } from "./rpc_connection.ts";
import { makeSimWorld, startNode, type TestNode } from "./test_world.ts";

Deno.test("RpcServer.hasStreamOf() forgets a killed process at once, and a dead machine when it has been silent", async () => {
  const world = makeSimWorld();
  const { simClock, simNetwork } = world;
  const first = await startNode(world, 1);
  const runs = async (end: () => void) => {
    const second = await startNode(world, 2);
    const { runId } = second.identity;
    second.peers.setAddress(1, first.server.address);
    await world.until(() => first.server.hasStreamOf(2, runId));
    assert.equal(first.server.hasStreamOf(2, first.identity.runId), false);
    const startMs = simClock.nowMs();
    end();
    second.close();
    await world.until(() => !first.server.hasStreamOf(2, runId));
    return simClock.nowMs() - startMs;
  };
  const killedMs = await runs(() => simNetwork.killProcess("node2"));
  assert.ok(killedMs < IDLE_PING_MS, `${killedMs}`);
  const deadMs = await runs(() => simNetwork.powerOff("node2"));
  assert.ok(deadMs > IDLE_PING_MS && deadMs <= DEAD_AFTER_MS + IDLE_PING_MS, `${deadMs}`);
  first.close();
});

Deno.test("A node whose machine died and is back is let in when its old connection is known to be gone", async () => {
  const world = makeSimWorld();
  const { simClock, simNetwork } = world;
  let registered = "";
  const first: TestNode = await startNode(world, 1, {
    admit: ({ nodeId, runId }) =>
      runId !== registered && first.server.hasStreamOf(nodeId, registered)
        ? { refuse: "runs already", code: RefusalCode.runsAlready }
        : { ok: true },
  });
  const start = async () => {
    const node = await startNode(world, 2);
    node.peers.setAddress(1, first.server.address);
    return node;
  };
  const before = await start();
  registered = before.identity.runId;
  await world.until(() => first.server.hasStreamOf(2, registered));
  simNetwork.powerOff("node2");
  before.close();
  simNetwork.powerOn("node2");
  const startMs = simClock.nowMs();
  const after = await start();
  await world.until(() => first.server.hasStreamOf(2, after.identity.runId));
  const tookMs = simClock.nowMs() - startMs;
  assert.ok(tookMs < 2 * DEAD_AFTER_MS + IDLE_PING_MS, `${tookMs}`);
  after.close();
  first.close();
});
