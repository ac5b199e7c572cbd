import assert from "node:assert/strict";
import { makeSimWorld, startNode as startPeer } from "../../server/network/test_world.ts";
import { RefusalCode } from "../../server/network/mod.ts";
import { type Node, type NodeConfig, startNode } from "../../server/mod.ts";
import type { SegmentEvent } from "../../server/segments/segment_events.ts";
import { silentLogger } from "../../world/mod.ts";
import { SimDrive } from "../../world/sim/mod.ts";
import { SimClient } from "./client.ts";
import { CLIENT_PORT, RAFT_PORT } from "./machine.ts";

const DISK_LATENCY_MS = { min: 300, max: 300 };
const HOST = "n1";

const config: NodeConfig = {
  nodeId: 1,
  raft: { host: HOST, port: RAFT_PORT },
  raftAdvertiseHost: HOST,
  client: { host: HOST, port: CLIENT_PORT },
  join: null,
  replicationFactor: 1,
  durability: "each",
  maxSegmentEntries: 1000,
  maxSegmentBytes: 1_000_000,
  monitorCheckMs: 10_000,
  failoverMs: 1000,
  repairAfterMs: 60_000,
  maxFrameBytes: 1_000_000,
  version: "test",
};

/** A node that is alone in its cluster, on a slow disk, and what its segments do. */
async function lone() {
  const world = makeSimWorld();
  const { simClock: clock, simNetwork: network, random } = world;
  const drive = new SimDrive({ clock, random, latencyMs: DISK_LATENCY_MS });
  const events: SegmentEvent[] = [];
  let disk = drive.mount();
  const start = (): Promise<Node> =>
    clock.settle(startNode(config, {
      clock,
      random,
      network: network.host(HOST),
      disk,
      logger: silentLogger,
      segmentEvents: { emit: (event) => events.push(event) },
    }));
  const restart = () => {
    drive.kill(); // what is left of the process before
    disk = drive.mount();
    return start();
  };
  const clusterId = async () => {
    const bytes = await clock.settle(disk.readSmall("node.json"));
    return JSON.parse(new TextDecoder().decode(bytes!)).clusterId as string;
  };
  return { world, clock, network, events, node: await start(), restart, clusterId };
}

Deno.test("A node that starts answers for its replicas when the cluster has registered this start, not before", async () => {
  const { clock, node, events, restart } = await lone();
  await clock.settle(node.stop());
  events.length = 0;
  const again = await restart();
  await clock.runUntil(() => events.some(({ kind }) => kind === "ready"), { maxMs: 60_000 });
  const began = events.find((event) => event.kind === "restart");
  const registered = events.findIndex((event) =>
    event.kind === "learn" && event.command.kind === "registerNode" &&
    event.command.run === began?.run
  );
  const ready = events.findIndex(({ kind }) => kind === "ready");
  assert.ok(registered >= 0 && registered < ready, `registered ${registered}, ready ${ready}`);
  await clock.settle(again.stop());
});

Deno.test("A node that is expelled answers other nodes nothing more, though its clients are still answered", async () => {
  const { world, clock, network, node, clusterId } = await lone();
  const client = await clock.settle(SimClient.connect({ clock, network }, "client", HOST));
  await clock.settle(client.ask((out) => out.addCommand("REGISTER t")));
  const refuser = await startPeer(world, 9, {
    clusterId: await clusterId(),
    admit: (_hello, side) =>
      side === "incoming" ? { refuse: "removed", code: RefusalCode.removed } : { ok: true },
  });
  const seen: string[] = [];
  const put = client.ask((out) => out.addCommand("PUT t value")).then(
    () => seen.push("client"),
    () => seen.push("client"),
  );
  refuser.peers.setAddress(1, { host: HOST, port: RAFT_PORT });
  await clock.runUntil(() => refuser.peers.isConnected(1), { maxMs: 1000 });
  await clock.runUntil(() => !refuser.peers.isConnected(1), { maxMs: 60_000 });
  seen.push("peer");
  await clock.settle(put);
  assert.deepEqual(seen, ["peer", "client"]);
  assert.match((await clock.settle(node.stopped))!.message, /removed/);
  refuser.close();
  client.close();
});
