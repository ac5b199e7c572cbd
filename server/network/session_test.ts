import assert from "node:assert/strict";
import type { Connection } from "../../world/mod.ts";
import { encodeFrame, FrameKind, FrameReader } from "./frame.ts";
import { type Admission, decodeRefusal, encodeHello, HandshakeRefusedError } from "./handshake.ts";
import { acceptSession, beginSession } from "./session.ts";
import { makeSimWorld, type SimTestWorld, startNode } from "./test_world.ts";

const timeoutMs = 1000;
const admitAll = (): Admission => ({ ok: true });

async function connectPair(world: SimTestWorld): Promise<[Connection, Connection]> {
  const listener = await world.network(2).listen({ host: "node2", port: 7 });
  world.network(1);
  const [client, server] = await world.settle(Promise.all([
    world.network(1).connect(listener.address, { timeoutMs }),
    listener.accept(),
  ]));
  return [client, server!];
}

Deno.test("acceptSession() refuses a version that is too far, and says why", async () => {
  const world = makeSimWorld();
  const { identity, close } = await startNode(world, 3);
  const [client, server] = await connectPair(world);
  const accepting = acceptSession(server, {
    clock: world.clock,
    self: identity,
    admit: admitAll,
    timeoutMs,
  });
  const body = encodeHello(identity, "stream");
  new DataView(body.buffer).setUint16(4, 9, true);
  await client.write(encodeFrame({ kind: FrameKind.hello, method: 0, callId: 0 }, body));
  await assert.rejects(world.settle(accepting), HandshakeRefusedError);
  const reader = new FrameReader({ bufferBytes: 4096, maxBodyBytes: 4000 });
  while (!reader.next()) {
    const got = await world.settle(client.read(reader.space()));
    assert.ok(got !== null, "the refusal comes before the end");
    reader.filled(got);
  }
  assert.equal(reader.kind, FrameKind.refused);
  assert.match(decodeRefusal(reader.body).reason, /protocol version 9/);
  close();
});

Deno.test("beginSession() refuses who it did not want, and both sides know the reason", async () => {
  const world = makeSimWorld();
  const { identity, close } = await startNode(world, 3);
  const [client, server] = await connectPair(world);
  const shared = { clock: world.clock, self: identity, timeoutMs };
  const accepting = acceptSession(server, { ...shared, admit: admitAll });
  const beginning = beginSession(client, {
    ...shared,
    admit: (_hello, side) => side === "outgoing" ? { refuse: "wrong cluster" } : { ok: true },
    purpose: "stream",
  });
  await assert.rejects(world.settle(beginning), /wrong cluster/);
  const { reader } = await world.settle(accepting);
  while (!reader.next()) {
    const got = await world.settle(server.read(reader.space()));
    assert.ok(got !== null, "the refusal comes before the end");
    reader.filled(got);
  }
  assert.equal(reader.kind, FrameKind.refused);
  assert.match(decodeRefusal(reader.body).reason, /wrong cluster/);
  close();
});

Deno.test("beginSession() ends when the other side never answers", async () => {
  const world = makeSimWorld();
  const { identity, close } = await startNode(world, 3);
  const [client] = await connectPair(world);
  const beginning = beginSession(client, {
    clock: world.clock,
    self: identity,
    admit: admitAll,
    timeoutMs,
    purpose: "visit",
  });
  await assert.rejects(world.settle(beginning), /did not finish the handshake within 1000 ms/);
  close();
});
