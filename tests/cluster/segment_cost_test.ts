import assert from "node:assert/strict";
import { openDisk } from "../../storage/disk/mod.ts";
import { openLogStore } from "../../storage/mod.ts";
import { RAFT_LOG_NAME } from "../../raft/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import {
  askOnce,
  assertAllThere,
  heapBytesOf,
  History,
  registerTopics,
  type RunningCluster,
  startLoad,
  until,
  WEIGHED,
  withCluster,
} from "./mod.ts";

/** So many that what their segments cost stands out from what a heap holds by chance. */
const TOPICS = ["storm", "gale", "squall"];
const ENTRIES = 10;
/** Of each topic before the first weighing: with more than 1,024 in all, metadata has a snapshot by then. */
const FIRST = 350;
/** Of each topic after it. */
const ROLLOVERS = 350;
const STEP = 50;
/** Of heap, and of metadata on disk. */
const SEGMENT_BYTES_MAX = 1024;
const STOP_TIMEOUT_MS = 30_000;
/** Of an executable nothing can be weighed. */
const IS_EXECUTABLE = Boolean(Deno.env.get("WALRUS_EXECUTABLE"));

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Of each topic; `STATE` would say more, at a length that the load would feel. */
async function segmentsOf({ clientPorts }: RunningCluster): Promise<number[]> {
  const { topics } = JSON.parse(await askOnce(clientPorts[0]!, "TOPICS"));
  return topics.map(({ segments }: { segments: number }) => segments);
}

/** Has writers on all nodes fill segments until each topic has so many. */
async function fill(running: RunningCluster, history: History, segments: number): Promise<void> {
  const load = startLoad({
    history,
    ports: running.clientPorts,
    topics: TOPICS,
    writersPerTopic: 6,
    depth: 8,
    valueBytes: 50,
    prefix: `${segments}-`,
  });
  // In steps: a busy machine is given time for each of them.
  for (let goal = Math.min(...await segmentsOf(running)); goal < segments;) {
    goal = Math.min(goal + STEP, segments);
    await until(`${goal} segments`, async () => Math.min(...await segmentsOf(running)) >= goal);
  }
  await load.stop();
}

async function stopAll({ nodes }: RunningCluster): Promise<void> {
  const exits = await Promise.all(nodes.map((node) => node.stop({ timeoutMs: STOP_TIMEOUT_MS })));
  assert.deepEqual(exits.map(({ code }) => code), nodes.map(() => 0));
}

/** Of processes that have done nothing yet: they differ in what they hold, and in little else. */
async function weighAnew(running: RunningCluster): Promise<{ segments: number; heaps: number[] }> {
  await stopAll(running);
  await running.restart();
  return { segments: sum(await segmentsOf(running)), heaps: await heapBytesOf(running) };
}

/** What a stopped node keeps of metadata: snapshots and commands. */
async function raftBytesOf(directory: string): Promise<number> {
  const disk = await openDisk({ directory, disableUring: true });
  const store = await openLogStore({ disk, clock: new RealClock(), random: new RealRandom() });
  const bytes = store.get(RAFT_LOG_NAME)!.payloadBytes;
  await store.close();
  await disk.close();
  return bytes;
}

Deno.test({
  name: "A thousand rollovers under load lose nothing, and each segment costs less than 1 KB",
  ignore: IS_EXECUTABLE,
  fn: async () => {
    const environment = { WALRUS_MAX_SEGMENT_ENTRIES: `${ENTRIES}`, ...WEIGHED.environment };
    await withCluster(environment, async (running) => {
      const history = new History();
      await registerTopics(running.clientPorts[0]!, TOPICS);
      await fill(running, history, FIRST);
      const before = await weighAnew(running);
      await fill(running, history, FIRST + ROLLOVERS);
      const after = await weighAnew(running);
      const more = after.segments - before.segments;
      assert.ok(more >= 1000, `${more} rollovers`);
      const grown = sum(after.heaps) - sum(before.heaps);
      const each = grown / after.heaps.length / more;
      assert.ok(each < SEGMENT_BYTES_MAX, `${each} bytes of heap a segment`);
      await assertAllThere(running.clientPorts, history, TOPICS);

      await stopAll(running);
      for (const { options } of running.nodes) {
        const each = await raftBytesOf(options.dataDir) / after.segments;
        assert.ok(each < SEGMENT_BYTES_MAX, `${each} bytes of metadata on disk a segment`);
      }
    }, { script: WEIGHED.script });
  },
});
