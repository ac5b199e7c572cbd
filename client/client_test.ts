import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { RealNetwork } from "../world/real/network.ts";
import { sleep } from "../world/clock.ts";
import { SeededRandom, SimClock, SimNetwork } from "../world/sim/mod.ts";
import { WalrusClient } from "./client.ts";
import type { ClientOptions } from "./client_options.ts";
import {
  ClientClosedError,
  ConnectError,
  InvalidRequestError,
  OffsetOutOfRangeError,
  OutcomeUnknownError,
  ProtocolError,
  RequestTimeoutError,
  ServerError,
  TooManyRequestsError,
  UnknownTopicError,
} from "./errors.ts";
import { FakeNode } from "./testing/mod.ts";

const PORT = 9091;
const TIMEOUT_MS = 1000;

/** Two fake nodes and a client's machine in simulated time. */
class Bench {
  readonly clock = new SimClock();
  readonly network = new SimNetwork(this.clock, new SeededRandom("client"));
  readonly addresses = ["a", "b"].map((host) => ({ host, port: PORT }));
  readonly nodes: FakeNode[] = [];

  static async make(): Promise<Bench> {
    const bench = new Bench();
    for (const address of bench.addresses) {
      bench.nodes.push(await FakeNode.start(bench.network.host(address.host), address));
    }
    return bench;
  }

  get a(): FakeNode {
    return this.nodes[0]!;
  }
  get b(): FakeNode {
    return this.nodes[1]!;
  }

  connect(options: ClientOptions = {}): Promise<WalrusClient> {
    return this.run(WalrusClient.connect(this.addresses, {
      timeoutMs: TIMEOUT_MS,
      network: this.network.host("client"),
      clock: this.clock,
      ...options,
    }));
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settle(promise, { maxMs: 30_000 });
  }
}

Deno.test("WalrusClient does what the protocol offers", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  strictEqual(client.address, "a:9091");
  await bench.run(client.register("t"));
  await bench.run(client.put("t", "text"));
  await bench.run(client.put("t", Uint8Array.of(0, 255, 10)));
  await bench.run(client.put("t", ""));
  deepStrictEqual(await bench.run(client.get("t")), new TextEncoder().encode("text"));
  deepStrictEqual(await bench.run(client.get("t")), Uint8Array.of(0, 255, 10));
  deepStrictEqual(await bench.run(client.get("t")), new Uint8Array(0));
  strictEqual(await bench.run(client.get("t")), null);
  strictEqual((await bench.run(client.state("t"))).current_segment, 1);
  strictEqual((await bench.run(client.metrics())).state, "Leader");
  await bench.run(client.close());
});

Deno.test("WalrusClient lists topics and nodes, removes nodes and asks for settings", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t", { replicationFactor: 1, fsync: "20ms" }));
  deepStrictEqual((await bench.run(client.topics())).topics.map(({ topic }) => topic), ["t"]);
  strictEqual((await bench.run(client.nodes())).nodes[0]!.id, 1);
  await bench.run(client.removeNode(7));
  deepStrictEqual(bench.a.requests, [
    "REGISTER t rf=1 fsync=20ms",
    "TOPICS",
    "NODES",
    "REMOVE-NODE 7",
  ]);
});

Deno.test("WalrusClient keeps the order of calls and sends them together", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  const texts = Array.from({ length: 5000 }, (_, i) => `message ${i}`);
  const puts = [client.register("t"), ...texts.map((text) => client.put("t", text))];
  strictEqual(client.outstanding, 5001);
  await bench.run(Promise.all(puts));
  deepStrictEqual(bench.a.texts("t"), texts);
  ok(bench.a.requestsInOneRead > 10, `${bench.a.requestsInOneRead} requests in one read`);
  const got = await bench.run(Promise.all(texts.map(() => client.get("t"))));
  deepStrictEqual(got.map((message) => new TextDecoder().decode(message!)), texts);
});

Deno.test("WalrusClient has no more in flight than it was told", async () => {
  const bench = await Bench.make();
  const client = await bench.connect({ maxInFlight: 4 });
  await bench.run(client.register("t"));
  await bench.run(Promise.all(Array.from({ length: 50 }, (_, i) => client.put("t", `${i}`))));
  ok(bench.a.requestsInOneRead <= 4, `${bench.a.requestsInOneRead} requests in one read`);
  strictEqual(bench.a.texts("t").length, 50);
});

