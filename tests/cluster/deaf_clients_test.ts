import assert from "node:assert/strict";
import { appendRequest, askOnce, frame, memoryMiB, pause, RawClient, withCluster } from "./mod.ts";

const CLIENTS = 1000;
/** What each of them asks for, over and over, in turn: answers up to 1 MiB. */
const REQUESTS = ["FETCH t 0", "METRICS", "GET t", "FETCH t 100 bytes=4194304", "STATE t"];
const REQUESTS_EACH = 100;
/**
 * What a node may grow by. It holds some 100 MiB for them; the rest is for a collector that gets little time on a
 * busy machine. Were nothing bounded, it would be 100 MiB for each that fetches.
 */
const GROWTH_MIB_MAX = 1024;

Deno.test("A thousand clients that ask and never read leave a node's memory bounded, and others served", async () => {
  await withCluster({}, async (running) => {
    const [port] = running.clientPorts as [number];
    const node = running.nodes[0]!;
    assert.equal(await askOnce(port, "REGISTER t"), "OK");
    assert.equal(await askOnce(port, "REGISTER other"), "OK");
    for (let i = 0; i < 20; i++) {
      const batch = Array.from({ length: 1000 }, () => new Uint8Array(1000));
      assert.equal(await askOnce(port, appendRequest("t", batch)), `OK ${i * 1000}`);
    }
    const before = await memoryMiB(node, "VmRSS");
    const clients: RawClient[] = [];
    let most = before;
    const other = await RawClient.connect(port);
    const assertServed = async () => {
      for (let i = 0; i < 10; i++) {
        assert.equal(await other.ask("PUT other x"), "OK");
        assert.equal(await other.ask("GET other"), "OK x");
        assert.match(await other.ask("FETCH t 19990"), /^OK 19990 10 /);
      }
      most = Math.max(most, await memoryMiB(node, "VmRSS"));
    };
    for (let i = 0; i < CLIENTS; i++) {
      const client = await RawClient.connect(port);
      clients.push(client);
      const requests = frame(REQUESTS[i % REQUESTS.length]!);
      // Some of it waits in the system's buffers for ever: closing ends that.
      client.sendBytes(repeated(requests, REQUESTS_EACH)).catch(() => {});
      if (i % 100 === 99) await assertServed();
    }
    for (let i = 0; i < 20; i++) {
      await pause(100);
      await assertServed();
    }
    for (const client of clients) client.close();
    other.close();
    assert.equal(await askOnce(port, "PUT other y"), "OK");
    assert.ok(most - before < GROWTH_MIB_MAX, `grew from ${before} to ${most} MiB`);
  });
});

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length);
  return all;
}
