import assert from "node:assert/strict";
import { silentLogger } from "../world/mod.ts";
import type { Clock, Timer } from "../world/mod.ts";
import { SeededRandom, SimClock, SimDrive, SimNetwork } from "../world/sim/mod.ts";
import { FAILOVER_MS_DEFAULT, type NodeConfig, REPAIR_AFTER_MS_DEFAULT } from "./config.ts";
import { type Node, startNode } from "./node.ts";

const SETTLE_MS = 20_000;
const MINUTE_MS = 60_000;

/** Counts what a node wakes up for. */
class CountingClock implements Clock {
  wakes = 0;
  readonly #clock: SimClock;

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  nowMs = () => this.#clock.nowMs();
  wallMs = () => this.#clock.wallMs();
  soon = (task: () => void) => this.#clock.soon(task);

  after(delayMs: number, task: () => void): Timer {
    return this.#clock.after(delayMs, () => {
      this.wakes++;
      task();
    });
  }
}

function configOf(nodeId: number): NodeConfig {
  const host = `n${nodeId}`;
  return {
    nodeId,
    raft: { host, port: 6000 },
    raftAdvertiseHost: host,
    client: { host, port: 8080 },
    join: nodeId === 1 ? null : { host: "n1", port: 6000 },
    replicationFactor: 3,
    durability: "each",
    maxSegmentEntries: 1000,
    maxSegmentBytes: 1_000_000,
    monitorCheckMs: 10_000,
    failoverMs: FAILOVER_MS_DEFAULT,
    repairAfterMs: REPAIR_AFTER_MS_DEFAULT,
    maxFrameBytes: 1_000_000,
    version: "test",
  };
}

/** Timers that each of so many idle nodes takes in a minute. */
async function wakesOf(size: number): Promise<number[]> {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const network = new SimNetwork(clock, random.fork("network"));
  const clocks: CountingClock[] = [];
  const nodes: Node[] = [];
  for (let nodeId = 1; nodeId <= size; nodeId++) {
    const own = new CountingClock(clock);
    clocks.push(own);
    const world = {
      clock: own,
      random: random.fork(`node ${nodeId}`),
      network: network.host(`n${nodeId}`),
      disk: new SimDrive({ clock, random: random.fork(`drive ${nodeId}`) }).mount(),
      logger: silentLogger,
    };
    nodes.push(await clock.settle(startNode(configOf(nodeId), world)));
  }
  await clock.runFor(SETTLE_MS);
  const before = clocks.map(({ wakes }) => wakes);
  await clock.runFor(MINUTE_MS);
  const wakes = clocks.map((own, i) => own.wakes - before[i]!);
  await clock.settle(Promise.all(nodes.map((node) => node.stop())));
  return wakes;
}

Deno.test("A single idle node wakes up twice a second at most", async () => {
  const [wakes] = await wakesOf(1);
  assert.ok(wakes! <= 120, `${wakes} timers in a minute`);
});

Deno.test("Of three idle nodes each wakes up for Raft's ticks, for pings, and for little else", async () => {
  const ticksPerSecond = 20, pingsPerSecond = 4 * 4, elsePerSecond = 6;
  const most = 60 * (ticksPerSecond + pingsPerSecond + elsePerSecond);
  for (const wakes of await wakesOf(3)) assert.ok(wakes <= most, `${wakes} timers in a minute`);
});
