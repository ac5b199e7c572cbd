import assert from "node:assert/strict";
import { NetworkError } from "../network.ts";
import { RealNetwork } from "./network.ts";

const network = new RealNetwork();
const local = { host: "127.0.0.1", port: 0 };
const soon = { timeoutMs: 5000 };

function hasCode(code: string, text: RegExp) {
  return (error: unknown) =>
    error instanceof NetworkError && error.code === code && text.test(error.message);
}

Deno.test("RealNetwork carries bytes both ways and then the end", async () => {
  const listener = await network.listen(local);
  const [client, server] = await Promise.all([
    network.connect(listener.address, soon),
    listener.accept(),
  ]);
  const large = new Uint8Array(5_000_000).map((_, i) => i % 251);
  const writing = client.write(large).then(() => client.close());
  const into = new Uint8Array(large.length);
  let filled = 0;
  for (
    let got = await server!.read(into);
    got !== null;
    got = filled < into.length ? await server!.read(into.subarray(filled)) : null
  ) filled += got;
  await writing;
  assert.ok(filled === large.length && into.every((byte, i) => byte === large[i]));
  assert.equal(await server!.read(new Uint8Array(1)), null);
  server!.close();
  server!.close();
  listener.close();
});

Deno.test("RealNetwork.listen() names a port that is in use and an address that is not ours", async () => {
  const listener = await network.listen(local);
  await assert.rejects(network.listen(listener.address), hasCode("AddressInUse", /port is in use/));
  await assert.rejects(
    network.listen({ host: "192.0.2.1", port: 0 }),
    hasCode("AddressNotAvailable", /no such address/),
  );
  listener.close();
  listener.close();
  await assert.rejects(network.connect(listener.address, soon), hasCode("Refused", /refused/));
});

Deno.test("RealNetwork ends pending accepts and reads on close", async () => {
  const listener = await network.listen(local);
  const accepting = listener.accept();
  const client = await network.connect(listener.address, soon);
  const server = await accepting;
  const reading = server!.read(new Uint8Array(1));
  server!.close();
  assert.equal(await reading, null);
  await assert.rejects(server!.write(new Uint8Array(1)), NetworkError);
  client.close();
  const pending = listener.accept();
  listener.close();
  assert.equal(await pending, null);
});
