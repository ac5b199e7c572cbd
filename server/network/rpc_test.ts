import assert from "node:assert/strict";
import { assert as invariant } from "../../world/mod.ts";
import { RealNetwork } from "../../world/real/mod.ts";
import {
  CallTimeoutError,
  ConnectionLostError,
  OverloadedError,
  PeerUnavailableError,
  RemoteError,
  RpcCode,
  RpcRefusal,
} from "./errors.ts";
import { encodeFrame, FrameKind, MAX_BODY_BYTES } from "./frame.ts";
import { encodeHello, HandshakeRefusedError, NO_CLUSTER } from "./handshake.ts";
import { MAX_CALLS_HANDLED } from "./rpc_connection.ts";
import {
  makeRealWorld,
  makeSimWorld,
  startNode,
  type TestNode,
  type TestNodeOptions,
  type TestWorld,
} from "./test_world.ts";

const soon = { timeoutMs: 5000 };
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Runs a test in both worlds with two nodes, of which the first knows the second. */
function testBoth(
  name: string,
  options: () => TestNodeOptions,
  test: (world: TestWorld, nodes: [TestNode, TestNode]) => Promise<void>,
): void {
  for (const makeWorld of [makeSimWorld, makeRealWorld]) {
    const worldName = makeWorld === makeSimWorld ? "SimNetwork" : "RealNetwork";
    Deno.test(`${name} (${worldName})`, async () => {
      const world: TestWorld = makeWorld();
      const first = await startNode(world, 1);
      const second = await startNode(world, 2, options());
      first.peers.setAddress(2, second.server.address);
      try {
        await test(world, [first, second]);
      } finally {
        first.close();
        second.close();
      }
    });
  }
}

testBoth("Peers.call() brings back the answer", () => ({}), async (world, [node]) => {
  assert.equal(textOf(await world.settle(node.peers.call(2, 7, bytesOf("hello"), soon))), "hello");
  assert.equal(node.peers.isConnected(2), true);
  assert.equal(node.peers.helloOf(2)?.nodeId, 2);
});

testBoth("Peers.call() keeps the order of calls, answers may come in any", () => {
  const seen: number[] = [];
  const waiting: ((bytes: Uint8Array) => void)[] = [];
  return {
    handler: (_from, _method, body) => {
      seen.push(body[0]!);
      if (seen.length < 100) return new Promise((resolve) => waiting.push(resolve));
      for (const answer of waiting.reverse()) answer(Uint8Array.from(seen));
      return Uint8Array.from(seen);
    },
  };
}, async (world, [node]) => {
  const expected = Array.from({ length: 100 }, (_, i) => i);
  const calls = expected.map((i) => node.peers.call(2, 1, Uint8Array.of(i), soon));
  for (const answer of await world.settle(Promise.all(calls))) {
    assert.deepEqual([...answer], expected);
  }
});

testBoth("Peers.call() copies the body before it returns", () => ({}), async (world, [node]) => {
  const body = bytesOf("first");
  const calls = [node.peers.call(2, 1, body, soon)]; // waits for the connection
  body.set(bytesOf("later"));
  await world.until(() => node.peers.isConnected(2));
  body.set(bytesOf("first"));
  calls.push(node.peers.call(2, 1, body, soon));
  body.set(bytesOf("later"));
  for (const answer of await world.settle(Promise.all(calls))) {
    assert.equal(textOf(answer), "first");
  }
});

testBoth("Peers.call() gives answers that stay as they are", () => ({}), async (world, [node]) => {
  const answers: Uint8Array[] = [];
  for (const text of ["one", "two", "six"]) {
    answers.push(await world.settle(node.peers.call(2, 1, bytesOf(text), soon)));
  }
  assert.deepEqual(answers.map(textOf), ["one", "two", "six"]);
});

testBoth("Peers.call() carries bodies of the largest size", () => ({}), async (world, [node]) => {
  const body = new Uint8Array(MAX_BODY_BYTES);
  for (let i = 0; i < body.length; i += 997) body[i] = i % 251;
  const calls = [1, 2].map(() => node.peers.call(2, 1, body, { timeoutMs: 30_000 }));
  for (const answer of await world.settle(Promise.all(calls))) {
    assert.ok(answer.length === body.length && answer.every((byte, i) => byte === body[i]));
  }
  const tooLarge = new Uint8Array(MAX_BODY_BYTES + 1);
  await assert.rejects(node.peers.call(2, 1, tooLarge, soon), /over the limit/);
});

testBoth("RpcServer ends a connection that sends more than its limit", () => ({
  maxBodyBytes: 1000,
}), async (world, [node]) => {
  const call = (lengthBytes: number) =>
    world.settle(node.peers.call(2, 1, new Uint8Array(lengthBytes), soon));
  assert.equal((await call(1000)).length, 1000);
  await assert.rejects(call(1001), ConnectionLostError);
});

