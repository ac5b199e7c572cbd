/** What `world/disk.ts` promises, held against every disk that there is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type BuildResult, buildShim } from "../../ffi/mod.ts";
import {
  DIRECT_BLOCK_BYTES,
  type Disk,
  DiskError,
  type DiskFile,
  type DiskRead,
} from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { openDisk } from "./mod.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A place that disks can be opened on again and again. */
interface Place {
  open(): Promise<Disk>;
  done(): Promise<void>;
}

interface Kind {
  name: string;
  backend: Disk["backend"];
  skipped: string | null;
  place(): Promise<Place>;
}

async function realPlace(options: { disableUring: boolean; shimPath?: string }): Promise<Place> {
  const directory = await Deno.makeTempDir({ prefix: "walrus_disk_" });
  return {
    open: () => openDisk({ directory: `${directory}/made/by open`, ...options }),
    done: () => Deno.remove(directory, { recursive: true }),
  };
}

async function whyNoUring(): Promise<string | null> {
  const place = await realPlace({ disableUring: false });
  const disk = await place.open();
  await disk.close();
  await place.done();
  return disk.backend === "io_uring" ? null : disk.reason;
}

const whyNot = await whyNoUring();
/** Every transfer of this one takes many steps, as if each write and read were short. */
const tinySteps = await buildShim({ defines: ["MAX_TRANSFER_BYTES=1000u"] });
/** This one takes every chance to write directly, from copies and in steps of one block. */
const tinyBlocks = await buildShim({
  defines: [
    "MAX_TRANSFER_BYTES=4096u",
    "SPLIT_BYTES_MIN=4096u",
    "SLOT_BYTES=8192u",
    "DIRECT_PIECE_BYTES=8192u",
  ],
});

function shimKind(name: string, shim: BuildResult): Kind {
  return {
    name: `io_uring, ${name}`,
    backend: "io_uring",
    skipped: whyNot ?? (shim.ok ? null : shim.reason),
    place: () => realPlace({ disableUring: false, shimPath: shim.ok ? shim.path : "" }),
  };
}

const KINDS: Kind[] = [
  {
    name: "io_uring",
    backend: "io_uring",
    skipped: whyNot,
    place: () => realPlace({ disableUring: false }),
  },
  shimKind("tiny steps", tinySteps),
  shimKind("tiny blocks", tinyBlocks),
  { name: "file", backend: "file", skipped: null, place: () => realPlace({ disableUring: true }) },
  {
    name: "file, no shim",
    backend: "file",
    skipped: null,
    place: () => realPlace({ disableUring: true, shimPath: "/nowhere/shim.so" }),
  },
  {
    name: "simulated",
    backend: "simulated",
    skipped: null,
    place: () => {
      const drive = new SimDrive({ clock: new SimClock(), random: new SeededRandom("contract") });
      return Promise.resolve({
        open: () => new Promise((resolve) => resolve(drive.mount())),
        done: () => Promise.resolve(),
      });
    },
  },
];

function testDisks(what: string, check: (disk: Disk, place: Place) => Promise<void>): void {
  for (const { name, backend, skipped, place } of KINDS) {
    Deno.test({
      name: `Disk (${name}) ${what}${skipped === null ? "" : ` (skipped: ${skipped})`}`,
      ignore: skipped !== null,
      fn: async () => {
        const here = await place();
        try {
          const disk = await here.open();
          assert.equal(disk.backend, backend);
          try {
            await check(disk, here);
          } finally {
            await disk.close();
          }
        } finally {
          await here.done();
        }
      },
    });
  }
}

function writeOf(file: DiskFile, fileOffset: number, bytes: Uint8Array) {
  return { file, fileOffset, buffer: bytes, bufferOffset: 0, length: bytes.length };
}

function readOf(file: DiskFile, fileOffset: number, length: number): DiskRead {
  return { file, fileOffset, buffer: new Uint8Array(length), bufferOffset: 0, length, got: -1 };
}

async function readAll(disk: Disk, file: DiskFile, length: number): Promise<Uint8Array> {
  const read = readOf(file, 0, length);
  await disk.read([read]);
  return read.buffer.subarray(0, read.got);
}

