import assert from "node:assert/strict";
import { askOnce, drainTopic, RawClient, stepsOf, withCluster } from "./mod.ts";

const SEGMENT_ENTRIES = 10;

/** Every way in which a request can be wrong without breaking the connection, and what the `ERR` says. */
const REFUSED: [request: string | Uint8Array, expected: RegExp][] = [
  ["", /^ERR /],
  [" ", /^ERR /],
  ["NONSENSE", /^ERR /],
  ["NONSENSE logs x", /^ERR /],
  ["REGISTER", /^ERR /],
  ["REGISTER ", /^ERR /],
  ["REGISTER a/b", /^ERR /],
  ["REGISTER a\nb", /^ERR /],
  ["REGISTER naïve", /^ERR /],
  [`REGISTER ${"x".repeat(256)}`, /^ERR /],
  ["PUT", /^ERR /],
  ["PUT logs", /^ERR /],
  ["PUT  logs x", /^ERR /],
  ["PUT a/b x", /^ERR /],
  ["PUT missing x", /^ERR unknown topic/],
  ["GET", /^ERR /],
  ["GET missing", /^ERR unknown topic/],
  ["STATE", /^ERR /],
  ["STATE missing", /^ERR unknown topic/],
  [Uint8Array.of(0xff, 0xfe, 0x00, 0x20, 0x80), /^ERR /],
  [Uint8Array.from([..."REGISTER "].map((c) => c.charCodeAt(0)).concat(0xc3, 0x28)), /^ERR /],
];

/** Payloads that must come back as they are. */
const PAYLOADS: Uint8Array[] = [
  "plain",
  "with spaces  in and behind it   ",
  " before",
  "line one\r\nline two\r\n",
  "ünïcödé 🦭",
  "PUT logs nested",
  "\0zero\0",
].map((text) => new TextEncoder().encode(text)).concat([
  Uint8Array.from({ length: 256 }, (_, i) => i),
  new Uint8Array(1024 * 1024).fill(0xee),
  Uint8Array.of(0x20),
  Uint8Array.of(0x0a),
]);

function concat(text: string, bytes: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(text);
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}

