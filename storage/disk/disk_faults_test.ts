/** What the real disks do when the system refuses. The simulated one's faults are in `world/sim/`. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Disk, DiskError, type DiskFile } from "../../world/mod.ts";
import { openDisk } from "./mod.ts";

const encode = (text: string) => new TextEncoder().encode(text);

async function run(command: string, ...args: string[]): Promise<{ ok: boolean; text: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
    const decoder = new TextDecoder();
    return { ok: success, text: decoder.decode(success ? stdout : stderr).trim() };
  } catch (error) {
    return { ok: false, text: String(error) };
  }
}

async function inTemporaryDirectory(check: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "walrus_faults_" });
  try {
    await check(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function whyNoUring(): Promise<string | null> {
  let reason: string | null = null;
  await inTemporaryDirectory(async (directory) => {
    const disk = await openDisk({ directory });
    await disk.close();
    if (disk.backend !== "io_uring") reason = disk.reason;
  });
  return reason;
}

const BACKENDS = [
  { backend: "io_uring", whyNot: await whyNoUring() },
  { backend: "file", whyNot: null },
] as const;

function testBackends(
  what: string,
  whyNotHere: string | null,
  check: (backend: "io_uring" | "file") => Promise<void>,
): void {
  for (const { backend, whyNot } of BACKENDS) {
    const skipped = whyNotHere ?? whyNot;
    Deno.test({
      name: `Disk (${backend}) ${what}${skipped === null ? "" : ` (skipped: ${skipped})`}`,
      ignore: skipped !== null,
      fn: () => check(backend),
    });
  }
}

async function withDisk(
  directory: string,
  backend: "io_uring" | "file",
  check: (disk: Disk) => Promise<void>,
): Promise<void> {
  const disk = await openDisk({ directory, disableUring: backend === "file" });
  assert.equal(disk.backend, backend);
  try {
    await check(disk);
  } finally {
    await disk.close();
  }
}

function writeOf(file: DiskFile, fileOffset: number, buffer: Uint8Array) {
  return { file, fileOffset, buffer, bufferOffset: 0, length: buffer.length };
}

function readOf(file: DiskFile, fileOffset: number, length: number) {
  return { file, fileOffset, buffer: new Uint8Array(length), bufferOffset: 0, length, got: -1 };
}

/** `assert.deepEqual` writes a difference of two large arrays for minutes. */
function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  assert.equal(at, -1, `byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

function isDiskError(expected: Pick<DiskError, "op" | "code" | "file">) {
  return (error: unknown) => {
    assert(error instanceof DiskError, String(error));
    const { op, code, file } = error;
    assert.deepEqual({ op, code, file }, expected, error.message);
    return true;
  };
}

/**
 * Files that always fail, without root and for io_uring too: the process's own memory, where page 0 is
 * missing, gives EIO; /dev/full gives ENOSPC; neither can be synced.
 */
const FAILING = [
  { name: "bad", target: "/proc/self/mem", code: "Io" },
  { name: "full", target: "/dev/full", code: "NoSpace" },
] as const;

testBackends(
  "tells which write of a commit failed, each in turn, and goes on",
  null,
  (backend) =>
    inTemporaryDirectory(async (directory) => {
      for (const { name, target } of FAILING) await Deno.symlink(target, `${directory}/${name}`);
      await withDisk(directory, backend, async (disk) => {
        const good = await disk.open("good", { create: true });
        for (const { name, code } of FAILING) {
          const failing = await disk.open(name, { create: false });
          for (let count = 1; count <= 4; count++) {
            for (let at = 0; at < count; at++) {
              const writes = Array.from(
                { length: count },
                (_, i) => writeOf(i === at ? failing : good, i * 9, encode("some data")),
              );
              // The sync would fail with another error: this also shows that it was not reached.
              await assert.rejects(
                disk.commit(writes, [failing, good]),
                isDiskError({ op: "write", code, file: name }),
              );
            }
          }
          await disk.commit([writeOf(good, 0, encode(`fine ${name}`))], [good]);
          const read = readOf(good, 0, `fine ${name}`.length);
          await disk.read([read]);
          assert.deepEqual(read.buffer, encode(`fine ${name}`));
        }
      });
    }),
);

testBackends(
  "tells which sync of a commit failed, each in turn",
  null,
  (backend) =>
    inTemporaryDirectory(async (directory) => {
      await Deno.symlink("/dev/full", `${directory}/full`);
      await withDisk(directory, backend, async (disk) => {
        const failing = await disk.open("full", { create: false });
        const good = await Promise.all(
          ["a", "b", "c"].map((name) => disk.open(name, { create: true })),
        );
        for (let count = 1; count <= 4; count++) {
          for (let at = 0; at < count; at++) {
            const syncs = Array.from(
              { length: count },
              (_, i) => i === at ? failing : good[i % 3]!,
            );
            await assert.rejects(
              disk.commit([writeOf(good[0]!, 0, encode("x"))], syncs),
              isDiskError({ op: "sync", code: "Other", file: "full" }),
            );
          }
        }
      });
    }),
);

testBackends(
  "fails the read call that met a bad block, not those beside it",
  null,
  (backend) =>
    inTemporaryDirectory(async (directory) => {
      await Deno.symlink("/proc/self/mem", `${directory}/bad`);
      await withDisk(directory, backend, async (disk) => {
        const bad = await disk.open("bad", { create: false });
        const good = await disk.open("good", { create: true });
        const content = new Uint8Array(70_000).fill(5);
        await disk.commit([writeOf(good, 0, content)], []);
        const expected = isDiskError({ op: "read", code: "Io", file: "bad" });
        const shouldFail = (call: number) => call % 7 === 3;
        for (const at of [0, 1, 2]) {
          const calls = Array.from({ length: 60 }, (_, call) =>
            [0, 1, 2].map((i) =>
              readOf(shouldFail(call) && i === at ? bad : good, 0, 70_000)
            ));
          const results = await Promise.allSettled(calls.map((reads) => disk.read(reads)));
          for (const [call, result] of results.entries()) {
            if (shouldFail(call)) {
              assert(result.status === "rejected" && expected(result.reason));
              continue;
            }
            assert.equal(result.status, "fulfilled");
            for (const { got, buffer } of calls[call]!) {
              assert.equal(got, content.length);
              assertBytes(buffer, content);
            }
          }
        }
      });
    }),
);

// Real files under strace, which answers in the kernel's place.

const strace = await run("strace", "-qq", "-e", "trace=none", "true");
const whyNoStrace = strace.ok ? null : "strace can't be used here";
const CHILD = fileURLToPath(new URL("./disk_faults_child.ts", import.meta.url));

const ALL_DONE = ["done", "done", "done", "done"];

/** What the child says, and the system calls that strace saw. */
async function runTraced(
  directory: string,
  options: { backend: string; writes: number; strace: string[] },
): Promise<{ backend: string; reason: string; outcomes: string[]; calls: string[] }> {
  const trace = `${directory}/trace`;
  const data = `${directory}/data`;
  await Deno.mkdir(data);
  for (let i = 0; i < 4; i++) await Deno.writeFile(`${data}/f${i}`, new Uint8Array(0));
  const { ok, text } = await run(
    "strace",
    ...["-f", "-qq", "-o", trace, ...options.strace],
    ...[Deno.execPath(), "run", "-A", CHILD, data, options.backend, String(options.writes)],
  );
  assert(ok, text);
  const lines = (await Deno.readTextFile(trace)).split("\n");
  const calls = lines.map((line) => /^\d+ +(\w+)\(/.exec(line)?.[1]).filter((name) => name);
  return { ...JSON.parse(text), calls };
}

testBackends(
  "reports EIO of each write in turn, and syncs nothing then",
  whyNoStrace,
  (backend) =>
    Promise.all([0, 1, 2, 3].map((at) =>
      inTemporaryDirectory(async (directory) => {
        const strace = ["-P", `${directory}/data/f${at}`, "-e", "trace=pwrite64,fdatasync"];
        strace.push("-e", "inject=pwrite64:error=EIO");
        const { outcomes, calls } = await runTraced(directory, { backend, writes: 1, strace });
        const expected = ALL_DONE.with(at, `write Io f${at}`);
        assert.deepEqual(outcomes, expected);
        assert.deepEqual(calls, ["pwrite64"]);
      })
    )).then(() => {}),
);

testBackends(
  "reports EIO of each fdatasync in turn, and tries none again",
  whyNoStrace,
  (backend) =>
    Promise.all([0, 1, 2, 3].map((at) =>
      inTemporaryDirectory(async (directory) => {
        const strace = ["-P", `${directory}/data/f${at}`, "-e", "trace=pwrite64,fdatasync"];
        strace.push("-e", "inject=fdatasync:error=EIO");
        const { outcomes, calls } = await runTraced(directory, { backend, writes: 1, strace });
        const expected = ALL_DONE.with(at, `sync Io f${at}`);
        assert.deepEqual(outcomes, expected);
        assert.deepEqual(calls, ["pwrite64", "fdatasync"]);
      })
    )).then(() => {}),
);

const whyNoRing = whyNoStrace ?? BACKENDS[0].whyNot;
for (const error of ["EINTR", "EAGAIN", "EBUSY"]) {
  Deno.test({
    name: `Disk (io_uring) outlasts ${error} from io_uring_enter` +
      (whyNoRing === null ? "" : ` (skipped: ${whyNoRing})`),
    ignore: whyNoRing !== null,
    fn: () =>
      inTemporaryDirectory(async (directory) => {
        const strace = ["-e", "trace=io_uring_enter"];
        strace.push("-e", `inject=io_uring_enter:error=${error}:when=1+2`);
        const traced = await runTraced(directory, { backend: "io_uring", writes: 3, strace });
        assert.deepEqual([traced.backend, ...traced.outcomes], ["io_uring", ...ALL_DONE]);
        assert(traced.calls.length > 4, "some calls were refused and made again");
        for (let i = 0; i < 4; i++) {
          const bytes = await Deno.readFile(`${directory}/data/f${i}`);
          assertBytes(bytes, new Uint8Array(3 * 4096).fill(i + 1));
        }
      }),
  });
}

const REFUSALS = { EPERM: /^io_uring is forbidden here/, ENOSYS: /^this kernel has no io_uring/ };
for (const [error, reason] of Object.entries(REFUSALS)) {
  Deno.test({
    name: `openDisk() goes on with file calls and the reason when io_uring_setup says ${error}` +
      (whyNoRing === null ? "" : ` (skipped: ${whyNoRing})`),
    ignore: whyNoRing !== null,
    fn: () =>
      inTemporaryDirectory(async (directory) => {
        const strace = ["-e", "trace=io_uring_setup", "-e", `inject=io_uring_setup:error=${error}`];
        const traced = await runTraced(directory, { backend: "io_uring", writes: 3, strace });
        assert.deepEqual([traced.backend, ...traced.outcomes], ["file", ...ALL_DONE]);
        assert.match(traced.reason, reason);
      }),
  });
}

const prlimit = await run("prlimit", "--version");
// Without the shim Deno's signal listener does it, and that may come too late for this child.
const whyNoLimit = prlimit.ok ? BACKENDS[0].whyNot : "there is no prlimit here";
/** More than any file that Deno itself writes at its start. */
const LIMIT_BYTES = 200 << 20;

testBackends(
  "says NoSpace at a file size limit, and lives on",
  whyNoLimit,
  (backend) =>
    inTemporaryDirectory(async (directory) => {
      const { ok, text } = await run(
        "prlimit",
        `--fsize=${LIMIT_BYTES}`,
        ...[
          Deno.execPath(),
          "run",
          "-A",
          CHILD,
          directory,
          backend,
          "1",
          String(LIMIT_BYTES - 100),
        ],
      );
      assert(ok, text);
      assert.deepEqual(JSON.parse(text).outcomes, [0, 1, 2, 3].map((i) => `write NoSpace f${i}`));
    }),
);

// File systems that are really full.

async function withMount(
  options: { type: "tmpfs" | "thin"; sizeKiB: number },
  check: (directory: string) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    const outer = `${directory}/outer`;
    await Deno.mkdir(outer);
    await must("mount", "-t", "tmpfs", "-o", `size=${options.sizeKiB}k`, "tmpfs", outer);
    try {
      if (options.type === "tmpfs") return await check(outer);
      // A disk that promises more than there is: ext4 on a sparse file on the small tmpfs.
      const inner = `${directory}/inner`;
      await Deno.mkdir(inner);
      await must("truncate", "-s", "64M", `${outer}/image`);
      await must("mkfs.ext4", "-q", "-F", "-O", "^has_journal", `${outer}/image`);
      await must("mount", "-o", "loop", `${outer}/image`, inner);
      try {
        await check(inner);
      } finally {
        await must("umount", inner);
      }
    } finally {
      await must("umount", outer);
    }
  });
}

async function must(command: string, ...args: string[]): Promise<void> {
  const { ok, text } = await run(command, ...args);
  if (!ok) throw new Error(`${command} ${args.join(" ")}: ${text}`);
}

async function whyNoMount(type: "tmpfs" | "thin"): Promise<string | null> {
  try {
    await withMount({ type, sizeKiB: 4096 }, () => Promise.resolve());
    return null;
  } catch {
    return `a ${type === "tmpfs" ? "tmpfs" : "loop device"} can't be mounted here`;
  }
}

