import assert from "node:assert/strict";
import { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import { ConformanceChecker } from "../conformance/checker.ts";
import { SimClient } from "./client.ts";
import { Machine } from "./machine.ts";
import { drawShape, type Shape } from "./shape.ts";
import { Transcript } from "./transcript.ts";

const STEP_MS_MAX = 60_000;

/** One machine that syncs nothing by itself, and what holds it to the specification. */
function loneMachine(): {
  clock: SimClock;
  network: SimNetwork;
  machine: Machine;
  failures: string[];
} {
  const clock = new SimClock();
  const random = new SeededRandom("a lone writer");
  const network = new SimNetwork(clock, random.fork("network"), {
    latencyMsMin: 0.1,
    latencyMsMax: 0.2,
  });
  const shape: Shape = {
    ...drawShape(random.fork("shape"), { story: null }),
    nodes: 1,
    replicationFactor: 1,
    durability: "none",
    maxSegmentEntries: 1000,
    topics: ["t"],
  };
  const failures: string[] = [];
  const checker = new ConformanceChecker();
  const machine = new Machine(1, null, {
    clock,
    network,
    random,
    shape,
    transcript: new Transcript(() => clock.nowMs()),
    onFailure: (message) => failures.push(message),
    onSpecEvent: (event) => {
      const refusal = checker.accept(event);
      if (refusal) failures.push(checker.describe(event, refusal));
    },
    onBytes: (_machine, _remote, bytes) => bytes,
    onDisk: () => {},
  });
  return { clock, network, machine, failures };
}

Deno.test("A node that alone holds a segment, and has forgotten acknowledged entries, says so and goes on in the next one", async () => {
  const { clock, network, machine, failures } = loneMachine();
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const settled = work.finally(() => isDone = true);
    await clock.runUntil(() => isDone, { maxMs: STEP_MS_MAX });
    return await settled;
  };
  const start = async () => {
    machine.start();
    await clock.runUntil(() => machine.state === "up", { maxMs: STEP_MS_MAX });
  };
  const ask = async (text: string) => {
    const client = await run(SimClient.connect({ clock, network }, "client", machine.host));
    const answer = await run(client.ask((out) => out.addCommand(text)));
    client.close();
    return answer;
  };
  await start();
  assert.match(await ask("REGISTER t"), /^OK/);
  for (let i = 0; i < 5; i++) assert.match(await ask(`PUT t value ${i}`), /^OK/);
  machine.crash("lost");
  await start();
  assert.match(await ask("PUT t after"), /^OK/);
  const segments = machine.node!.inspect().metadata.topics.get("t")!.segments;
  assert.deepEqual(segments.map(({ mayHaveLost }) => mayHaveLost), [true, false]);
  assert.deepEqual(failures, []);
  machine.kill();
});
