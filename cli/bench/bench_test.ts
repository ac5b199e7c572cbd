import { ok, rejects, strictEqual } from "node:assert/strict";
import { startStandIn } from "../../client/testing/mod.ts";
import { parseAddress } from "../../world/mod.ts";
import { RealClock, RealNetwork } from "../../world/real/mod.ts";
import { runBench } from "./bench.ts";
import { ConnectionLoad } from "./load.ts";

const world = { clock: new RealClock(), network: new RealNetwork() };

Deno.test("ConnectionLoad sends real messages, and counts each answer once", async () => {
  await using standIn = await startStandIn();
  standIn.node.topics.set("t", { messages: [], cursor: 0 });
  const connection = await world.network.connect(parseAddress(standIn.address)!, {
    timeoutMs: 1000,
  });
  let recorded = 0;
  const load = new ConnectionLoad({
    connection,
    clock: world.clock,
    kind: "put",
    topic: "t",
    payload: new Uint8Array(726).fill(0x61),
    depth: 7,
    sink: {
      record(latencyMs, count) {
        ok(latencyMs >= 0);
        recorded += count;
        if (recorded > 500) load.stop();
      },
    },
  });
  await load.run();
  connection.close();
  const { messages } = standIn.node.topics.get("t")!;
  strictEqual(messages.length, load.answered);
  strictEqual(recorded, load.answered);
  ok(messages.every((message) => message.length === 726 && message[725] === 0x61));
});

Deno.test("ConnectionLoad takes what is there, and ends when all is read", async () => {
  await using standIn = await startStandIn();
  const messages = Array.from({ length: 1000 }, () => new Uint8Array(50));
  standIn.node.topics.set("t", { messages, cursor: 0 });
  const connection = await world.network.connect(parseAddress(standIn.address)!, {
    timeoutMs: 1000,
  });
  const load = new ConnectionLoad({
    connection,
    clock: world.clock,
    kind: "get",
    topic: "t",
    payload: new Uint8Array(0),
    depth: 9,
    sink: { record: () => {} },
  });
  await load.run();
  connection.close();
  strictEqual(load.answered, 1000);
  ok(load.empty >= 1 && load.empty <= 9);
});

Deno.test("ConnectionLoad fails with what the node says", async () => {
  await using standIn = await startStandIn();
  const connection = await world.network.connect(parseAddress(standIn.address)!, {
    timeoutMs: 1000,
  });
  const load = new ConnectionLoad({
    connection,
    clock: world.clock,
    kind: "put",
    topic: "nobody",
    payload: new Uint8Array(1),
    depth: 1,
    sink: { record: () => {} },
  });
  await rejects(load.run(), /unknown topic nobody/);
  connection.close();
});

Deno.test("runBench() spreads connections over topics and measures what the node took", async () => {
  await using standIn = await startStandIn();
  const result = await runBench({
    kind: "put",
    addresses: [parseAddress(standIn.address)!],
    connections: 4,
    depth: 3,
    sizeBytes: 10,
    seconds: 0.1,
    warmUpSeconds: 0.02,
    topics: 2,
    topicPrefix: "b",
  }, world);
  const taken = ["b-0", "b-1"].map((name) => standIn.node.topics.get(name)!.messages.length);
  ok(taken.every((count) => count > 0));
  ok(result.messages > 0 && result.messages < taken[0]! + taken[1]!);
  ok(
    result.latency_ms.p50 <= result.latency_ms.p99 &&
      result.latency_ms.p99 <= result.latency_ms.max,
  );
});
