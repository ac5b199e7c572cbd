import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { startStandIn } from "../../client/testing/mod.ts";
import { type Clock, type Connection, parseAddress } from "../../world/mod.ts";
import { RealClock, RealNetwork } from "../../world/real/mod.ts";
import { runBench } from "./bench.ts";
import { ConnectionLoad } from "./load.ts";
import { OpenLoad } from "./open_load.ts";

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
    batch: 1,
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
    batch: 1,
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
    batch: 1,
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
    batch: 1,
    addresses: [parseAddress(standIn.address)!],
    connections: 4,
    depth: 3,
    sizeBytes: 10,
    seconds: 0.1,
    warmUpSeconds: 0.02,
    topics: 2,
    topicPrefix: "b",
    ratePerSecond: null,
    withTails: false,
  }, world);
  const taken = ["b-0", "b-1"].map((name) => standIn.node.topics.get(name)!.messages.length);
  ok(taken.every((count) => count > 0));
  ok(result.messages > 0 && result.messages < taken[0]! + taken[1]!);
  ok(
    result.latency_ms.p50 <= result.latency_ms.p99 &&
      result.latency_ms.p99 <= result.latency_ms.max,
  );
});

Deno.test("runBench() at a rate sends what is due, on all connections in turn", async () => {
  await using standIn = await startStandIn();
  const seen: number[] = [];
  const result = await runBench({
    kind: "put",
    batch: 1,
    addresses: [parseAddress(standIn.address)!],
    connections: 4,
    depth: 100,
    sizeBytes: 10,
    seconds: 0.5,
    warmUpSeconds: 0,
    topics: 4,
    topicPrefix: "r",
    ratePerSecond: 2000,
    withTails: true,
    onProgress: ({ seconds }) => seen.push(seconds),
  }, world);
  const taken = [0, 1, 2, 3].map((i) => standIn.node.topics.get(`r-${i}`)!.messages.length);
  // What is on its way when the time is up may be of any of them.
  ok(Math.min(...taken) > Math.max(...taken) / 2, `${taken}`);
  ok(result.messages <= 0.5 * 2000 * 1.5 && result.messages > 0, `${result.messages}`);
  strictEqual(result.rate_per_second, 2000);
  ok(result.tailed_per_second! > 0, "what is appended is read as it comes");
  ok(seen.length === 1 && seen[0] === 0.5);
});

Deno.test("OpenLoad counts from when a request was due, also those that a stall held back", async () => {
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    after: () => ({ cancel: () => {} }),
    soon: queueMicrotask,
  };
  const answer = Uint8Array.of(2, 0, 0, 0, 0x4f, 0x4b);
  let requests = 0;
  let isClosed = false;
  let wake = Promise.withResolvers<void>();
  const connection: Connection = {
    remote: "nowhere",
    write: (bytes) => {
      requests += bytes.length;
      wake.resolve();
      return Promise.resolve();
    },
    // The server stands still until 100 ms, then answers all at once.
    read: async (into) => {
      while (!isClosed && (requests === 0 || nowMs < 100)) {
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
      if (isClosed) return null;
      for (let i = 0; i < requests; i++) into.set(answer, i * answer.length);
      const count = requests * answer.length;
      requests = 0;
      return count;
    },
    close: () => {
      isClosed = true;
      wake.resolve();
    },
  };
  const latencies: number[] = [];
  const load = new OpenLoad({
    connection,
    clock,
    request: Uint8Array.of(7),
    intervalMs: 10,
    startMs: 0,
    inFlightMax: 3,
    sink: { record: (latencyMs) => void latencies.push(latencyMs) },
  });
  const running = load.run();
  for (let ms = 0; ms <= 100; ms += 10) {
    load.pump();
    wake.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    if (ms < 100) nowMs += 10;
  }
  strictEqual(latencies.length, 3);
  deepStrictEqual(latencies, [100, 90, 80]);
  load.pump();
  await new Promise((resolve) => setImmediate(resolve));
  load.stop();
  await running;
  deepStrictEqual(latencies, [100, 90, 80, 70, 60, 50]);
});

Deno.test("runBench() counts the messages of batches, and fetches them over and over", async () => {
  await using standIn = await startStandIn();
  const plan = {
    ...{ addresses: [parseAddress(standIn.address)!], connections: 3, depth: 2, sizeBytes: 10 },
    ...{ warmUpSeconds: 0, topics: 1, topicPrefix: "b", ratePerSecond: null },
    withTails: false,
  };
  const put = await runBench({ ...plan, kind: "put", batch: 7, seconds: 0.05 }, world);
  const { length } = standIn.node.topics.get("b-0")!.messages;
  ok(length > 0 && length % 7 === 0);
  ok(put.messages > 0 && put.messages % 7 === 0 && put.messages <= length);
  standIn.node.topics.get("b-0")!.messages.length = 70;
  const fetched = await runBench({ ...plan, kind: "fetch", batch: 4, seconds: 0.5 }, world);
  ok(fetched.messages > 70, `${fetched.messages}: some of them more than once`);
});