Deno.test("WalrusClient refuses more waiting requests than it was told", async () => {
  const bench = await Bench.make();
  const client = await bench.connect({ maxWaiting: 2 });
  const calls = [client.register("t"), client.put("t", "1"), client.put("t", "2")];
  await rejects(bench.run(calls[2]!), TooManyRequestsError);
  await bench.run(Promise.all(calls.slice(0, 2)));
  deepStrictEqual(bench.a.texts("t"), ["1"]);
});

Deno.test("WalrusClient rejects with what the node says", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await rejects(bench.run(client.put("nobody", "x")), UnknownTopicError);
  await rejects(bench.run(client.get("nobody")), ServerError);
  bench.a.behaviour = "refuse";
  await rejects(bench.run(client.register("t")), /no room for another connection/);
  bench.a.behaviour = "answer";
  await bench.run(client.register("t")); // an ERR does not harm the connection
});

Deno.test("WalrusClient tells what the node says it doesn't know from what it refused", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  bench.a.behaviour = "doubt";
  await rejects(bench.run(client.put("t", "x")), OutcomeUnknownError);
  deepStrictEqual(bench.a.texts("t"), ["x"]);
  bench.a.behaviour = "answer";
  await bench.run(client.put("t", "y"));
});

Deno.test("WalrusClient refuses by itself what can't be sent", async () => {
  const bench = await Bench.make();
  const client = await bench.connect({ maxFrameBytes: 100 });
  await rejects(client.register("a/b"), InvalidRequestError);
  await rejects(client.put("t", new Uint8Array(95)), /the limit is 100/);
  for (const text of ["\ud83c", "party 🎉".slice(0, 7)]) {
    const isShown =
      /A message can't be kept as it is: "(party )?\\ud83c" has half of a surrogate pair/;
    await rejects(client.put("t", text), isShown);
    await rejects(client.appendBatch("t", ["good", text]), InvalidRequestError);
    await rejects(client.register(text), InvalidRequestError);
  }
  await bench.run(client.register("t"));
  await bench.run(client.put("t", new Uint8Array(94)));
});

Deno.test("WalrusClient.put() whose answer is lost rejects as unknown and is not repeated", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  bench.a.behaviour = "close";
  await rejects(bench.run(client.put("t", "once")), OutcomeUnknownError);
  bench.a.behaviour = "answer";
  await bench.run(client.register("t")); // on the other node
  strictEqual(client.address, "b:9091");
  deepStrictEqual([...bench.a.texts("t"), ...bench.b.texts("t")], ["once"]);
});

Deno.test("WalrusClient.get() whose answer is lost rejects as unknown and is not repeated", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  bench.a.behaviour = "close";
  await rejects(bench.run(client.get("t")), /may have passed a message/);
  strictEqual(bench.b.requests.length, 0);
});

Deno.test("WalrusClient takes nothing away by itself a second time when the answer is lost", async () => {
  const calls: [(client: WalrusClient) => Promise<void>, RegExp][] = [
    [
      (client) => client.deleteTopic("t"),
      /^DELETE t: .* ended.* So the topic may be deleted or not/,
    ],
    [(client) => client.trim("t", 5), /^TRIM t: .* So what lies before the offset may be dropped/],
    [(client) => client.removeNode(7), /^REMOVE-NODE: .* So the node may be leaving or not/],
  ];
  for (const [call, words] of calls) {
    for (const behaviour of ["close", "silent"] as const) {
      const bench = await Bench.make();
      const client = await bench.connect();
      bench.a.behaviour = behaviour;
      const isAsTold = (error: unknown) =>
        error instanceof OutcomeUnknownError &&
        (behaviour === "silent" ? /did not answer/ : words).test(error.message);
      await rejects(bench.run(call(client)), isAsTold);
      await bench.run(client.metrics());
      deepStrictEqual(bench.b.requests, ["METRICS"]);
    }
  }
});

Deno.test("WalrusClient repeats what is harmless on the next node", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  bench.a.behaviour = "close";
  await bench.run(Promise.all([client.register("t"), client.metrics()]));
  strictEqual(client.address, "b:9091");
  deepStrictEqual(bench.b.requests, ["REGISTER t", "METRICS"]);
});

