/**
 * What the tests of this folder run in: simulated hosts, and real sockets.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  type Network,
  type Random,
  silentLogger,
} from "../../world/mod.ts";
import { RealClock, RealNetwork, RealRandom } from "../../world/real/mod.ts";
import { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Admit, NodeIdentity } from "./handshake.ts";
import { Peers } from "./peers.ts";
import { type RpcHandler, RpcServer } from "./rpc_server.ts";

/** One kind of world for a test. */
export interface TestWorld {
  name: string;
  clock: Clock;
  random: Random;
  network(nodeId: number): Network;
  host(nodeId: number): string;
  /** Waits for a promise, and lets the time go on meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Waits until something holds. */
  until(condition: () => boolean): Promise<void>;
}

/** Simulated time and wires, with their handles. */
export interface SimTestWorld extends TestWorld {
  simClock: SimClock;
  simNetwork: SimNetwork;
}

/** A world in which time goes on only inside of `settle` and `until`. */
export function makeSimWorld(seed = 1): SimTestWorld {
  const simClock = new SimClock();
  const random = new SeededRandom(seed);
  const simNetwork = new SimNetwork(simClock, random.fork("network"));
  return {
    name: "SimNetwork",
    clock: simClock,
    simClock,
    simNetwork,
    random: random.fork("nodes"),
    network: (nodeId) => simNetwork.host(`node${nodeId}`),
    host: (nodeId) => `node${nodeId}`,
    settle: (promise) => simClock.settle(promise),
    until: (condition) => simClock.runUntil(condition, { maxMs: 60_000 }),
  };
}

/** This machine's. */
export function makeRealWorld(): TestWorld {
  const clock = new RealClock();
  return {
    name: "RealNetwork",
    clock,
    random: new RealRandom(),
    network: () => new RealNetwork(),
    host: () => "127.0.0.1",
    settle: (promise) => promise,
    until: async (condition) => {
      while (!condition()) await new Promise<void>((resolve) => clock.after(2, resolve));
    },
  };
}

/** The cluster that the tests' nodes are of. */
export const TEST_CLUSTER = "11111111-2222-4333-8444-555555555555";

/** A node's network: a server and its peers. */
export interface TestNode {
  identity: NodeIdentity;
  server: RpcServer;
  peers: Peers;
  failures: unknown[];
  close(): void;
}

/** How a test's node differs from the usual one. */
export interface TestNodeOptions {
  handler?: RpcHandler;
  admit?: Admit;
  clusterId?: string;
  port?: number;
  maxBodyBytes?: number;
}

/** Starts a node that echoes, unless told otherwise. */
export async function startNode(
  world: TestWorld,
  nodeId: number,
  options: TestNodeOptions = {},
): Promise<TestNode> {
  const failures: unknown[] = [];
  const address: Address = { host: world.host(nodeId), port: options.port ?? 0 };
  const identity: NodeIdentity = {
    nodeId,
    clusterId: options.clusterId ?? TEST_CLUSTER,
    incarnation: world.random.uuid(),
    runId: world.random.uuid(),
    formerRuns: null,
    raftAddress: { host: address.host, port: 1 },
    clientAddress: { host: address.host, port: 9 },
  };
  const shared = {
    clock: world.clock,
    random: world.random,
    network: world.network(nodeId),
    logger: silentLogger,
    self: () => identity,
    admit: options.admit ?? (() => ({ ok: true })),
    maxBodyBytes: options.maxBodyBytes,
  };
  const peers = new Peers(shared);
  const server = await RpcServer.listen({
    ...shared,
    address,
    handler: options.handler ?? ((_from, _method, body) => body.slice()),
    onHeard: (id) => peers.onHeard(id),
    onHandlerFailed: (error) => failures.push(error),
  });
  identity.raftAddress = server.address;
  const close = () => {
    peers.close();
    server.close();
  };
  return { identity, server, peers, failures, close };
}