testBoth("RpcRefusal of a handler arrives as RemoteError, thrown or rejected", () => ({
  handler: (_from, method) => {
    const refusal = new RpcRefusal(20 + method, "not the leader", Uint8Array.of(1, 2, 3));
    if (method === 0) throw refusal;
    return Promise.reject(refusal);
  },
}), async (world, [node, other]) => {
  for (const method of [0, 1]) {
    await assert.rejects(world.settle(node.peers.call(2, method, bytesOf(""), soon)), (error) => {
      assert.ok(error instanceof RemoteError);
      assert.equal(error.code, 20 + method);
      assert.equal(error.message, "not the leader");
      assert.deepEqual([...error.detail], [1, 2, 3]);
      return true;
    });
  }
  assert.deepEqual(other.failures, []);
});

testBoth("RpcServer reports a handler's failure to its node and to the caller", () => ({
  handler: () => invariant(false, "planted"),
}), async (world, [node, other]) => {
  await assert.rejects(
    world.settle(node.peers.call(2, 1, bytesOf(""), soon)),
    (error) => error instanceof RemoteError && error.code === 0 && /planted/.test(error.message),
  );
  assert.equal(other.failures.length, 1);
});

testBoth("Peers.call() gives up at its deadline, and passes over the late answer", () => {
  let answerFirst: (() => void) | undefined;
  return {
    handler: (_from, method) => {
      if (method === 1) {
        return new Promise((resolve) => answerFirst = () => resolve(bytesOf("late")));
      }
      answerFirst?.();
      return bytesOf("prompt");
    },
  };
}, async (world, [node]) => {
  await assert.rejects(
    world.settle(node.peers.call(2, 1, bytesOf(""), { timeoutMs: 30 })),
    CallTimeoutError,
  );
  assert.equal(textOf(await world.settle(node.peers.call(2, 2, bytesOf(""), soon))), "prompt");
});

testBoth("Peers.call() ends each call at its own deadline", () => ({
  handler: () => new Promise(() => {}),
}), async (world, [node]) => {
  const order: number[] = [];
  const calls = [600, 200, 400].map((timeoutMs) =>
    node.peers.call(2, 1, bytesOf(""), { timeoutMs }).catch(() => order.push(timeoutMs))
  );
  await world.settle(Promise.all(calls));
  assert.deepEqual(order, [200, 400, 600]);
});

Deno.test("RpcServer refuses more calls than it may handle at once", async () => {
  const world = makeSimWorld();
  const node = await startNode(world, 1);
  const other = await startNode(world, 2, { handler: () => new Promise(() => {}) });
  node.peers.setAddress(2, other.server.address);
  await world.until(() => node.peers.isConnected(2));
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < MAX_CALLS_HANDLED; i++) {
    calls.push(node.peers.call(2, 1, bytesOf(""), { timeoutMs: 100 }));
  }
  await assert.rejects(node.peers.call(2, 1, bytesOf(""), soon), OverloadedError);
  await world.settle(Promise.allSettled(calls)); // given up here, but still with the handler there
  await assert.rejects(
    world.settle(node.peers.call(2, 1, bytesOf(""), soon)),
    (error) => error instanceof RemoteError && error.code === RpcCode.overloaded,
  );
  node.close();
  other.close();
});

testBoth("Peers.call() fails when the connection is lost, then connects again", () => {
  let calls = 0;
  return { handler: () => calls++ === 0 ? new Promise(() => {}) : bytesOf("again") };
}, async (world, [node, other]) => {
  await world.until(() => node.peers.isConnected(2));
  const call = node.peers.call(2, 1, bytesOf(""), soon);
  await world.until(() => other.server.connections === 1);
  other.server.close();
  await assert.rejects(world.settle(call), ConnectionLostError);
  await assert.rejects(
    world.settle(node.peers.call(2, 1, bytesOf(""), soon)),
    PeerUnavailableError,
  );
  const port = other.server.address.port;
  const reborn = await startNode(world, 2, { port });
  await world.until(() => node.peers.isConnected(2));
  assert.equal(textOf(await world.settle(node.peers.call(2, 1, bytesOf("x"), soon))), "x");
  reborn.close();
});

testBoth(
  "Peers.call() says at once that nobody is there",
  () => ({}),
  async (world, [node, other]) => {
    await assert.rejects(
      node.peers.call(3, 1, bytesOf(""), soon),
      /address of node 3 is not known/,
    );
    other.close();
    node.peers.setAddress(3, other.server.address);
    await assert.rejects(
      world.settle(node.peers.call(3, 1, bytesOf(""), soon)),
      (error) => error instanceof PeerUnavailableError && /refused/.test(error.message),
    );
  },
);

