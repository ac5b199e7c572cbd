import assert from "node:assert/strict";
import {
  askOnce,
  History,
  metricsOf,
  pause,
  registerTopics,
  startLoad,
  stateOf,
  until,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const STOP_TIMEOUT_MS = 10_000;
const ENTRIES = 10;
const ENVIRONMENT = {
  WALRUS_MAX_SEGMENT_ENTRIES: String(ENTRIES),
  WALRUS_MONITOR_CHECK_MS: "300",
};

async function put(port: number, topic: string, values: readonly string[]): Promise<void> {
  for (const value of values) assert.equal(await askOnce(port, `PUT ${topic} ${value}`), "OK");
}

function numbered(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `entry-${from + i}`);
}

/** Waits until no node has more than so many replicas. (Of an empty open segment only its leader has one.) */
async function untilHeld(ports: readonly number[], segments: number): Promise<void> {
  await until(`no node holds more than ${segments} segments`, async () => {
    const held = await Promise.all(
      ports.map(async (port) => (await metricsOf(port)).segments_held),
    );
    return held.every((count) => count <= segments);
  });
}

Deno.test("TRIM drops whole segments everywhere, and the shared cursor goes on behind them", async () => {
  await withCluster(ENVIRONMENT, async ({ nodes, clientPorts, restart }) => {
    const [port, other, third] = clientPorts as [number, number, number];
    await registerTopics(port, ["t"]);
    await put(port, "t", numbered(0, 25));
    assert.equal(await askOnce(other, "GET t"), "OK entry-0");
    await nodes[2]!.stop({ timeoutMs: STOP_TIMEOUT_MS });
    assert.equal(await askOnce(other, "TRIM t 19"), "OK");
    assert.equal(await askOnce(other, "TRIM t 19"), "OK", "again: one effect");
    await until("all know it", async () => (await stateOf(port, "t")).first_offset === 10);
    // A node that was away while it happened gives its replicas up as well.
    await restart();
    const state = await stateOf(third, "t");
    assert.equal(state.first_offset, 10);
    const first = Math.min(...Object.keys(state.segments).map(Number));
    assert.ok(first >= 2);
    await untilHeld(clientPorts, Object.keys(state.segments).length);
    for (let i = 10; i < 25; i++) {
      assert.equal(await askOnce(clientPorts[i % 3]!, "GET t"), `OK entry-${i}`);
    }
    assert.equal(await askOnce(port, "GET t"), "EMPTY");
    assert.match(await askOnce(port, "TRIM nope 1"), /^ERR unknown topic nope/);
    // As far as is sealed; the open segment stays.
    assert.equal(await askOnce(port, "TRIM t 1000000"), "OK");
    await put(port, "t", ["more"]);
    assert.equal(await askOnce(other, "GET t"), "OK more");
  });
});

Deno.test("DELETE forgets a topic under load, and one of the same name begins anew, also after restarts", async () => {
  await withCluster(ENVIRONMENT, async ({ nodes, clientPorts, restart }) => {
    const [port, other] = clientPorts as [number, number];
    await registerTopics(port, ["gone", "stays"]);
    const history = new History();
    const load = startLoad({
      history,
      ports: clientPorts,
      topics: ["gone", "stays"],
      writersPerTopic: 2,
      depth: 4,
      valueBytes: 100,
    });
    await untilAcknowledged(history, 300);
    assert.equal(await askOnce(other, "DELETE gone"), "OK");
    await pause(300);
    await load.stop();
    const unexpected = load.errors.filter((error) =>
      !/^ERR (unknown topic gone|outcome unknown: gone\/\d+ was taken from its leader)/.test(error)
    );
    assert.deepEqual([...new Set(unexpected)], []);
    assert.match(await askOnce(port, "GET gone"), /^ERR unknown topic gone/);
    assert.equal(await askOnce(port, "DELETE gone"), "OK", "it is gone already");
    const { segments } = await stateOf(port, "stays");
    await untilHeld(clientPorts, Object.keys(segments).length);

    await registerTopics(port, ["gone"]);
    await put(other, "gone", ["new"]);
    for (const node of nodes) await node.kill();
    await restart();
    await until("it is read", async () => await askOnce(port, "GET gone") === "OK new");
    assert.equal(await askOnce(other, "GET gone"), "EMPTY");
  });
});

Deno.test("A topic keeps at least what REGISTER says, and not much more; disks get their space back", async () => {
  await withCluster(ENVIRONMENT, async ({ clientPorts }) => {
    const [port, other] = clientPorts as [number, number];
    assert.equal(await askOnce(port, "REGISTER kept retention_entries=15"), "OK");
    assert.equal(await askOnce(port, "REGISTER kept"), "OK", "nothing is said of it");
    await put(port, "kept", numbered(0, 60));
    // 60 entries in segments of 10: with the open one empty, two sealed ones hold the last 15.
    await until("it is trimmed", async () => (await stateOf(port, "kept")).first_offset === 40);
    await pause(1000);
    assert.equal((await stateOf(other, "kept")).first_offset, 40);
    await untilHeld(clientPorts, 3);
    assert.equal(await askOnce(other, "GET kept"), "OK entry-40");

    assert.equal(await askOnce(other, "REGISTER kept retention_entries=0 retention_ms=1"), "OK");
    await until("all that is sealed goes", async () => {
      return (await stateOf(port, "kept")).first_offset === 60;
    });
    assert.match(await askOnce(port, "REGISTER kept retention_ms=x"), /^ERR retention_ms=x is not/);
  });
});
