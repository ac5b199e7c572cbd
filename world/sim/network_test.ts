import assert from "node:assert/strict";
import type { Connection, Listener, Network } from "../network.ts";
import { NetworkError } from "../network.ts";
import { SimClock } from "./clock.ts";
import { SimNetwork, type SimNetworkOptions } from "./network.ts";
import { SeededRandom } from "./random.ts";

interface Pair {
  clock: SimClock;
  network: SimNetwork;
  listener: Listener;
  a: Network;
  client: Connection;
  server: Connection;
}

async function connectPair(options: SimNetworkOptions & { seed?: number } = {}): Promise<Pair> {
  const clock = new SimClock();
  const network = new SimNetwork(clock, new SeededRandom(options.seed ?? 1), options);
  const a = network.host("a");
  const listener = await network.host("b").listen({ host: "b", port: 80 });
  const [client, server] = await clock.settle(Promise.all([
    a.connect({ host: "b", port: 80 }, { timeoutMs: 1000 }),
    listener.accept(),
  ]));
  return { clock, network, listener, a, client, server: server! };
}

async function readText(connection: Connection, lengthBytes: number): Promise<string> {
  const into = new Uint8Array(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const got = await connection.read(into.subarray(filled));
    if (got === null) break;
    filled += got;
  }
  return new TextDecoder().decode(into.subarray(0, filled));
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("SimNetwork carries bytes in order, in pieces of its own choosing, then the end", async () => {
  const { clock, client, server } = await connectPair({ splitProbability: 0.5, latencyMsMax: 20 });
  let sent = "";
  for (let i = 0; i < 200; i++) {
    const text = `message ${i};`;
    sent += text;
    await client.write(bytesOf(text));
  }
  client.close();
  assert.equal(await clock.settle(readText(server, sent.length)), sent);
  assert.equal(await clock.settle(server.read(new Uint8Array(1))), null);
});

Deno.test("SimNetwork refuses where nobody listens, and times out where nothing passes", async () => {
  const { clock, network, listener, a } = await connectPair();
  const connectTo = (host: string, port: number) =>
    clock.settle(a.connect({ host, port }, { timeoutMs: 50 }));
  const hasCode = (code: string) => (error: unknown) =>
    error instanceof NetworkError && error.code === code;
  await assert.rejects(connectTo("b", 81), hasCode("Refused"));
  await assert.rejects(connectTo("nowhere", 80), hasCode("AddressNotAvailable"));
  network.cut("b", "a"); // the answer is lost
  const startMs = clock.nowMs();
  await assert.rejects(connectTo("b", 80), hasCode("Timeout"));
  assert.equal(clock.nowMs() - startMs, 50);
  network.heal("b", "a");
  listener.close();
  await assert.rejects(connectTo("b", 80), hasCode("Refused"));
  assert.equal(await listener.accept(), null);
});

Deno.test("SimNetwork.listen() refuses a port in use and gives it again after close", async () => {
  const { network, listener } = await connectPair();
  const b = network.host("b");
  await assert.rejects(b.listen({ host: "b", port: 80 }), /port is in use/);
  listener.close();
  await b.listen({ host: "b", port: 80 });
  const any = await b.listen({ host: "b", port: 0 });
  assert.ok(any.address.port > 0);
});

Deno.test("SimNetwork.cut() holds one direction back until it is healed", async () => {
  const { clock, network, client, server } = await connectPair();
  network.cut("a", "b");
  await client.write(bytesOf("late"));
  await server.write(bytesOf("back"));
  assert.equal(await clock.settle(readText(client, 4)), "back");
  let arrived = "";
  const reading = readText(server, 4).then((text) => arrived = text);
  await clock.runFor(10_000);
  assert.equal(arrived, "");
  network.heal("a", "b");
  assert.equal(await clock.settle(reading), "late");
});

Deno.test("SimNetwork resets a connection whose bytes find no way for too long", async () => {
  const { clock, network, client } = await connectPair({ giveUpMs: 500 });
  network.partition(["a"], ["b"]);
  await client.write(bytesOf("lost"));
  await assert.rejects(clock.settle(client.read(new Uint8Array(1))), /no acknowledgement/);
});

Deno.test("SimNetwork.stall() delays, and loses nothing", async () => {
  const { clock, network, client, server } = await connectPair();
  network.stall("a", "b", 300);
  const startMs = clock.nowMs();
  await client.write(bytesOf("one"));
  assert.equal(await clock.settle(readText(server, 3)), "one");
  assert.ok(clock.nowMs() - startMs >= 300);
});

Deno.test("SimNetwork's write waits when the window is full of what nobody reads", async () => {
  const { clock, client, server } = await connectPair({ windowBytes: 10 });
  let wrote = false;
  const writing = client.write(bytesOf("twelve bytes")).then(() => wrote = true);
  await clock.runFor(1000);
  assert.equal(wrote, false);
  assert.equal(await clock.settle(readText(server, 12)), "twelve bytes");
  await clock.settle(writing);
});

Deno.test("SimNetwork.killProcess() resets connections, closes listeners and frees the port", async () => {
  const { clock, network, a, client } = await connectPair();
  network.killProcess("b");
  await assert.rejects(clock.settle(client.read(new Uint8Array(1))), /reset by the other side/);
  await assert.rejects(
    clock.settle(a.connect({ host: "b", port: 80 }, { timeoutMs: 50 })),
    /refused/,
  );
  await network.host("b").listen({ host: "b", port: 80 });
});

Deno.test("SimNetwork.powerOff() leaves a half-open connection; its first bytes after powerOn are reset", async () => {
  const { clock, network, client } = await connectPair();
  network.powerOff("b");
  let over = false;
  const reading = client.read(new Uint8Array(1)).finally(() => over = true);
  reading.catch(() => {});
  await client.write(bytesOf("anyone?"));
  await clock.runFor(5000);
  assert.equal(over, false);
  network.powerOn("b");
  await assert.rejects(clock.settle(reading), /reset by the other side/);
});

Deno.test("SimNetwork lets a host talk to itself", async () => {
  const { clock, network } = await connectPair();
  const a = network.host("a");
  const listener = await a.listen({ host: "a", port: 5 });
  const [client, server] = await clock.settle(
    Promise.all([a.connect({ host: "a", port: 5 }, { timeoutMs: 50 }), listener.accept()]),
  );
  await client.write(bytesOf("self"));
  assert.equal(await clock.settle(readText(server!, 4)), "self");
});

async function transcriptOf(seed: number): Promise<string> {
  const { clock, network, client, server } = await connectPair({ seed, splitProbability: 0.4 });
  const lines: string[] = [];
  const readAll = async (name: string, connection: Connection) => {
    const into = new Uint8Array(7);
    try {
      for (let got = await connection.read(into); got !== null; got = await connection.read(into)) {
        lines.push(`${clock.nowMs()} ${name} ${new TextDecoder().decode(into.subarray(0, got))}`);
      }
      lines.push(`${clock.nowMs()} ${name} end`);
    } catch (error) {
      lines.push(`${clock.nowMs()} ${name} ${(error as Error).message}`);
    }
  };
  const done = Promise.all([readAll("client", client), readAll("server", server)]);
  const random = new SeededRandom(seed).fork("workload");
  for (let i = 0; i < 40; i++) {
    await random.pick([client, server]).write(bytesOf(`m${i}-${random.uuid()}`));
    if (random.chance(0.2)) network.stall("a", "b", random.between(0, 5));
    await clock.runFor(random.between(0, 1));
  }
  client.close();
  await clock.runFor(100);
  server.close();
  await clock.settle(done);
  return lines.join("\n");
}

Deno.test("SimNetwork gives the same transcript for the same seed, another for another", async () => {
  const first = await transcriptOf(42);
  assert.ok(first.length > 1000);
  assert.equal(await transcriptOf(42), first);
  assert.notEqual(await transcriptOf(43), first);
});
