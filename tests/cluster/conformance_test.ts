/**
 * Real processes, killed under load, held to the specification by what they told (`WALRUS_TRACE`).
 */

import assert from "node:assert/strict";
import type { TraceEvent } from "../../server/segments/segment_trace.ts";
import { mergeTraces, parseTrace } from "../conformance/merge.ts";
import {
  askOnce,
  History,
  killAll,
  type RunningCluster,
  startWriter,
  withCluster,
  type Writer,
} from "./mod.ts";

const TOPIC = "alpha";
const ACKNOWLEDGED_MIN = 300;
const TAKES = 40;
/** Offsets that each node is asked for. */
const FETCHED = 10;
/** Of the end of a report; its beginning says what was refused. */
const REPORT_CHARACTERS = 6000;

function startWriters(running: RunningCluster, history: History, round: number): Promise<Writer[]> {
  return Promise.all(running.clientPorts.map((port, w) =>
    startWriter({
      history,
      port,
      topic: TOPIC,
      name: `r${round}-w${w}`,
      depth: 4,
      valueBytes: 100,
    })
  ));
}

async function untilAcknowledged(history: History, more: number): Promise<void> {
  const goal = history.count("ok") + more;
  const endMs = Date.now() + 60_000;
  while (history.count("ok") < goal) {
    assert.ok(Date.now() < endMs, `only ${history.count("ok")} of ${goal} were acknowledged`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Some entries, from whichever node runs. */
async function takeSome(running: RunningCluster): Promise<void> {
  for (let i = 0; i < TAKES; i++) {
    await askOnce(running.clientPorts[i % running.clientPorts.length]!, `GET ${TOPIC}`).catch(
      () => {},
    );
  }
}

/** The newest entries, by their offsets, from every node that runs. */
async function fetchNewest(running: RunningCluster): Promise<void> {
  for (const port of running.clientPorts) {
    try {
      const next = Number((await askOnce(port, `OFFSETS ${TOPIC}`)).split(" ")[2]);
      for (let offset = next - FETCHED; offset < next; offset++) {
        await askOnce(port, `FETCH ${TOPIC} ${offset} count=5`);
      }
    } catch {
      // It does not run, or knows no leader.
    }
  }
}

async function tracesOf(folder: string, running: RunningCluster): Promise<TraceEvent[][]> {
  const files = running.nodes.map((_, i) => `${folder}/node-${i + 1}.jsonl`);
  return (await Promise.all(files.map((file) => Deno.readTextFile(file)))).map(parseTrace);
}

Deno.test("kill -9 under load: every step of three processes is one of the specification's", async () => {
  const folder = await Deno.makeTempDir({ prefix: "walrus-trace-" });
  const environment = { WALRUS_TRACE: folder, WALRUS_MAX_SEGMENT_ENTRIES: "100" };
  try {
    let traces: TraceEvent[][] = [];
    await withCluster(environment, async (running) => {
      const history = new History();
      assert.equal(await askOnce(running.clientPorts[0]!, `REGISTER ${TOPIC}`), "OK");
      for (const [round, node] of running.nodes.entries()) {
        const writers = await startWriters(running, history, round);
        await untilAcknowledged(history, ACKNOWLEDGED_MIN);
        await fetchNewest(running);
        await node.kill();
        await takeSome(running);
        await untilAcknowledged(history, ACKNOWLEDGED_MIN);
        await running.restart();
        await Promise.all(writers.map((writer) => writer.stop()));
      }
      const writers = await startWriters(running, history, running.nodes.length);
      await untilAcknowledged(history, ACKNOWLEDGED_MIN);
      await killAll(running.nodes);
      await Promise.all(writers.map((writer) => writer.stop()));
      await running.restart();
      await takeSome(running);
      await killAll(running.nodes);
      traces = await tracesOf(folder, running);
    });
    const { problem, order } = mergeTraces(traces);
    assert.equal(problem, null, problem?.slice(0, REPORT_CHARACTERS));
    for (
      const kind of [
        "fence",
        "decide",
        "proposeSeal",
        "takeCount",
        "take",
        "read",
        "commit",
        "refreshLease",
      ]
    ) {
      assert.ok(order.some((event) => event.kind === kind), `no event ${kind} in the traces`);
    }
    const readers = order.flatMap((event) => event.kind === "read" ? [event.node] : []);
    assert.equal(new Set(readers).size, traces.length, "every node was read");
    assertRefusedWithout(traces, "fence");
    assertRefusedWithout(traces, "refreshLease");
    assertRefusedWithout(traces, "replicaAppend");
    assertRefusedWithout(traces, "takeCount");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A check that takes anything proves nothing: without its events of a kind the same run must be refused. */
function assertRefusedWithout(traces: readonly TraceEvent[][], kind: TraceEvent["kind"]): void {
  const maimed = traces.map((trace) => trace.filter((event) => event.kind !== kind));
  assert.notEqual(mergeTraces(maimed).problem, null, `nobody missed an event ${kind}`);
}
