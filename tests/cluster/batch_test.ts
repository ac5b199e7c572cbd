import assert from "node:assert/strict";
import {
  appendRequest,
  askOnce,
  fetchTopic,
  pause,
  RawClient,
  stepsOf,
  until,
  withCluster,
} from "./mod.ts";

/** Segments of ten entries: nearly every batch meets a rollover. */
const STORM = { WALRUS_MAX_SEGMENT_ENTRIES: "10" };

/** What is wrong with an `APPEND` or a `FETCH`, and what the `ERR` says. */
const REFUSED: [request: string | Uint8Array, expected: RegExp][] = [
  ["APPEND", /^ERR missing topic/],
  ["APPEND t", /^ERR missing entries: APPEND <topic> <count>/],
  ["APPEND t ", /^ERR APPEND needs a number/],
  ["APPEND t x", /^ERR APPEND needs a number/],
  ["APPEND t 0 ", /^ERR APPEND of 0 entries/],
  ["APPEND t 100001 ", /^ERR APPEND of 100001 entries: 1 to 100000/],
  ["APPEND t 99999999999999999999 ", /^ERR APPEND of 9999/],
  ["APPEND t 1", /^ERR APPEND: entry 1 of 1 has no length/],
  ["APPEND t 1 abc", /^ERR APPEND: entry 1 of 1 has no length: 3 bytes are left/],
  [
    "APPEND t 1 \x05\0\0\0abc",
    /^ERR APPEND: entry 1 of 1 says that it has 5 bytes, and 3 are left/,
  ],
  ["APPEND t 1 \x01\0\0\0abc", /^ERR APPEND: 2 bytes are left behind the last of 1 entries/],
  [concat("APPEND t 1 ", Uint8Array.of(3, 0, 0, 0x80, 1, 2, 3)), /^ERR APPEND: entry 1 of 1 says/],
  ["APPEND missing 1 \x01\0\0\0a", /^ERR unknown topic/],
  ["FETCH t", /^ERR missing offset/],
  ["FETCH t x", /^ERR FETCH needs the offset/],
  ["FETCH t -1", /^ERR FETCH needs the offset/],
  ["FETCH t 9007199254740993", /^ERR FETCH needs the offset/],
  ["FETCH t 0 count", /^ERR FETCH does not understand "count"/],
  ["FETCH t 0 count=0", /^ERR FETCH does not understand "count"/],
  ["FETCH t 0 bytes=-1", /^ERR FETCH does not understand "bytes"/],
  ["FETCH t 0 limit=3", /^ERR FETCH does not understand "limit"/],
  ["FETCH missing 0", /^ERR unknown topic/],
  ["OFFSETS missing", /^ERR unknown topic/],
];

Deno.test("Batches, fetches and offsets, from every node and through rollovers", async (t) => {
  const step = stepsOf(t);
  await withCluster(STORM, async (running) => {
    const ports = running.clientPorts;
    const clients = await Promise.all(ports.map((port) => RawClient.connect(port)));
    const [client] = clients as [RawClient];
    const written: string[] = [];
    assert.equal(await client.ask("REGISTER t"), "OK");

    await step("what is wrong is said, and the connection goes on", async () => {
      for (const [request, expected] of REFUSED) assert.match(await client.ask(request), expected);
      assert.equal(await client.ask("FETCH t 0"), "EMPTY");
      assert.equal(await client.ask("OFFSETS t"), "OK 0 0");
      assert.match(await client.ask("FETCH t 1"), /^ERR offset out of range: 1 is beyond 0/);
    });

    await step("offsets are dense, whichever node takes the batch", async () => {
      for (let i = 0; i < 60; i++) {
        const batch = Array.from({ length: 1 + i % 7 }, (_, n) => `${i}.${n}`);
        const through = clients[i % clients.length]!;
        assert.equal(await through.ask(appendRequest("t", batch)), `OK ${written.length}`);
        written.push(...batch);
        if (i % 5 === 0) {
          assert.equal(await through.ask(`PUT t single ${i}`), "OK");
          written.push(`single ${i}`);
        }
      }
    });

    await step("no batch is divided between segments", async () => {
      const state = JSON.parse(await client.ask("STATE t"));
      const counts: number[] = Object.values(state.sealed_segments);
      assert.ok(counts.length >= 15, `${counts.length} sealed segments`);
      let boundary = 0;
      for (const count of counts) {
        boundary += count;
        // The last entry before a boundary is its batch's last.
        const batch = /^(\d+)\.(\d+)$/.exec(written[boundary - 1]!);
        if (batch) assert.equal(Number(batch[2]), Number(batch[1]) % 7, `${boundary}: ${batch[0]}`);
      }
    });

    await step("every node gives everything, by any limits", async () => {
      for (const port of ports) {
        for (
          const limits of ["", "count=1", "count=3 bytes=20", "bytes=1", "wait=0 bytes=9999999"]
        ) {
          assert.deepEqual(await fetchTopic("t", port, limits), written, `${port} ${limits}`);
        }
        assert.equal(await askOnce(port, "OFFSETS t"), `OK 0 ${written.length}`);
      }
    });

    await step(
      "pipelined batches are answered in order, and one that is wrong alone fails",
      async () => {
        for (let i = 0; i < 50; i++) await client.send(appendRequest("t", [`p${i}`, "", `q${i}`]));
        await client.send("APPEND t 2 \x01\0\0\0a");
        await client.send(appendRequest("t", ["last"]));
        for (let i = 0; i < 50; i++) {
          assert.equal(await client.receive(), `OK ${written.length}`);
          written.push(`p${i}`, "", `q${i}`);
        }
        assert.match(await client.receive(), /^ERR APPEND: entry 2 of 2 has no length/);
        assert.equal(await client.receive(), `OK ${written.length}`);
        written.push("last");
        assert.deepEqual(await fetchTopic("t", ports[1]!), written);
      },
    );

    await step("large entries and large batches come back as they are", async () => {
      const large = ["a".repeat(3_000_000), "b", "c".repeat(900_000), ..."x".repeat(5000)];
      for (const through of clients) {
        assert.equal(await through.ask(appendRequest("t", large)), `OK ${written.length}`);
        written.push(...large);
      }
      for (const port of ports) assert.deepEqual(await fetchTopic("t", port), written);
      // 5,003 entries in one segment, though segments are to have ten.
      const state = JSON.parse(await client.ask("STATE t"));
      assert.ok(Object.values<number>(state.sealed_segments).includes(large.length));
    });

    await step("what is fetched moves no cursor", async () => {
      for (let i = 0; i < 20; i++) {
        assert.equal(await clients[i % 3]!.ask("GET t"), `OK ${written[i]}`);
        await client.ask("FETCH t 5");
      }
    });
    for (const each of clients) each.close();
  });
});

