/**
 * What Raft costs: `deno task bench:raft` (or `deno run -A raft/bench/main.ts`).
 *
 * 1. Proposals through three cores with network and disk in memory, in batches of 64.
 * 2. Memory and disk under a million commands through one driver on the real store and a file disk.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { openLogStore } from "../../storage/mod.ts";
import { openDisk } from "../../storage/disk/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { RaftNode } from "../mod.ts";
import { CoreGroup } from "./mod.ts";

const BATCH = 64;
const COMMAND_BYTES = 100;

function benchCore(options: { proposals: number; codec: boolean }): void {
  const group = new CoreGroup({ codec: options.codec, snapshotEntries: 10_000 });
  const commands = Array.from({ length: BATCH }, () => new Uint8Array(COMMAND_BYTES));
  const warmUp = options.proposals / 10;
  let start = performance.now();
  for (let count = -warmUp; count < options.proposals; count += BATCH) {
    if (count < 0 && count + BATCH >= 0) start = performance.now();
    group.propose(commands);
    group.settle();
  }
  const seconds = (performance.now() - start) / 1000;
  const { log } = group.cores[0]!.state;
  console.log(
    `core, ${options.codec ? "messages encoded" : "messages as values"}: ` +
      `${Math.round(options.proposals / seconds)} proposals/s ` +
      `(${options.proposals} of ${COMMAND_BYTES} B in batches of ${BATCH}, applied on ` +
      `${group.applied.join(" ")}, ${log.length} entries held)`,
  );
}

/** A million commands: the log must stay short on disk and in memory. */
async function benchFlatness(options: { commands: number }): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "raft_bench_" });
  const clock = new RealClock();
  const random = new RealRandom();
  const disk = await openDisk({ directory });
  const store = await openLogStore({ disk, clock, random, crc: disk.crc32c });
  let applied = 0;
  const node = await RaftNode.open({
    id: 1,
    store,
    clock,
    random,
    logger: silentLogger,
    stateMachine: {
      apply: () => ++applied,
      snapshot: () => new Uint8Array(100_000),
      restore: () => {},
    },
    send: () => {},
    bootstrap: true,
  });
  await node.readIndex({ timeoutMs: 5000 });
  const command = new Uint8Array(COMMAND_BYTES);
  const start = performance.now();
  const step = options.commands / 10;
  for (let done = 0; done < options.commands;) {
    const wave = Array.from({ length: 1000 }, () => node.propose(command, { timeoutMs: 10_000 }));
    await Promise.all(wave);
    done += wave.length;
    if (done % step !== 0) continue;
    const { rss, heapUsed } = Deno.memoryUsage();
    console.log(
      `  ${done} commands: files ${mib(store.stats.fileBytes)}, log ${
        mib(store.list()[0]!.payloadBytes)
      }, heap ${mib(heapUsed)}, resident ${mib(rss)}`,
    );
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `one node, ${disk.backend} disk, synced: ${
      Math.round(options.commands / seconds)
    } commands/s ` +
      `in waves of 1000`,
  );
  await node.stop();
  await store.close();
  await disk.close();
  await Deno.remove(directory, { recursive: true });
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

benchCore({ proposals: 1_000_000, codec: false });
benchCore({ proposals: 1_000_000, codec: true });
await benchFlatness({ commands: Number(Deno.args[0] ?? 1_000_000) });