Deno.test("WalrusClient sends what still waits on the next node, and only that", async () => {
  const bench = await Bench.make();
  const client = await bench.connect({ maxInFlight: 1 });
  await bench.run(client.register("t"));
  bench.b.topics.set("t", { messages: [], cursor: 0 });
  bench.a.behaviour = "close";
  const puts = await bench.run(
    Promise.allSettled([client.put("t", "sent"), client.put("t", "waits")]),
  );
  deepStrictEqual(puts.map((put) => put.status), ["rejected", "fulfilled"]);
  deepStrictEqual(bench.a.texts("t"), ["sent"]);
  deepStrictEqual(bench.b.texts("t"), ["waits"]);
});

Deno.test("WalrusClient gives up at the deadline and leaves a silent node", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  bench.a.behaviour = "silent";
  const startMs = bench.clock.nowMs();
  await rejects(bench.run(client.put("t", "x")), OutcomeUnknownError);
  strictEqual(Math.round(bench.clock.nowMs() - startMs), TIMEOUT_MS);
  await bench.run(client.metrics());
  strictEqual(client.address, "b:9091");
});

Deno.test("WalrusClient says that a request could not be sent, and why", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  for (const node of bench.nodes) node.stop();
  await bench.clock.runFor(100);
  await rejects(bench.run(client.put("t", "x")), (error: Error) => {
    ok(error instanceof RequestTimeoutError);
    match(error.message, /could not be sent within 1000 ms.*refused/);
    return true;
  });
});

Deno.test("WalrusClient waits for a node that comes back in time", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  for (const node of bench.nodes) node.stop();
  await bench.clock.runFor(100);
  const put = client.register("t");
  await bench.clock.runFor(300);
  const back = await FakeNode.start(bench.network.host("b"), bench.addresses[1]!);
  await bench.run(put);
  deepStrictEqual(back.requests, ["REGISTER t"]);
});

Deno.test("WalrusClient does not ask a node that only closes in a tight loop", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  for (const node of bench.nodes) node.behaviour = "close";
  await rejects(bench.run(client.metrics()), RequestTimeoutError);
  const asked = bench.a.requests.length + bench.b.requests.length;
  ok(asked > 2 && asked <= TIMEOUT_MS / 20 + 1, `asked ${asked} times`);
});

Deno.test("WalrusClient fails a request whose answer is none, and the connection", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  bench.a.behaviour = "garbage";
  await rejects(bench.run(client.metrics()), ProtocolError);
  bench.a.behaviour = "answer";
  await bench.run(client.metrics());
  strictEqual(client.address, "b:9091");
});

Deno.test("WalrusClient.close() waits for what was asked and refuses what comes after", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  const register = client.register("t");
  const close = client.close();
  await rejects(client.put("t", "x"), ClientClosedError);
  await bench.run(close);
  await register;
  await bench.clock.runFor(10);
  strictEqual(bench.network.openStreams, 0);
  strictEqual(bench.clock.pending, 0, "no timer is left behind");
});

Deno.test("WalrusClient.connect() says what happened at each address", async () => {
  const bench = await Bench.make();
  for (const node of bench.nodes) node.stop();
  await rejects(bench.connect(), (error: Error) => {
    ok(error instanceof ConnectError);
    match(error.message, /a:9091.*refused.*b:9091.*refused/);
    return true;
  });
  await rejects(WalrusClient.connect("nonsense"), InvalidRequestError);
  await rejects(WalrusClient.connect(" , "), InvalidRequestError);
});

Deno.test("WalrusClient works over TCP, with messages of all sizes", async () => {
  const node = await FakeNode.start(new RealNetwork(), { host: "127.0.0.1", port: 0 });
  const client = await WalrusClient.connect(`127.0.0.1:${node.address.port}`);
  await client.register("t");
  const sizes = [0, 1, 700, 70_000, 3_000_000, 5];
  const messages = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
  await Promise.all(messages.map((message) => client.put("t", message)));
  deepStrictEqual(await Promise.all(messages.map(() => client.get("t"))), messages);
  await client.close();
  node.stop();
});

