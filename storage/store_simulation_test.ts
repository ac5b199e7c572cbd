import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Disk } from "../world/mod.ts";
import { firstFailure, runSeeds, StoreSimulation } from "./simulation/mod.ts";

/** Lives of stores in all tests of this kind together: `WALRUS_STORAGE_SEEDS` says otherwise (CI: 10,000). */
const SEEDS = Number(Deno.env.get("WALRUS_STORAGE_SEEDS") ?? 1000);

// What else may happen to them is in store_simulation_faults_test.ts, so that both run at once.
Deno.test("LogStore keeps its promises over random lives with crashes", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.4) });
});

Deno.test("LogStore keeps its promises when every log has extents of its own", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.1) }, { limits: { homeBytesMin: 0 } });
});

Deno.test("StoreSimulation does the same with the same seed", async () => {
  const [first, second] = [new StoreSimulation(7), new StoreSimulation(7)];
  await first.run();
  await second.run();
  assert(first.transcript.length > 10);
  assert.deepEqual(first.transcript, second.transcript);
  for (const name of first.drive.names()) {
    assert.deepEqual(first.drive.copyFile(name), second.drive.copyFile(name), name);
  }
});

/** Everything but what is replaced goes to the disk. */
function wrap(disk: Disk, replaced: Partial<Disk>): Disk {
  return new Proxy(disk, {
    get(target, key) {
      if (key in replaced) return replaced[key as keyof Disk];
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("StoreSimulation finds nothing through a wrapper that changes nothing", async () => {
  assert.equal(await firstFailure(20, { wrapDisk: (disk) => wrap(disk, {}) }), null);
});

Deno.test("StoreSimulation finds a store that answers before the sync", async () => {
  const forgetful = (disk: Disk) => wrap(disk, { commit: (writes) => disk.commit(writes, []) });
  const options = { wrapDisk: forgetful, durability: "each" } as const;
  assert.notEqual(await firstFailure(40, options), null);
});

Deno.test("StoreSimulation finds a store that syncs what it recovers and does not write it back", async () => {
  /** Spares itself the writes that change nothing for a reader: those of write_back.ts are such. */
  const sparing = (disk: Disk) =>
    wrap(disk, {
      commit: async (writes, syncs) => {
        const reads = writes.map((write) => ({
          ...write,
          buffer: new Uint8Array(write.length),
          bufferOffset: 0,
          got: 0,
        }));
        if (reads.length > 0) await disk.read(reads);
        const changing = writes.filter(({ buffer, bufferOffset, length }, index) => {
          const before = reads[index]!.buffer;
          return Buffer.compare(before, buffer.subarray(bufferOffset, bufferOffset + length)) !== 0;
        });
        return await disk.commit(changing, syncs);
      },
    });
  assert.equal(await firstFailure(30, { wrapDisk: sparing }), null, "harmless on a good disk");
  const options = { wrapDisk: sparing, withFailingDisk: true } as const;
  assert.notEqual(await firstFailure(300, options), null);
});

Deno.test("StoreSimulation finds a store that does not check what it reads", async () => {
  assert.notEqual(await firstFailure(200, { crc: () => 1 }), null);
});

Deno.test("StoreSimulation finds a store that writes a block twice at once", async () => {
  const careless = (disk: Disk) =>
    wrap(disk, {
      commit: (writes, syncs) => {
        const [first] = writes;
        if (first === undefined || first.length < 64) return disk.commit(writes, syncs);
        return disk.commit([...writes, { ...first, fileOffset: first.fileOffset + 64 }], syncs);
      },
    });
  assert.notEqual(await firstFailure(40, { wrapDisk: careless }), null);
});