Deno.test("The client protocol, key by key", async (t) => {
  const step = stepsOf(t);
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: `${SEGMENT_ENTRIES}` }, async (running) => {
    const [first, second, third] = running.clientPorts as [number, number, number];

    await step("REGISTER answers OK, also the second time and on another node", async () => {
      assert.equal(await askOnce(first, "REGISTER logs"), "OK");
      assert.equal(await askOnce(first, "REGISTER logs"), "OK");
      assert.equal(await askOnce(second, "REGISTER logs"), "OK");
      assert.equal(await askOnce(third, `REGISTER ${"x".repeat(255)}`), "OK");
      assert.equal(await askOnce(third, "REGISTER Az09._-"), "OK");
    });

    await step("GET answers EMPTY on every node while there is nothing", async () => {
      for (const port of running.clientPorts) {
        assert.equal(await askOnce(port, "GET logs"), "EMPTY");
      }
    });

    await step("PUT on one node is read by GET on another, byte for byte", async () => {
      const writer = await RawClient.connect(second);
      const reader = await RawClient.connect(third);
      for (const payload of PAYLOADS) {
        assert.equal(await writer.ask(concat("PUT logs ", payload)), "OK");
        await reader.send("GET logs");
        assert.deepEqual(await reader.receiveBytes(), concat("OK ", payload));
      }
      assert.equal(await reader.ask("GET logs"), "EMPTY");
      writer.close();
      reader.close();
    });

    await step("Commands without a payload ignore white space behind them", async () => {
      for (const behind of [" ", "\n", "\r\n", " \t \r\n"]) {
        assert.equal(await askOnce(first, `REGISTER logs${behind}`), "OK");
        assert.equal(await askOnce(first, `GET logs${behind}`), "EMPTY");
        JSON.parse(await askOnce(first, `STATE logs${behind}`));
        JSON.parse(await askOnce(first, `METRICS${behind}`));
      }
    });

    await step(
      "Requests that are wrong are answered with ERR, and the connection goes on",
      async () => {
        for (const port of running.clientPorts) {
          const client = await RawClient.connect(port);
          for (const [request, expected] of REFUSED) {
            const answer = await client.ask(request);
            assert.match(answer, expected, JSON.stringify(request));
            assert.ok(!/[\r\n]/.test(answer), `one line: ${JSON.stringify(answer)}`);
          }
          assert.equal(await client.ask("GET logs"), "EMPTY");
          client.close();
        }
      },
    );

    await step("Pipelined requests are answered in their order", async () => {
      await askOnce(first, "REGISTER pipelined");
      const client = await RawClient.connect(first);
      const requests: [string, RegExp][] = [];
      for (let i = 0; i < 300; i++) {
        requests.push([`PUT pipelined entry ${i}`, /^OK$/]);
        requests.push(["GET pipelined", new RegExp(`^OK entry ${i}$`)]);
        if (i % 50 === 0) requests.push(["BAD", /^ERR /], ["METRICS", /^\{/]);
      }
      const sending = (async () => {
        for (const [request] of requests) await client.send(request);
      })();
      for (const [request, expected] of requests) {
        assert.match(await client.receive(), expected, request);
      }
      await sending;
      client.close();
    });

    await step("STATE counts what is sealed, and agrees on every node", async () => {
      await askOnce(first, "REGISTER counted");
      const total = 3 * SEGMENT_ENTRIES + 5;
      const client = await RawClient.connect(second);
      for (let i = 0; i < total; i++) assert.equal(await client.ask(`PUT counted ${i}`), "OK");
      client.close();
      for (const port of running.clientPorts) {
        const state = await askState(port, "counted");
        assert.equal(state.current_segment, 4);
        assert.equal(state.last_sealed_entry_offset, 3 * SEGMENT_ENTRIES);
        assert.deepEqual(state.sealed_segments, {
          1: SEGMENT_ENTRIES,
          2: SEGMENT_ENTRIES,
          3: SEGMENT_ENTRIES,
        });
        assert.deepEqual(Object.keys(state.segment_leaders), ["1", "2", "3", "4"]);
        assert.equal(state.segment_leaders["4"], state.leader_node);
        assert.equal(new Set(Object.values(state.segment_leaders)).size, 3, "round robin");
      }
      const expected = Array.from({ length: total }, (_, i) => `${i}`);
      assert.deepEqual(await drainTopic("counted", running.clientPorts), expected);
    });

    await step("METRICS has the keys that clients read, on every node", async () => {
      for (const [index, port] of running.clientPorts.entries()) {
        const metrics = JSON.parse(await askOnce(port, "METRICS"));
        assert.equal(metrics.id, index + 1);
        assert.ok(["Leader", "Follower", "Candidate", "Learner"].includes(metrics.state));
        for (const key of ["current_term", "current_leader", "last_log_index", "last_applied"]) {
          assert.ok(Number.isInteger(metrics[key]), `${key} is ${metrics[key]}`);
        }
        const { membership } = metrics.membership_config;
        assert.deepEqual(membership.configs.map((ids: number[]) => ids.toSorted()), [[1, 2, 3]]);
        assert.deepEqual(Object.keys(membership.nodes).toSorted(), ["1", "2", "3"]);
        if (metrics.current_leader !== metrics.id) continue;
        assert.equal(metrics.state, "Leader");
        assert.deepEqual(Object.keys(metrics.replication).toSorted(), ["1", "2", "3"]);
        for (const { index } of Object.values<{ index: number }>(metrics.replication)) {
          assert.ok(Number.isInteger(index) && index > 0, `index is ${index}`);
        }
      }
    });
  });
});

interface TopicState {
  current_segment: number;
  leader_node: number;
  last_sealed_entry_offset: number;
  sealed_segments: Record<string, number>;
  segment_leaders: Record<string, number>;
}

async function askState(port: number, topic: string): Promise<TopicState> {
  return JSON.parse(await askOnce(port, `STATE ${topic}`));
}