testBoth(
  "Peers.send() is one-way and false while not connected",
  () => ({}),
  async (world, [node]) => {
    assert.equal(node.peers.send(2, 1, bytesOf("too early")), false);
    const got: string[] = [];
    const third = await startNode(world, 3, {
      handler: (from, method, body) => {
        got.push(`${from.nodeId} ${method} ${textOf(body)}`);
      },
    });
    node.peers.setAddress(3, third.server.address);
    await world.until(() => node.peers.isConnected(3));
    for (let i = 0; i < 3; i++) assert.equal(node.peers.send(3, 9, bytesOf(`m${i}`)), true);
    await world.until(() => got.length === 3);
    assert.deepEqual(got, ["1 9 m0", "1 9 m1", "1 9 m2"]);
    third.close();
  },
);

testBoth(
  "Peers keep an idle node alive by pings, on both sides",
  () => ({}),
  async (world, nodes) => {
    const [node, other] = nodes;
    await world.until(() => node.peers.isConnected(2));
    const connectedMs = world.clock.nowMs();
    await world.until(() => node.peers.lastHeardMs(2) > connectedMs + 200);
    await world.until(() => other.peers.lastHeardMs(1) > connectedMs + 200);
    assert.equal(node.peers.isAlive(2), true);
    assert.equal(node.peers.isAlive(3), false);
  },
);

testBoth("A node that is refused hears the reason, and is not let in", () => ({
  admit: (hello) =>
    hello.nodeId === 1
      ? { refuse: "its incarnation is another; remove node 1 first" }
      : { ok: true },
}), async (world, [node]) => {
  await assert.rejects(
    world.settle(node.peers.call(2, 1, bytesOf(""), soon)),
    (error) => error instanceof PeerUnavailableError && /remove node 1 first/.test(error.message),
  );
});

testBoth(
  "A node that is not the one looked for is not taken for it",
  () => ({}),
  async (world, nodes) => {
    const [node, other] = nodes;
    node.peers.setAddress(5, other.server.address);
    await assert.rejects(
      world.settle(node.peers.call(5, 1, bytesOf(""), soon)),
      /node 5 was looked for .* but node 2 is there/,
    );
  },
);

testBoth("Peers.callAddress() calls who is there, and leaves the stream alone", () => ({
  handler: (from) => bytesOf(`${from.nodeId} ${from.clusterId} ${from.purpose}`),
}), async (world, [node, other]) => {
  await world.until(() => node.peers.isConnected(2));
  const joining = await startNode(world, 4, { clusterId: NO_CLUSTER });
  const call = joining.peers.callAddress(other.server.address, 1, bytesOf(""), soon);
  assert.equal(textOf(await world.settle(call)), `4 ${NO_CLUSTER} visit`);
  await world.settle(node.peers.callAddress(other.server.address, 1, bytesOf(""), soon));
  assert.equal(node.peers.isConnected(2), true);
  joining.close();
  other.close();
  await assert.rejects(
    world.settle(node.peers.callAddress(other.server.address, 1, bytesOf(""), soon)),
    PeerUnavailableError,
  );
});

testBoth("Peers.callAddress() tells a refusal", () => ({
  admit: () => ({ refuse: "this cluster is full" }),
}), async (world, [node, other]) => {
  await assert.rejects(
    world.settle(node.peers.callAddress(other.server.address, 1, bytesOf(""), soon)),
    (error) => error instanceof HandshakeRefusedError && /cluster is full/.test(error.message),
  );
});

testBoth("Peers.setAddress() moves to a node's new address", () => ({}), async (world, [node]) => {
  await world.until(() => node.peers.isConnected(2));
  const moved = await startNode(world, 2, { handler: () => bytesOf("moved") });
  node.peers.setAddress(2, moved.server.address);
  assert.equal(textOf(await world.settle(node.peers.call(2, 1, bytesOf(""), soon))), "moved");
  moved.close();
});

Deno.test("Peers.call() fails fast when too much waits for a node that does not read", async () => {
  const world = makeSimWorld();
  const node = await startNode(world, 1);
  const other = await startNode(world, 2);
  node.peers.setAddress(2, other.server.address);
  await world.until(() => node.peers.isConnected(2));
  world.simNetwork.cut("node1", "node2");
  const body = new Uint8Array(1024 * 1024);
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 100; i++) calls.push(node.peers.call(2, 1, body, { timeoutMs: 100 }));
  const outcomes = await world.settle(Promise.allSettled(calls));
  const overloaded = outcomes.filter((outcome) =>
    outcome.status === "rejected" && outcome.reason instanceof OverloadedError
  );
  assert.ok(overloaded.length >= 30 && overloaded.length < 100, `${overloaded.length} of 100`);
  node.close();
  other.close();
});