const whyNoTmpfs = await whyNoMount("tmpfs");
testBackends(
  "says NoSpace on a full disk, keeps what it had, and works again",
  whyNoTmpfs,
  (backend) =>
    withMount(
      { type: "tmpfs", sizeKiB: 1024 },
      (directory) =>
        withDisk(directory, backend, async (disk) => {
          const kept = await disk.open("kept", { create: true });
          await disk.allocate(kept, 200_000);
          const bytes = disk.newBuffer(200_000).fill(1);
          await disk.commit([writeOf(kept, 0, bytes)], [kept]);

          const other = await disk.open("other", { create: true });
          const noSpace = (op: DiskError["op"], file: string) =>
            isDiskError({ op, code: "NoSpace", file });
          await assert.rejects(disk.allocate(other, 1_000_000), noSpace("allocate", "other"));
          assert.equal(other.sizeBytes, 0);
          const large = disk.newBuffer(450_000).fill(2);
          for (const writes of [[large, large], [disk.newBuffer(900_000)]]) {
            let fileOffset = 0;
            const commit = writes.map((buffer) => {
              const write = writeOf(other, fileOffset, buffer);
              fileOffset += buffer.length;
              return write;
            });
            await assert.rejects(disk.commit(commit, [other]), noSpace("write", "other"));
          }
          await assert.rejects(
            disk.writeSmall("small", new Uint8Array(900_000)),
            noSpace("write", "small"),
          );
          assert.equal(await disk.readSmall("small"), null);

          await disk.closeFile(other);
          await disk.remove("other");
          const again = await disk.open("again", { create: true });
          await disk.commit([writeOf(again, 0, large)], [again]);
          const read = readOf(kept, 0, 200_000);
          await disk.read([read]);
          assertBytes(read.buffer, bytes);
        }),
    ),
);

const whyNoThin = await whyNoMount("thin");
testBackends(
  "fails when a device turns out to be smaller than it said",
  whyNoThin,
  (backend) =>
    withMount(
      { type: "thin", sizeKiB: 6 * 1024 },
      (directory) =>
        withDisk(`${directory}/data`, backend, async (disk) => {
          const file = await disk.open("a", { create: true });
          const bytes = disk.newBuffer(1 << 20).fill(9);
          const commitAt = (index: number) =>
            disk.commit([writeOf(file, index << 20, bytes)], [file]);
          // Some room is ext4's own; the loop driver calls the one write that went in halfway a success.
          for (let index = 0; index < 4; index++) await commitAt(index);
          await assert.rejects(
            async () => {
              for (let index = 4; index < 8; index++) await commitAt(index);
            },
            { name: "DiskError", op: /^(write|sync)$/, code: "NoSpace", file: "a" },
          );
        }),
    ),
);