/** `assert.deepEqual` writes a difference of two large arrays for minutes. */
function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  assert.equal(at, -1, `byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

async function rejectsWith(
  promise: Promise<unknown>,
  expected: Partial<DiskError>,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert(error instanceof DiskError, String(error));
    for (const [key, value] of Object.entries(expected)) {
      assert.equal(error[key as keyof DiskError], value, error.message);
    }
    return true;
  });
}

testDisks("opens, allocates zeroes, lists, removes", async (disk) => {
  assert.deepEqual(await disk.list(), []);
  await rejectsWith(disk.open("a", { create: false }), { op: "open", code: "NotFound", file: "a" });
  const file = await disk.open("a", { create: true });
  assert.equal(file.sizeBytes, 0);
  await disk.allocate(file, 100_000);
  assert.equal(file.sizeBytes, 100_000);
  assertBytes(await readAll(disk, file, 200_000), new Uint8Array(100_000));
  assert.deepEqual(await disk.list(), [{ name: "a", sizeBytes: 100_000 }]);
  await disk.closeFile(file);
  await disk.remove("a");
  await disk.remove("a");
  assert.deepEqual(await disk.list(), []);
});

testDisks("cuts a file and shows zeroes where it grows again", async (disk) => {
  const file = await disk.open("a", { create: true });
  await disk.allocate(file, 10_000);
  await disk.commit([writeOf(file, 0, new Uint8Array(10_000).fill(7))], [file]);
  await disk.allocate(file, 5_000);
  assert.equal((await readAll(disk, file, 20_000)).length, 5_000);
  await disk.allocate(file, 9_000);
  const expected = new Uint8Array(9_000);
  expected.fill(7, 0, 5_000);
  assertBytes(await readAll(disk, file, 20_000), expected);
});

testDisks("commits to several files and reads back in one call", async (disk) => {
  const a = await disk.open("a", { create: true });
  const b = await disk.open("b", { create: true });
  assert.notEqual(a.handle, b.handle);
  const source = encode("--hello world--");
  await disk.commit(
    [
      { file: a, fileOffset: 3, buffer: source, bufferOffset: 2, length: 5 },
      { file: b, fileOffset: 0, buffer: source, bufferOffset: 8, length: 5 },
      { file: a, fileOffset: 8, buffer: source, bufferOffset: 7, length: 1 },
      { file: a, fileOffset: 9, buffer: source, bufferOffset: 0, length: 0 },
    ],
    [a, b],
  );
  const into = new Uint8Array(20).fill(0x2e);
  const reads = [
    { file: a, fileOffset: 3, buffer: into, bufferOffset: 1, length: 5, got: -1 },
    { file: b, fileOffset: 0, buffer: into, bufferOffset: 7, length: 5, got: -1 },
    { file: b, fileOffset: 3, buffer: into, bufferOffset: 13, length: 6, got: -1 },
    { file: b, fileOffset: 99, buffer: into, bufferOffset: 19, length: 1, got: -1 },
    { file: b, fileOffset: 0, buffer: into, bufferOffset: 20, length: 0, got: -1 },
  ];
  await disk.read(reads);
  assert.equal(new TextDecoder().decode(into), ".hello.world.ld.....");
  assert.deepEqual(reads.map((read) => read.got), [5, 5, 2, 0, 0]);
});

testDisks("does empty commits and empty reads", async (disk) => {
  const file = await disk.open("a", { create: true });
  await disk.commit([], []);
  await disk.commit([], [file]);
  await disk.commit([writeOf(file, 0, encode("x"))], []);
  await disk.read([]);
  assert.deepEqual(await readAll(disk, file, 5), encode("x"));
});

testDisks("does commits and reads larger than a ring, in order of need", async (disk) => {
  const file = await disk.open("a", { create: true });
  const count = 1500;
  const buffer = new Uint8Array(count * 4);
  const numbers = new DataView(buffer.buffer);
  for (let i = 0; i < count; i++) numbers.setUint32(i * 4, i * 7919);
  const writes = Array.from({ length: count }, (_, i) => ({
    file,
    fileOffset: (count - 1 - i) * 4,
    buffer,
    bufferOffset: i * 4,
    length: 4,
  }));
  await disk.commit(writes, [file]);
  const back = new Uint8Array(count * 4);
  const reads = writes.map((write) => ({ ...write, buffer: back, got: -1 }));
  await disk.read(reads);
  assertBytes(back, buffer);
  assert(reads.every((read) => read.got === 4));
});

testDisks("has any number of reads in flight beside a commit", async (disk) => {
  const file = await disk.open("a", { create: true });
  const content = Uint8Array.from({ length: 1 << 16 }, (_, i) => i * 31 + (i >> 8));
  await disk.commit([writeOf(file, 0, content)], [file]);
  const reads = Array.from({ length: 200 }, (_, i) => readOf(file, i * 300, 1 + i * 5));
  const commit = disk.commit([writeOf(file, 1 << 16, content)], [file]);
  await Promise.all(reads.map((read) => disk.read([read])));
  await commit;
  for (const { fileOffset, length, got, buffer } of reads) {
    assert.equal(got, length);
    assertBytes(buffer, content.subarray(fileOffset, fileOffset + length));
  }
});

testDisks("does many random commits like a plain array of bytes", async (disk) => {
  const file = await disk.open("a", { create: true });
  const model = new Uint8Array(40_000);
  await disk.allocate(file, model.length);
  const write = fc.record({
    fileOffset: fc.nat(30_000),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 10_000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 6 }), async (writes) => {
      // Writes of one commit have no order among each other: these don't overlap.
      let end = 0;
      const apart = writes.sort((x, y) => x.fileOffset - y.fileOffset).filter((write) => {
        if (write.fileOffset < end) return false;
        end = write.fileOffset + write.bytes.length;
        return true;
      });
      for (const { fileOffset, bytes } of apart) model.set(bytes, fileOffset);
      await disk.commit(apart.map((each) => writeOf(file, each.fileOffset, each.bytes)), [file]);
      assertBytes(await readAll(disk, file, model.length), model);
    }),
    { numRuns: 30 },
  );
});

testDisks("mixes direct and other writes in one file", async (disk) => {
  const file = await disk.open("a", { create: true });
  const model = new Uint8Array(140 * DIRECT_BLOCK_BYTES);
  await disk.allocate(file, model.length);
  const buffer = disk.newBuffer(100 * DIRECT_BLOCK_BYTES);
  assertBytes(buffer, new Uint8Array(100 * DIRECT_BLOCK_BYTES));
  const blocks = fc.record({
    block: fc.nat(39),
    skip: fc.oneof(fc.constant(0), fc.nat(4095)),
    count: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 99 })),
    cut: fc.oneof(fc.constant(0), fc.nat(4095)),
    fill: fc.nat(255),
    move: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(blocks, async ({ block, skip, count, cut, fill, move }) => {
      const fileOffset = block * DIRECT_BLOCK_BYTES + skip;
      const length = count * DIRECT_BLOCK_BYTES - cut;
      const bufferOffset = move ? Math.min(buffer.length - length, 1) : 0;
      for (let at = 0; at < length; at++) buffer[bufferOffset + at] = fill + (at >> 4);
      model.set(buffer.subarray(bufferOffset, bufferOffset + length), fileOffset);
      await disk.commit([{ file, fileOffset, buffer, bufferOffset, length }], [file]);
      assertBytes(await readAll(disk, file, model.length), model);
    }),
    { numRuns: 60 },
  );
});

testDisks("replaces small files and tells missing ones", async (disk) => {
  assert.equal(await disk.readSmall("meta"), null);
  await disk.writeSmall("meta", encode("one"));
  assert.deepEqual(await disk.readSmall("meta"), encode("one"));
  await disk.writeSmall("meta", encode(""));
  assert.deepEqual(await disk.readSmall("meta"), encode(""));
  assert.deepEqual(await disk.list(), [{ name: "meta", sizeBytes: 0 }]);
});

testDisks("keeps everything for the next one that opens the directory", async (disk, place) => {
  const file = await disk.open("a", { create: true });
  await disk.commit([writeOf(file, 10, encode("kept"))], [file]);
  await disk.writeSmall("meta", encode("kept too"));
  await disk.close();
  const next = await place.open();
  try {
    const again = await next.open("a", { create: false });
    assert.equal(again.sizeBytes, 14);
    assert.deepEqual((await readAll(next, again, 99)).subarray(10), encode("kept"));
    assert.deepEqual(await next.readSmall("meta"), encode("kept too"));
  } finally {
    await next.close();
  }
});

testDisks("refuses a directory that is in use", async (disk, place) => {
  await rejectsWith(place.open(), { op: "open", code: "Locked", file: "" });
  await disk.close();
  await (await place.open()).close();
});

testDisks("asserts that its callers keep to the contract", async (disk) => {
  const file = await disk.open("a", { create: true });
  const broken = { message: /Invariant broken/ };
  await assert.rejects(disk.commit([{ ...writeOf(file, 0, encode("x")), length: 2 }], []), broken);
  await assert.rejects(disk.read([{ ...readOf(file, 0, 4), bufferOffset: 1 }]), broken);
  await disk.closeFile(file);
  await assert.rejects(disk.read([readOf(file, 0, 1)]), broken);
  await assert.rejects(disk.commit([], [file]), broken);
});