Deno.test("Peers notice a half-open connection and connect again when it heals", async () => {
  const world = makeSimWorld();
  const node = await startNode(world, 1);
  const other = await startNode(world, 2);
  node.peers.setAddress(2, other.server.address);
  await world.until(() => node.peers.isConnected(2));
  world.simNetwork.partition(["node1"], ["node2"]);
  await world.until(() => !node.peers.isConnected(2));
  assert.equal(node.peers.isAlive(2), false);
  await world.until(() => other.server.connections === 0);
  world.simNetwork.healAll();
  await world.until(() => node.peers.isConnected(2));
  node.close();
  other.close();
});

Deno.test("Peers hear a node by its own connection when ours can't be made", async () => {
  const world = makeSimWorld();
  const [node, other] = [await startNode(world, 1), await startNode(world, 2)];
  other.peers.setAddress(1, node.server.address);
  await world.until(() => node.peers.isAlive(2));
  assert.equal(node.peers.isConnected(2), false);
  node.close();
  other.close();
});

Deno.test("RpcServer keeps only the newest stream of a node", async () => {
  const world = makeSimWorld();
  const server = await startNode(world, 2);
  const older = await startNode(world, 1);
  older.peers.setAddress(2, server.server.address);
  await world.until(() => older.peers.isConnected(2));
  const newer = await startNode(world, 1);
  newer.peers.setAddress(2, server.server.address);
  await world.until(() => newer.peers.isConnected(2));
  assert.equal(server.server.connections, 1);
  for (const node of [older, newer, server]) node.close();
});

Deno.test("RpcServer closes connections that send anything but a handshake, and stays well", async () => {
  const world = makeRealWorld();
  const node = await startNode(world, 1);
  const hello = encodeFrame(
    { kind: FrameKind.hello, method: 0, callId: 0 },
    encodeHello(node.identity, "stream"),
  );
  const garbage: Uint8Array[] = [
    bytesOf("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    new Uint8Array(100),
    new Uint8Array(100).fill(0xff),
    encodeFrame({ kind: FrameKind.request, method: 1, callId: 1 }, bytesOf("x")),
    hello.map((byte, i) => i > 12 ? byte ^ 0x55 : byte),
  ];
  for (const bytes of garbage) {
    const connection = await new RealNetwork().connect(node.server.address, { timeoutMs: 1000 });
    await connection.write(bytes);
    const got = await connection.read(new Uint8Array(10)).catch(() => null);
    assert.equal(got, null, "closed without an answer");
    connection.close();
  }
  const other = await startNode(world, 2);
  other.peers.setAddress(1, node.server.address);
  assert.equal(textOf(await other.peers.call(1, 1, bytesOf("well"), soon)), "well");
  node.close();
  other.close();
});

Deno.test("RpcServer ends a handshake that is never finished", async () => {
  const world = makeSimWorld();
  const node = await startNode(world, 1);
  const connection = await world.settle(
    world.network(2).connect(node.server.address, { timeoutMs: 1000 }),
  );
  await connection.write(Uint8Array.of(50, 0));
  assert.equal(await world.settle(connection.read(new Uint8Array(1))), null);
  node.close();
});

async function transcriptOf(seed: number): Promise<string> {
  const world = makeSimWorld(seed);
  const lines: string[] = [];
  const log = (text: string) => lines.push(`${world.clock.nowMs()} ${text}`);
  const nodes: TestNode[] = [];
  for (const nodeId of [1, 2, 3]) {
    const handler = (from: { nodeId: number }, method: number, body: Uint8Array) => {
      log(`${nodeId} gets ${method} from ${from.nodeId}`);
      return body.slice();
    };
    nodes.push(await startNode(world, nodeId, { handler }));
  }
  for (const { peers } of nodes) {
    for (const { server, identity } of nodes) peers.setAddress(identity.nodeId, server.address);
  }
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 60; i++) {
    const from = nodes[world.random.below(3)]!;
    const call = from.peers.call(1 + world.random.below(3), i, bytesOf(`${i}`), { timeoutMs: 50 });
    calls.push(call.then(() => log(`${i} ok`), (error) => log(`${i} ${error.name}`)));
    if (i % 10 === 0) world.simNetwork.stall("node1", "node2", world.random.below(100));
    if (i % 17 === 0) world.simNetwork.resetBetween("node2", "node3");
    await world.simClock.runFor(world.random.below(20));
  }
  await world.settle(Promise.all(calls));
  for (const node of nodes) node.close();
  await world.simClock.runFor(1000);
  return lines.join("\n");
}

Deno.test("Peers and RpcServer give the same transcript for the same seed", async () => {
  const first = await transcriptOf(7);
  assert.match(first, /Error/);
  assert.ok(first.split("\n").length > 80);
  assert.equal(await transcriptOf(7), first);
  assert.notEqual(await transcriptOf(8), first);
});
