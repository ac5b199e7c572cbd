/**
 * What is measured, row by row.
 *
 * @module
 */

import type { Log } from "../mod.ts";
import { RecordReader } from "../record_batch.ts";
import { Walrus } from "../library/mod.ts";
import { type Measured, quantiles, Workbench, type WorkbenchOptions } from "./workbench.ts";

type Row = (options: WorkbenchOptions) => Promise<Measured[]>;

const GIGABYTE = 1e9;
const MANY_TOPICS = 10_000;

/** All rows by name, in the order in which they run. */
export const ROWS: Readonly<Record<string, Row>> = {
  "append-none": (options) => appendRows(options, "none", [[1, 1], [256, 1], [4000, 1]]),
  "append-each": (options) =>
    appendRows(options, "each", [[1, 1], [10, 1], [256, 1], [4000, 1], [256, 100], [4000, 100]]),
  "many-topics": manyTopics,
  "tiny-topics": tinyTopics,
  batch,
  sustained,
  read,
  "read-next": readNext,
  reopen,
};

async function appendRows(
  options: WorkbenchOptions,
  durability: "each" | "none",
  shapes: [waiting: number, topics: number][],
): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const [waiting, topics] of shapes) {
    const bench = await Workbench.open(options, durability);
    const row = `append, sync ${durability}, ${waiting} waiting, ${topics} topics`;
    const work = { logs: bench.logs(topics), waiting, batches: bench.batches(1) };
    measured.push(await bench.append(row, work));
    await bench.remove();
  }
  return measured;
}

async function manyTopics(options: WorkbenchOptions): Promise<Measured[]> {
  const bench = await Workbench.open(options, "each");
  const logs = bench.logs(MANY_TOPICS);
  await logs[0]!.sync();
  const work = { logs, waiting: 4000, batches: bench.batches(1) };
  const measured = await bench.append("append, sync each, 4000 waiting, 10000 topics", work);
  await bench.remove();
  return [measured];
}

async function tinyTopics(options: WorkbenchOptions): Promise<Measured[]> {
  const bench = await Workbench.open(options, "each");
  const logs = bench.logs(MANY_TOPICS);
  const [batch] = bench.batches(10);
  const startMs = performance.now();
  for (let from = 0; from < MANY_TOPICS; from += 1000) {
    await Promise.all(logs.slice(from, from + 1000).map((log) => log.append(batch!)));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const rss = Deno.memoryUsage().rss / 1e6;
  await bench.closeStore();
  const diskBytes = await sizeOf(bench.directory);
  const reopenMs = await bench.openStore();
  await bench.remove();
  const payloadBytes = (batch!.bytes.length - 40) * MANY_TOPICS;
  return [{
    ...none("10,000 topics of 10 entries"),
    entries: MANY_TOPICS * 10,
    payloadBytes,
    seconds,
    diskPerByte: diskBytes / payloadBytes,
    note: `${(diskBytes / 1e6).toFixed(0)} MB on disk, ${rss.toFixed(0)} MB resident, ` +
      `reopened in ${reopenMs.toFixed(0)} ms`,
  }];
}

async function batch(options: WorkbenchOptions): Promise<Measured[]> {
  const bench = await Workbench.open(options, "each");
  const work = { logs: bench.logs(10), waiting: 10, batches: bench.batches(2000) };
  const measured = await bench.append("batch append of 2000, sync each, 10 writers", work);
  await bench.remove();
  return [measured];
}

async function sustained(options: WorkbenchOptions): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const sizeBytes of [undefined, 8192]) {
    const bench = await Workbench.open(options, "each");
    const { gigabytes } = options;
    const row = `sustained ${gigabytes} GB, sync each, 4000 waiting, ${sizeBytes ?? "500–1024"} B`;
    measured.push(
      await bench.append(row, {
        logs: bench.logs(1),
        waiting: 4000,
        batches: bench.batches(1, sizeBytes),
        bytesMax: gigabytes * GIGABYTE,
      }),
    );
    await bench.remove();
  }
  return measured;
}

/** Fills a log with `bytes` of payload. */
async function fill(bench: Workbench, log: Log, bytes: number): Promise<void> {
  const batches = bench.batches(2000);
  for (let written = 0, turn = 0; written < bytes; turn++) {
    const batch = batches[turn % batches.length]!;
    const append = log.append(batch);
    written += batch.bytes.length;
    if (turn % 8 === 7) await append;
  }
  await log.sync();
}

