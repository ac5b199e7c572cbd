import assert from "node:assert/strict";
import type { LocalNode } from "../../cli/local/local_node.ts";
import {
  askOnce,
  drainTopic,
  killAll,
  nodesOf,
  pause,
  registerTopics,
  stateOf,
  until,
  withCluster,
} from "./mod.ts";

const ENVIRONMENT = { WALRUS_MONITOR_CHECK_MS: "500" };
/** Longer than a recovery takes, were it to succeed. */
const STUCK_MS = 3000;

/** Turns a bit around in the last place where the text stands: the node can't be sure of its log's end any more. */
async function rotLast(dataDir: string, text: string): Promise<void> {
  let isFound = false;
  for await (const { name } of Deno.readDir(dataDir)) {
    if (!name.startsWith("data-")) continue;
    const bytes = await Deno.readFile(`${dataDir}/${name}`);
    // One character a byte, so that indexes are the same.
    const at = new TextDecoder("latin1").decode(bytes).lastIndexOf(text);
    if (at < 0) continue;
    using file = await Deno.open(`${dataDir}/${name}`, { write: true });
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(Uint8Array.of(bytes[at]! ^ 0x10));
    isFound = true;
  }
  assert.ok(isFound, `${text} in ${dataDir}`);
}

Deno.test("A segment with a dead and an uncertain replica waits, until an operator gives the dead one up, and says that it may have lost", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [first, second, third] = running.nodes as [LocalNode, LocalNode, LocalNode];
    const port = second.options.clientPort;
    await registerTopics(port, ["t"]);
    const values = Array.from({ length: 20 }, (_, i) => `entry-${i}-`);
    for (const value of values) assert.equal(await askOnce(port, `PUT t ${value}`), "OK");
    const { current_segment: segment } = await stateOf(port, "t");
    const refusal = await askOnce(port, "REMOVE-NODE 1 accept-loss");
    assert.match(refusal, /^ERR node 1 is heard/);
    await killAll(running.nodes);
    // Node 1's disk is gone for good; node 3 has lost its last frame, as far as it can see.
    await rotLast(third.options.dataDir, values.at(-1)!);
    for (const node of [second, third]) node.start();
    for (const node of [second, third]) await node.ready({ timeoutMs: 30_000 });
    const tells = () =>
      [2, 3].some((id) => running.logOf(id).some((line) => /can't be recovered yet/.test(line)));
    await until("the recovery finds too few", tells);

    assert.equal(await askOnce(port, "REMOVE-NODE 1"), "OK");
    await pause(STUCK_MS);
    assert.equal((await stateOf(port, "t")).current_segment, segment, "it went on by itself");
    assert.ok((await nodesOf(port)).some(({ id }) => id === first.options.nodeId));

    assert.equal(await askOnce(port, "REMOVE-NODE 1 accept-loss"), "OK");
    await until("it is sealed", async () => (await stateOf(port, "t")).current_segment > segment);
    const tellsOfIt = (id: number) =>
      running.logOf(id).some((line) => /a node was given up.*given_up/.test(line));
    await until("all logs tell that it was given up", () => [2, 3].every(tellsOfIt));
    const { sealed_segments: counts, segments } = await stateOf(port, "t");
    assert.equal(counts[segment], values.length);
    assert.equal(segments[segment]!.may_have_lost, true);
    await until("the node is gone", async () => (await nodesOf(port)).every(({ id }) => id !== 1));
    assert.equal(await askOnce(port, "PUT t more"), "OK");
    assert.deepEqual(await drainTopic("t", [port]), [...values, "more"]);
  });
});
