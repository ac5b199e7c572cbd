import assert from "node:assert/strict";
import { askOnce, registerTopics, stateOf, until, withCluster } from "./mod.ts";

const TOPICS = ["m0", "m1", "m2", "m3"];
const ENTRIES = 60;
const VALUE = "x".repeat(100);
const ENVIRONMENT = {
  WALRUS_MAX_SEGMENT_ENTRIES: "25",
  WALRUS_MONITOR_CHECK_MS: "300",
  WALRUS_REPAIR_AFTER_MS: "1500",
};

/** What the issue asks of `METRICS`, per node. */
interface Figures {
  leases: number;
  segments_led: number;
  appends: {
    batches: number;
    entries: number;
    bytes: number;
    commit_latency_ms: { p50: number; p99: number; p999: number };
  };
  replication_lag: Record<string, number>;
  storage: { syncs: number; commitLatencyMsP50: number; commitLatencyMsP99: number };
  repair: { running: number; copied: number; dropped: number; failed: number };
}

async function figuresOf(port: number): Promise<Figures> {
  return JSON.parse(await askOnce(port, "METRICS"));
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

Deno.test("METRICS and STATE count what happened, and say what is missing when a node is gone", async () => {
  await withCluster(ENVIRONMENT, async ({ nodes, clientPorts }) => {
    const [port] = clientPorts as [number];
    await registerTopics(port, TOPICS);
    for (const topic of TOPICS) {
      for (let i = 0; i < ENTRIES; i++) {
        assert.equal(await askOnce(clientPorts[i % 3]!, `PUT ${topic} ${VALUE}`), "OK");
      }
    }
    const all = await Promise.all(clientPorts.map(figuresOf));
    const total = TOPICS.length * ENTRIES;
    assert.equal(sum(all.map(({ appends }) => appends.entries)), total);
    assert.ok(sum(all.map(({ appends }) => appends.bytes)) >= total * VALUE.length);
    for (const { appends, storage, leases, segments_led: led } of all) {
      const { p50, p99, p999 } = appends.commit_latency_ms;
      assert.ok(appends.batches > 0 && 0 < p50 && p50 <= p99 && p99 <= p999);
      assert.ok(storage.syncs > 0 && storage.commitLatencyMsP50 > 0);
      assert.ok(storage.commitLatencyMsP50 <= storage.commitLatencyMsP99);
      assert.ok(leases <= led, `${leases} leases for ${led} segments`);
    }
    await until("each topic's leader, and nobody else, holds its lease", async () => {
      const figures = await Promise.all(clientPorts.map(figuresOf));
      return sum(figures.map(({ leases }) => leases)) === TOPICS.length &&
        figures.every(({ leases, segments_led: led }) => leases === led);
    });
    await until("nobody lags", async () => {
      const lags = (await Promise.all(clientPorts.map(figuresOf)))
        .flatMap(({ replication_lag: lag }) => Object.values(lag));
      return lags.length > 0 && lags.every((lag) => lag === 0);
    });

    await until("nothing is missed", async () => {
      return (await stateOf(port, TOPICS[0]!)).under_replicated_segments === 0;
    });
    const state = JSON.parse(await askOnce(port, `STATE ${TOPICS[0]}`));
    // A busy machine may lose a follower for a moment, which rolls a segment over early.
    assert.ok(state.segment_count >= 3 && state.segment_count === state.current_segment);
    let inSealed = 0;
    for (let number = 1; number < state.current_segment; number++) {
      const { count, bytes, state: now } = state.segments[number];
      inSealed += count;
      assert.ok(count <= Number(ENVIRONMENT.WALRUS_MAX_SEGMENT_ENTRIES), `${count} entries`);
      assert.equal(now, "sealed");
      assert.ok(bytes >= count * VALUE.length, `${count} entries, ${bytes} bytes`);
      assert.equal(state.segment_replicas[number].length, 3);
    }
    assert.equal(inSealed, state.last_sealed_entry_offset);
    assert.ok(inSealed >= 2 * Number(ENVIRONMENT.WALRUS_MAX_SEGMENT_ENTRIES), `${inSealed} sealed`);
    const { leader_node: leader } = state;
    const own = JSON.parse(await askOnce(clientPorts[leader - 1]!, `STATE ${TOPICS[0]}`));
    const sealed = own.last_sealed_entry_offset;
    assert.equal(own.segments[own.current_segment].count, ENTRIES - sealed);

    await nodes[2]!.kill();
    await until("a follower's silence shows", async () => {
      assert.equal(await askOnce(port, `PUT ${TOPICS[0]} more`), "OK");
      const lags = (await Promise.all(clientPorts.slice(0, 2).map(figuresOf)))
        .map(({ replication_lag: lag }) => lag["3"] ?? 0);
      return lags.some((lag) => lag > 0);
    });
    // There is nowhere to copy to, and it is said that a third replica is missing.
    await until("a replica is missed", async () => {
      const { segments, under_replicated_segments: missed } = await stateOf(port, TOPICS[1]!);
      return missed >= 2 && segments["1"]!.under_replicated;
    });
  });
});
