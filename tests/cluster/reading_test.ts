import assert from "node:assert/strict";
import { askOnce, pause, RawClient, stateOf, until, withCluster } from "./mod.ts";

Deno.test("Reading while others write gives each entry once, in order, through rollovers", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "300" }, async (running) => {
    const [first, second, third] = running.clientPorts as [number, number, number];
    assert.equal(await askOnce(first, "REGISTER stream"), "OK");
    const total = 3000;
    const writer = await RawClient.connect(first);
    const readers = await Promise.all([second, third].map((port) => RawClient.connect(port)));
    const send = async () => {
      for (let i = 0; i < total; i++) await writer.send(`PUT stream ${i}`);
    };
    const receive = async () => {
      for (let i = 0; i < total; i++) assert.equal(await writer.receive(), "OK");
    };
    // One reader after the other: the cursor is the cluster's, whichever node is asked.
    const read = async () => {
      const depth = 200;
      for (let round = 0, next = 0; next < total; round++) {
        const reader = readers[round % readers.length]!;
        for (let i = 0; i < depth; i++) await reader.send("GET stream");
        for (let i = 0; i < depth; i++) {
          const answer = await reader.receive();
          if (answer !== "EMPTY") assert.equal(answer, `OK ${next++}`);
        }
      }
    };
    await Promise.all([send(), receive(), read()]);
    for (const client of [writer, ...readers]) client.close();
  });
});

Deno.test("Consumers on all nodes at once share a topic: each entry goes to one of them", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "100" }, async (running) => {
    const total = 2000;
    assert.equal(await askOnce(running.clientPorts[0]!, "REGISTER shared"), "OK");
    const writer = await RawClient.connect(running.clientPorts[0]!);
    const write = async () => {
      for (let i = 0; i < total; i++) await writer.send(`PUT shared ${i}`);
      for (let i = 0; i < total; i++) assert.equal(await writer.receive(), "OK");
    };
    const taken: number[] = [];
    const consume = async (port: number) => {
      const client = await RawClient.connect(port);
      let last = -1;
      while (taken.length < total) {
        for (let i = 0; i < 20; i++) await client.send("GET shared");
        for (let i = 0; i < 20; i++) {
          const answer = await client.receive();
          if (answer === "EMPTY") continue;
          const number = Number(/^OK (\d+)$/.exec(answer)?.[1] ?? NaN);
          assert.ok(number > last, `${answer} came behind ${last} on the same connection`);
          last = number;
          taken.push(number);
        }
      }
      client.close();
    };
    await Promise.all([write(), ...running.clientPorts.map(consume)]);
    writer.close();
    const sorted = taken.toSorted((a, b) => a - b);
    assert.deepEqual(sorted, Array.from({ length: total }, (_, i) => i));
  });
});

/** A leader that has nothing more to send tells its replicas within 250 ms how much is committed. */
const TOLD_MS = 1000;

Deno.test("What is committed in an open segment is read from a replica, when nobody else is left", async () => {
  await withCluster({}, async ({ nodes, clientPorts }) => {
    const [port] = clientPorts as [number];
    assert.equal(await askOnce(port, "REGISTER open"), "OK");
    for (const value of ["a", "b"]) assert.equal(await askOnce(port, `PUT open ${value}`), "OK");
    await pause(TOLD_MS);
    const { leader_node: leader } = await stateOf(port, "open");
    const left = nodes.find(({ options }) => options.nodeId !== leader)!;
    await Promise.all(nodes.filter((node) => node !== left).map((node) => node.kill()));
    const { clientPort } = left.options;
    // Neither its leader nor a recovery can answer.
    const answer = await askOnce(clientPort, "FETCH open 0");
    assert.match(answer, /^OK 0 2 /);
    assert.match(answer, /a.*b$/s);
    await until(
      "who wants more is told that it can't be had",
      async () => /^ERR /.test(await askOnce(clientPort, "FETCH open 2")),
    );
  });
});
