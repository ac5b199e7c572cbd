import assert from "node:assert/strict";
import { FrameReader, RequestWriter } from "../../client/wire.ts";
import { type Connection, parseAddress, silentLogger, sleep } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive, SimNetwork } from "../../world/sim/mod.ts";
import { FAILOVER_MS_DEFAULT, REPAIR_AFTER_MS_DEFAULT } from "../config.ts";
import { startNode } from "../mod.ts";

const CLIENTS = 30;
const PAYLOAD_BYTES = 8000;
/** What a client has handed over at once. */
const REQUESTS_PER_WRITE = 16;
/** What may wait for the disk in the node's store. */
const PENDING_BYTES_MAX = 256 * 1024;
const SIMULATED_MS = 60_000;

/** A client that sends as fast as the node takes it. */
class Producer {
  sent = 0;
  answered = 0;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#send().catch(() => {});
    this.#receive().catch(() => {});
  }

  async #send(): Promise<void> {
    const writer = new RequestWriter();
    const payload = new Uint8Array(PAYLOAD_BYTES);
    for (let i = 0; i < REQUESTS_PER_WRITE; i++) writer.addPut("t", payload);
    for (;;) {
      await this.#connection.write(writer.bytes);
      this.sent += REQUESTS_PER_WRITE;
    }
  }

  async #receive(): Promise<void> {
    const reader = new FrameReader();
    for (;;) {
      const count = await this.#connection.read(reader.space());
      if (count === null) return;
      reader.filled(count);
      while (reader.next() === "frame") {
        assert.equal(reader.end - reader.start, "OK".length);
        this.answered++;
      }
    }
  }
}

Deno.test("A slow disk slows its clients and does not fill the node's memory", async () => {
  const clock = new SimClock();
  const random = new SeededRandom("slow disk");
  const network = new SimNetwork(clock, random);
  const drive = new SimDrive({ clock, random, latencyMs: { min: 200, max: 400 } });
  const start = startNode({
    nodeId: 1,
    raft: { host: "n1", port: 6000 },
    raftAdvertiseHost: "n1",
    client: { host: "n1", port: 8080 },
    join: null,
    replicationFactor: 1,
    durability: "each",
    maxSegmentEntries: 1_000_000,
    maxSegmentBytes: 2 ** 30,
    monitorCheckMs: 10_000,
    failoverMs: FAILOVER_MS_DEFAULT,
    repairAfterMs: REPAIR_AFTER_MS_DEFAULT,
    maxFrameBytes: 1024 * 1024,
    version: "test",
    bounds: { storage: { pendingBytesMax: PENDING_BYTES_MAX } },
  }, {
    clock,
    random,
    network: network.host("n1"),
    disk: drive.mount(),
    logger: silentLogger,
    bootId: "boot",
  });
  const run = <T>(promise: Promise<T>) => clock.settle(promise, { maxMs: 2 * SIMULATED_MS });
  const node = await run(start);
  const connect = async () => {
    const address = parseAddress("n1:8080")!;
    return await run(network.host("clients").connect(address, { timeoutMs: 1000 }));
  };
  const control = await connect();
  const register = new RequestWriter();
  register.addTopicRequest("REGISTER", "t");
  await run(control.write(register.bytes));
  await run(control.read(new Uint8Array(100)));
  const producers: Producer[] = [];
  for (let i = 0; i < CLIENTS; i++) producers.push(new Producer(await connect()));
  // What clients have handed over and have no answer for: in pipes, in read buffers, in the store.
  const heldBytes = () =>
    producers.reduce((sum, { sent, answered }) => sum + sent - answered, 0) * PAYLOAD_BYTES;
  const seen: number[] = [];
  const endMs = clock.nowMs() + SIMULATED_MS;
  while (clock.nowMs() < endMs) {
    await run(sleep(clock, 500));
    seen.push(heldBytes());
  }
  const answered = producers.map((producer) => producer.answered);
  assert.ok(Math.min(...answered) >= 20, `each client gets on: ${answered}`);
  const early = Math.max(...seen.slice(0, 20));
  const late = Math.max(...seen.slice(-20));
  assert.ok(late <= 1.2 * early, `${early} bytes held in the first 10 s, ${late} in the last`);
  // A pipe and a read buffer for each client.
  const limit = CLIENTS * 350_000 + PENDING_BYTES_MAX;
  assert.ok(Math.max(...seen) < limit, `${Math.max(...seen)} bytes held, ${limit} expected`);
  await run(node.stop());
});