Deno.test("A fetch that waits is answered by what comes, at every node, and by nothing when its time is up", async () => {
  await withCluster(STORM, async (running) => {
    const ports = running.clientPorts;
    assert.equal(await askOnce(ports[0]!, "REGISTER t"), "OK");
    // Through rollovers: the leader of what is waited for changes while it is waited for.
    for (let round = 0, next = 0; round < 30; round++) {
      const clients = await Promise.all(ports.map((port) => RawClient.connect(port)));
      for (const client of clients) await client.send(`FETCH t ${next} wait=30000`);
      // What is behind a wait is done, and answered behind it.
      for (const client of clients) await client.send("OFFSETS t");
      if (round % 3 === 0) await pause(20);
      const writer = round % ports.length;
      assert.equal(await askOnce(ports[writer]!, appendRequest("t", [`${round}`])), `OK ${next}`);
      for (const client of clients) {
        const length = String.fromCharCode(`${round}`.length);
        assert.equal(await client.receive(), `OK ${next} 1 ${length}\0\0\0${round}`);
        assert.match(await client.receive(), /^OK 0 \d+$/);
        client.close();
      }
      next++;
    }
    const client = await RawClient.connect(ports[1]!);
    const startMs = performance.now();
    assert.equal(await client.ask("FETCH t 30 wait=300"), "EMPTY");
    assert.ok(performance.now() - startMs >= 290);
    client.close();
  });
});

Deno.test("A waiting fetch does not hold the node's stop up, and outlives its leader", async () => {
  await withCluster({}, async (running) => {
    const ports = running.clientPorts;
    assert.equal(await askOnce(ports[0]!, "REGISTER t"), "OK");
    const leaderOf = async (port: number) =>
      JSON.parse(await askOnce(port, "STATE t")).leader_node as number;
    const leader = await leaderOf(ports[0]!);
    const others = running.nodes.filter((_, index) => index !== leader - 1);
    const otherPorts = ports.filter((_, index) => index !== leader - 1);
    const waiting = await RawClient.connect(otherPorts[0]!);
    await waiting.send("FETCH t 0 wait=60000");
    await pause(100);
    await running.nodes[leader - 1]!.kill();
    await until("another leader", async () => await leaderOf(otherPorts[0]!) !== leader);
    await until(
      "the next leader's first entry",
      async () => await askOnce(otherPorts[1]!, appendRequest("t", ["behind it"])) === "OK 0",
    );
    assert.equal(await waiting.receive(), "OK 0 1 \x09\0\0\0behind it");
    await waiting.send("FETCH t 1 wait=60000");
    await pause(100);
    const exit = await others[0]!.stop({ timeoutMs: 10_000 });
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.equal(await waiting.receive(), "EMPTY");
    waiting.close();
  });
});

function concat(text: string, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...new TextEncoder().encode(text), ...bytes]);
}
