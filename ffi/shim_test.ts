import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { buildShim, errnoName, openShim, type Shim } from "./mod.ts";

const built = await buildShim();
const skipped = built.ok ? "" : ` (skipped: ${built.reason})`;

async function loadShim(): Promise<Shim> {
  assert(built.ok);
  const opened = await openShim({ path: built.path });
  if (!opened.ok) throw new Error(opened.reason);
  return opened.shim;
}

function testShim(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${skipped}`, ignore: !built.ok, fn });
}

testShim(
  "buildShim() builds once for a source, anew for another, and alone among many",
  async () => {
    assert(built.ok);
    const again = await buildShim();
    assert(again.ok && !again.built);
    assert.equal(again.path, built.path);

    const defines = [`BUILT_FOR_A_TEST=${Deno.pid}`];
    const others = await Promise.all([1, 2, 3].map(() => buildShim({ defines })));
    const paths = new Set(others.map((other) => other.ok ? other.path : other.reason));
    assert.equal(paths.size, 1, [...paths].join());
    const [path] = paths;
    assert.notEqual(path, built.path);
    const opened = await openShim({ path: path! });
    assert(opened.ok);
    opened.shim.close();
    await Deno.remove(path!);
  },
);

testShim("openShim() says why a library is none of ours", async () => {
  const absent = await openShim({ path: "/nowhere/shim.so" });
  assert(!absent.ok);
  assert.match(absent.reason, /^the shim can't be loaded: /);
  const foreign = await openShim({ path: "libc.so.6" });
  assert(!foreign.ok);
  assert.match(foreign.reason, /^the shim can't be loaded: .*walrus_/s);
});

testShim("openShim() refuses a shim of another version", async () => {
  const other = await buildShim({ defines: ["WALRUS_SHIM_ABI=999"] });
  assert(other.ok);
  const opened = await openShim({ path: other.path });
  assert(!opened.ok);
  assert.match(opened.reason, /is for another version \(999, need \d+\)$/);
});

testShim("openShim() takes the prebuilt shim that WALRUS_SHIM names", async () => {
  assert(built.ok);
  const program = `import { openShim } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
    const opened = await openShim();
    console.log(opened.ok ? opened.shim.path : opened.reason);`;
  const copy = await Deno.makeTempFile({ prefix: "walrus_shim_", suffix: ".so" });
  try {
    await Deno.copyFile(built.path, copy);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", program],
      env: { WALRUS_SHIM: copy },
    }).output();
    assert.equal(new TextDecoder().decode(stdout).trim(), copy);
  } finally {
    await Deno.remove(copy);
  }
});

testShim("Shim.openRing() says what the kernel refuses", async () => {
  const shim = await loadShim();
  const refused = shim.openRing(1 << 20);
  assert(!refused.ok);
  assert.match(refused.reason, /^io_uring /);
  shim.close();
});

testShim("Shim.newAlignedBuffer() is aligned, zeroed, and as long as asked", async () => {
  const shim = await loadShim();
  for (const length of [1, 4096, 100_000]) {
    const buffer: Uint8Array<ArrayBuffer> = shim.newAlignedBuffer(length, 4096);
    const address: number = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
    assert.equal(address % 4096, 0);
    assert.deepEqual(buffer, new Uint8Array(length));
  }
  shim.close();
});

testShim("Ring.commitSoon() commits by a thread, whether its end is seen or not", async () => {
  // The counts of jobs begin near their end, so that they begin anew in the middle of this.
  const wrapping = await buildShim({ defines: ["FIRST_JOB=0xfffffffau"] });
  assert(wrapping.ok && built.ok);
  for (const path of [built.path, wrapping.path]) {
    const opened = await openShim({ path });
    assert(opened.ok);
    const { shim } = opened;
    const name = await Deno.makeTempFile({ prefix: "walrus_soon_" });
    const fd = openSync(name, "r+");
    const ring = shim.openRing(8);
    assert(ring.ok && ring.ring.openThread());
    const job = shim.newJob();
    const buffer = shim.newAlignedBuffer(64, 4096);
    const seen = new Set<boolean>();
    for (let at = 0; at < 12; at++) {
      // None is seen to end at once; each third after a pause, when the thread sleeps.
      const waitUs = at % 2 === 0 ? 0 : 10_000_000;
      if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      buffer[at] = at + 1;
      job.clear();
      job.addTransfer({ fd }, { fileOffset: at, buffer, bufferOffset: at, length: 1 });
      job.addSync(fd);
      const isDone: boolean = ring.ring.commitSoon(job, { waitUs });
      assert.equal(ring.ring.busy, !isDone);
      if (!isDone) await ring.ring.committed();
      assert(!ring.ring.busy);
      assert.equal(job.failure(), null);
      assert.deepEqual(await Deno.readFile(name), buffer.slice(0, at + 1));
      seen.add(isDone);
    }
    assert.equal(seen.size, 2, "both ways were gone");
    job.clear();
    job.addTransfer({ fd: 1 << 20 }, { fileOffset: 0, buffer, bufferOffset: 0, length: 1 });
    if (!ring.ring.commitSoon(job, { waitUs: 10_000_000 })) await ring.ring.committed();
    assert.equal(job.failure()?.op, "write");
    ring.ring.close();
    shim.close();
    closeSync(fd);
    await Deno.remove(name);
  }
  await Deno.remove(wrapping.path);
});

Deno.test("errnoName() names what it knows and numbers the rest", () => {
  assert.equal(errnoName(5), "EIO");
  assert.equal(errnoName(28), "ENOSPC");
  assert.equal(errnoName(99_999), "errno 99999");
});