async function read(options: WorkbenchOptions): Promise<Measured[]> {
  const bench = await Workbench.open(options, "none");
  await fill(bench, bench.logs(1)[0]!, GIGABYTE);
  await bench.closeStore();
  await bench.openStore();
  const measured: Measured[] = [];
  for (const state of ["first after a reopening", "warm"]) {
    const log = bench.logs(1)[0]!;
    const startMs = performance.now();
    let payloadBytes = 0;
    for (let position = 0; position < log.endPosition;) {
      const run = await log.read(position, { maxBytes: 1 << 20 });
      const reader = new RecordReader(run.bytes);
      while (reader.next()) payloadBytes += reader.end - reader.start;
      position += run.count;
    }
    const seconds = (performance.now() - startMs) / 1000;
    const entries = log.endPosition;
    measured.push({ ...none(`batch read of 1 MiB, ${state}`), entries, payloadBytes, seconds });
  }
  await bench.remove();
  return measured;
}

async function readNext(options: WorkbenchOptions): Promise<Measured[]> {
  const topics = 256;
  await Deno.mkdir(options.directory, { recursive: true });
  const dataDir = await Deno.makeTempDir({ dir: options.directory });
  const walrus = await Walrus.open({ dataDir });
  const payload = new Uint8Array(726);
  const perTopic = 4000;
  for (let topic = 0; topic < topics; topic++) {
    await walrus.batchAppendForTopic(`${topic}`, new Array(perTopic).fill(payload));
  }
  let entries = 0, isOver = false;
  const samples: number[] = [];
  const timer = setTimeout(() => isOver = true, options.seconds * 1000);
  const startMs = performance.now();
  await Promise.all(Array.from({ length: topics }, async (_, topic) => {
    while (!isOver) {
      const fromMs = performance.now();
      if (await walrus.readNext(`${topic}`) === null) break;
      samples.push(performance.now() - fromMs);
      entries++;
    }
  }));
  const seconds = (performance.now() - startMs) / 1000;
  clearTimeout(timer);
  await walrus.close();
  await Deno.remove(dataDir, { recursive: true });
  return [{
    ...none("readNext with checkpoint, strictlyAtOnce, 256 topics at once"),
    entries,
    payloadBytes: entries * payload.length,
    seconds,
    ...quantiles(samples),
  }];
}

async function reopen(options: WorkbenchOptions): Promise<Measured[]> {
  const measured: Measured[] = [];
  const bench = await Workbench.open(options, "each");
  const [log] = bench.logs(1);
  let filled = 0;
  /** Of the smaller store, by how it ended. */
  const smallMs = new Map<string, number>();
  for (const gigabytes of [1, Math.max(2, options.gigabytes)]) {
    await fill(bench, bench.logs(1)[0] ?? log!, (gigabytes - filled) * GIGABYTE);
    filled = gigabytes;
    for (const how of ["cleanly closed", "killed"]) {
      // A process that was killed leaves its files as they are: so does a copy of the small ones.
      const files = how === "killed" ? await saveCheckpoints(bench.directory) : null;
      if (files !== null) await appendSome(bench);
      await bench.closeStore();
      if (files !== null) await restoreCheckpoints(bench.directory, files);
      const ms = await bench.openStore();
      const scanned = `${(bench.store.recovery.bytesScanned / 1e6).toFixed(1)} MB scanned`;
      const small = smallMs.get(how);
      smallMs.set(how, ms);
      measured.push({
        ...none(`reopen ${gigabytes} GB, ${how}`),
        seconds: ms / 1000,
        diskPerByte: (await sizeOf(bench.directory)) / (gigabytes * GIGABYTE),
        note: small === undefined ? scanned : `${scanned}, ${(ms / small).toFixed(2)} × of 1 GB`,
      });
    }
  }
  await bench.remove();
  return measured;
}

async function appendSome(bench: Workbench): Promise<void> {
  const [log] = bench.logs(1);
  await Promise.all(bench.batches(100).map((batch) => log!.append(batch)));
}

async function saveCheckpoints(directory: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith("checkpoint-")) {
      files.set(name, await Deno.readFile(`${directory}/${name}`));
    }
  }
  return files;
}

async function restoreCheckpoints(
  directory: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [name, bytes] of files) await Deno.writeFile(`${directory}/${name}`, bytes);
}

async function sizeOf(directory: string): Promise<number> {
  let bytes = 0;
  for await (const { name } of Deno.readDir(directory)) {
    const { blocks, size } = await Deno.stat(`${directory}/${name}`);
    bytes += blocks === null ? size : blocks * 512;
  }
  return bytes;
}

function none(row: string): Measured {
  return {
    row,
    entries: 0,
    payloadBytes: 0,
    seconds: 0,
    p50Ms: 0,
    p99Ms: 0,
    p999Ms: 0,
    worstP999Ms: 0,
    diskPerByte: 0,
    note: "",
  };
}
