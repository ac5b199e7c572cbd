import assert from "node:assert/strict";
import { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { SimClient } from "./client.ts";
import { Machine, RAFT_PORT } from "./machine.ts";
import { framesIn, joinFrames } from "./rpc_tap.ts";
import { drawShape, type Shape } from "./shape.ts";
import { Transcript } from "./transcript.ts";

const STEP_MS_MAX = 60_000;
const ENTRIES_PER_SEGMENT = 4;
/** Connections are made again within that. */
const CONNECTED_AFTER_MS = 500;

/** And full segments are sealed. */
const SEALED_AFTER_MS = 200;

/** Three machines; what Raft says to and by node 2 arrives unless `isDeaf()`. */
function threeMachines(isDeaf: () => boolean) {
  const clock = new SimClock();
  const random = new SeededRandom("a node that is started again");
  const network = new SimNetwork(clock, random.fork("network"), {
    latencyMsMin: 0.1,
    latencyMsMax: 0.2,
  });
  const shape: Shape = {
    ...drawShape(random.fork("shape"), { story: "upgrades" }),
    nodes: 3,
    clockRates: [1, 1, 1],
    maxSegmentEntries: ENTRIES_PER_SEGMENT,
    topics: ["t"],
  };
  const failures: string[] = [];
  const surroundings = {
    clock,
    network,
    random,
    shape,
    transcript: new Transcript(() => clock.nowMs()),
    onFailure: (message: string) => failures.push(message),
    onSpecEvent: () => {},
    onBytes: (machine: Machine, remote: string, bytes: Uint8Array) => {
      const isOfNode2 = machine.nodeId === 2 || remote.startsWith("n2:");
      const frames = isOfNode2 && isDeaf() ? framesIn(bytes) : null;
      return frames ? joinFrames(frames.filter(({ method }) => method !== "raft")) : bytes;
    },
    onDisk: () => {},
  };
  const machines = [1, 2, 3].map((id) =>
    new Machine(id, id === 1 ? null : { host: "n1", port: RAFT_PORT }, surroundings)
  );
  return { clock, network, machines, failures };
}

Deno.test("A node that was started again is given no segment before the cluster has registered its start", async () => {
  let isDeaf = false;
  const { clock, network, machines, failures } = threeMachines(() => isDeaf);
  const metadata = () => machines[0]!.node!.inspect().metadata;
  for (const machine of machines) machine.start();
  await clock.runUntil(
    () => machines.every(({ node }) => node?.inspect().metadata.nodes.size === 3),
    { maxMs: STEP_MS_MAX },
  );
  const client = await clock.settle(SimClient.connect({ clock, network }, "client", "n1"));
  const ask = (text: string) => clock.settle(client.ask((out) => out.addCommand(text)));
  assert.match(await ask("REGISTER t"), /^OK/);
  // Leadership goes round: all of them lead within three segments.
  const leadersOf = async (segments: number) => {
    const first = metadata().topics.get("t")!.segments.length;
    for (let i = 0; i < segments * ENTRIES_PER_SEGMENT; i++) {
      assert.match(await ask(`PUT t value ${i}`), /^OK/);
    }
    await clock.runFor(SEALED_AFTER_MS);
    return metadata().topics.get("t")!.segments.slice(first).map(({ leader }) => leader);
  };
  assert.ok((await leadersOf(3)).includes(2));

  while (metadata().topics.get("t")!.segments.at(-1)!.leader !== 1) await leadersOf(1);
  const run = metadata().nodes.get(2)!.run;
  machines[1]!.kill();
  isDeaf = true;
  machines[1]!.start();
  await clock.runFor(CONNECTED_AFTER_MS);
  assert.deepEqual((await leadersOf(6)).filter((leader) => leader === 2), []);
  assert.equal(metadata().nodes.get(2)!.run, run, "it is not registered yet");

  isDeaf = false;
  await clock.runUntil(() => metadata().nodes.get(2)!.run !== run, { maxMs: STEP_MS_MAX });
  assert.ok((await leadersOf(3)).includes(2), "now it is");
  assert.deepEqual(failures, []);
  for (const machine of machines) machine.kill();
});