Deno.test("WalrusClient over TCP learns that nobody listens, and that a node is gone", async () => {
  const node = await FakeNode.start(new RealNetwork(), { host: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${node.address.port}`;
  const client = await WalrusClient.connect(address);
  await client.register("t");
  node.behaviour = "close";
  await rejects(client.put("t", "x"), OutcomeUnknownError);
  node.stop();
  await client.close();
  await rejects(WalrusClient.connect(address), /refused/);
});

Deno.test("WalrusClient appends batches and reads them from any offset", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  strictEqual(await bench.run(client.appendBatch("t", ["a", Uint8Array.of(0, 255), ""])), 0);
  strictEqual(await bench.run(client.appendBatch("t", ["d"])), 3);
  deepStrictEqual(await bench.run(client.offsets("t")), { first: 0, next: 4 });
  const all = await bench.run(client.fetch("t", 1));
  deepStrictEqual(all, {
    firstOffset: 1,
    entries: [Uint8Array.of(0, 255), new Uint8Array(0), Uint8Array.of(0x64)],
    nextOffset: 4,
  });
  const { entries, nextOffset } = await bench.run(client.fetch("t", 0, { maxEntries: 2 }));
  deepStrictEqual([entries.length, nextOffset], [2, 2]);
  deepStrictEqual(await bench.run(client.fetch("t", 4)), {
    firstOffset: 4,
    entries: [],
    nextOffset: 4,
  });
  await rejects(bench.run(client.fetch("t", 5)), OffsetOutOfRangeError);
  await rejects(bench.run(client.fetch("t", 0.5)), InvalidRequestError);
  await rejects(bench.run(client.fetch("t", 0, { maxEntries: 0 })), InvalidRequestError);
  await rejects(bench.run(client.appendBatch("t", [])), InvalidRequestError);
  await rejects(bench.run(client.appendBatch("t", ["x".repeat(20 * 1024 * 1024)])), /limit/);
  await rejects(bench.run(client.appendBatch("nobody", ["x"])), UnknownTopicError);
});

Deno.test("WalrusClient never repeats a batch whose answer was lost, and repeats a fetch", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  bench.a.behaviour = "close";
  bench.b.topics.set("t", { messages: [Uint8Array.of(1)], cursor: 0 });
  await rejects(bench.run(client.appendBatch("t", ["a", "b"])), OutcomeUnknownError);
  deepStrictEqual(bench.a.texts("t"), ["a", "b"]);
  strictEqual(bench.b.texts("t").length, 1);
  const again = await bench.connect();
  const { entries } = await bench.run(again.fetch("t", 0));
  deepStrictEqual(entries, [Uint8Array.of(1)]);
});

Deno.test("WalrusClient.fetch() that waits holds nothing else up, and can be given up", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run(client.register("t"));
  const giveUp = new AbortController();
  const reason = new Error("enough");
  await bench.run((async () => {
    bench.a.behaviour = "silent";
    const fetch = client.fetch("t", 0, { waitMs: 5000, signal: giveUp.signal });
    const failed = rejects(fetch, reason);
    await sleep(bench.clock, 100);
    bench.a.behaviour = "answer";
    await client.put("t", "not behind it");
    giveUp.abort(reason);
    await failed;
    await rejects(client.fetch("t", 0, { waitMs: 1, signal: giveUp.signal }), reason);
  })());
  strictEqual(client.outstanding, 0);
});

Deno.test("WalrusClient.close() gives waiting fetches up", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  await bench.run((async () => {
    bench.a.behaviour = bench.b.behaviour = "silent";
    const failed = rejects(client.fetch("t", 0, { waitMs: 60_000 }), ClientClosedError);
    await sleep(bench.clock, 100);
    await client.close();
    await failed;
  })());
  ok(bench.clock.nowMs() < 5000, "close() did not wait for the fetch");
});

Deno.test("WalrusClient.tail() gives each message once, over lost nodes, until it is told to stop", async () => {
  const bench = await Bench.make();
  const client = await bench.connect();
  const messages = Array.from({ length: 30 }, (_, i) => new TextEncoder().encode(`${i}`));
  for (const node of bench.nodes) node.topics.set("t", { messages, cursor: 0 });
  const stop = new AbortController();
  const seen: string[] = [];
  const run = async () => {
    for await (
      const { offset, payload } of client.tail("t", { from: 3, maxBytes: 20, signal: stop.signal })
    ) {
      seen.push(`${offset}=${new TextDecoder().decode(payload)}`);
      if (offset % 7 === 0) { for (const node of bench.nodes) node.dropConnections(); }
      if (offset === 25) stop.abort();
    }
  };
  await bench.run(run());
  deepStrictEqual(seen, Array.from({ length: 23 }, (_, i) => `${i + 3}=${i + 3}`));
  await rejects(
    bench.run((async () => {
      for await (const _ of client.tail("nobody")) ok(false);
    })()),
    UnknownTopicError,
  );
});
