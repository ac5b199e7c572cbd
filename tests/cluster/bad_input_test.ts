import assert from "node:assert/strict";
import {
  askOnce,
  frame,
  memoryMiB,
  RawClient,
  type RunningCluster,
  stepsOf,
  withCluster,
} from "./mod.ts";

const FRAME_BYTES_MAX = 16 * 1024 * 1024;
/** What a node may grow by under any abuse here. */
const GROWTH_MIB_MAX = 300;
const IDLE_CONNECTIONS = 10_000;
/** Descriptors that a process needs besides. */
const SPARE_DESCRIPTORS = 500;

function lengthOnly(lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, lengthBytes, true);
  return bytes;
}

/** The node serves others as if nothing had happened. */
async function assertUnharmed(running: RunningCluster): Promise<void> {
  for (const port of running.clientPorts) {
    assert.equal(await askOnce(port, "PUT logs still here"), "OK");
    assert.equal(await askOnce(port, "GET logs"), "OK still here");
  }
}

/** What the first node's memory grows by, resident or asked for, whichever is more. */
async function growthOf(running: RunningCluster, abuse: () => Promise<void>): Promise<number> {
  const node = running.nodes[0]!;
  const measure = () => Promise.all([memoryMiB(node, "VmRSS"), memoryMiB(node, "VmData")]);
  const [residentBefore, askedBefore] = await measure();
  await abuse();
  const [resident, asked] = await measure();
  return Math.max(resident - residentBefore, asked - askedBefore);
}

async function filesLimit(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
}

const limit = await filesLimit();
const canOpenMany = limit >= IDLE_CONNECTIONS + SPARE_DESCRIPTORS;

Deno.test("Bad input of clients", async (t) => {
  const step = stepsOf(t);
  await withCluster({}, async (running) => {
    const port = running.clientPorts[0]!;
    assert.equal(await askOnce(port, "REGISTER logs"), "OK");

    await step("An impossible length is told once, then the connection is closed", async () => {
      for (const lengthBytes of [FRAME_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1]) {
        const client = await RawClient.connect(port);
        await client.sendBytes(lengthOnly(lengthBytes));
        assert.match(await client.receive(), /^ERR /);
        assert.equal(await client.receive(), "(closed)");
        client.close();
      }
      await assertUnharmed(running);
    });

    await step("Answers to what came before an impossible length are not lost", async () => {
      const client = await RawClient.connect(port);
      await client.sendBytes(frame("PUT logs still here"));
      await client.sendBytes(lengthOnly(2 ** 32 - 1));
      assert.equal(await client.receive(), "OK");
      assert.match(await client.receive(), /^ERR /);
      assert.equal(await client.receive(), "(closed)");
      assert.equal(await askOnce(port, "GET logs"), "OK still here");
    });

    await step("A frame of the largest length is taken", async () => {
      const request = new Uint8Array(FRAME_BYTES_MAX).fill(0x61);
      request.set(new TextEncoder().encode("PUT logs "));
      // Through every node: it is forwarded to the leader with what the nodes add to it.
      for (const anyPort of running.clientPorts) {
        assert.equal(await askOnce(anyPort, request), "OK");
        const answer = await askOnce(anyPort, "GET logs");
        assert.equal(answer.length, "OK ".length + FRAME_BYTES_MAX - "PUT logs ".length);
      }
    });

    await step("Frames that are cut short or never finished harm nobody", async () => {
      const clients: RawClient[] = [];
      for (const part of [1, 3, 4, 8]) {
        const client = await RawClient.connect(port);
        await client.sendBytes(frame("PUT logs lost").subarray(0, part));
        clients.push(client);
      }
      clients[0]!.close();
      clients[2]!.close();
      await assertUnharmed(running);
      for (const client of clients) client.close();
      await assertUnharmed(running);
    });

    await step("Announced lengths are not allocated before the bytes come", async () => {
      const clients: RawClient[] = [];
      const growthMiB = await growthOf(running, async () => {
        for (let i = 0; i < 200; i++) {
          const client = await RawClient.connect(port);
          await client.sendBytes(lengthOnly(FRAME_BYTES_MAX));
          await client.sendBytes(new TextEncoder().encode("PUT logs "));
          clients.push(client);
        }
        await assertUnharmed(running);
      });
      for (const client of clients) client.close();
      assert.ok(growthMiB < GROWTH_MIB_MAX, `grew by ${growthMiB} MiB`);
    });

    await step("A client that never reads its answers does not fill the memory", async () => {
      const client = await RawClient.connect(port);
      const requests = new Uint8Array(1024 * 1024);
      const one = frame("METRICS");
      const count = Math.floor(requests.length / one.length);
      for (let i = 0; i < count; i++) requests.set(one, i * one.length);
      const growthMiB = await growthOf(running, async () => {
        let isSending = true;
        const sending = (async () => {
          for (let i = 0; i < 20; i++) {
            await client.sendBytes(requests.subarray(0, count * one.length));
          }
        })().catch(() => {}).finally(() => isSending = false);
        const endMs = Date.now() + 5000;
        while (isSending && Date.now() < endMs) await assertUnharmed(running);
        await assertUnharmed(running);
        client.close();
        await sending;
      });
      assert.ok(growthMiB < GROWTH_MIB_MAX, `grew by ${growthMiB} MiB`);
    });

    await step("Garbage on the port for nodes harms nobody", async () => {
      const raftPort = running.nodes[0]!.options.raftPort;
      for (const bytes of [frame("PUT logs x"), new Uint8Array(5000).fill(0xff)]) {
        const client = await RawClient.connect(raftPort);
        await client.sendBytes(bytes).catch(() => {});
        assert.equal(await client.receiveBytes(), null);
        client.close();
      }
      await assertUnharmed(running);
    });
  });
});

Deno.test({
  name: `${IDLE_CONNECTIONS} idle connections to one node` +
    (canOpenMany ? "" : ` (skipped: the limit of open files is ${limit})`),
  ignore: !canOpenMany,
  fn: async () => {
    await withCluster({}, async (running) => {
      const port = running.clientPorts[0]!;
      assert.equal(await askOnce(port, "REGISTER logs"), "OK");
      const idle: RawClient[] = [];
      const growthMiB = await growthOf(running, async () => {
        for (let i = 0; i < IDLE_CONNECTIONS; i++) idle.push(await RawClient.connect(port));
        await assertUnharmed(running);
      });
      assert.ok(growthMiB < 2 * GROWTH_MIB_MAX, `grew by ${growthMiB} MiB`);
      assert.equal(await idle[0]!.ask("PUT logs from the first"), "OK");
      assert.equal(await idle.at(-1)!.ask("GET logs"), "OK from the first");
      for (const client of idle) client.close();
      await assertUnharmed(running);
    });
  },
});
