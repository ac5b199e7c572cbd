import assert from "node:assert/strict";
import { DiskError } from "../../world/mod.ts";
import { crc32cByTables } from "../crc32c.ts";
import { openDisk } from "./mod.ts";

async function inTemporaryDirectory(check: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "walrus_open_" });
  try {
    await check(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function refusal(directory: string): Promise<DiskError> {
  try {
    await (await openDisk({ directory })).close();
  } catch (error) {
    assert(error instanceof DiskError, String(error));
    return error;
  }
  throw new Error(`${directory} was not refused`);
}

Deno.test("openDisk() locks the two backends against each other", () =>
  inTemporaryDirectory(async (directory) => {
    const first = await openDisk({ directory, disableUring: true });
    assert.equal((await refusal(directory)).code, "Locked");
    await first.close();
    const second = await openDisk({ directory });
    await assert.rejects(openDisk({ directory, disableUring: true }), { code: "Locked" });
    await second.close();
  }));

Deno.test("openDisk() gets the directory of a process that was killed", () =>
  inTemporaryDirectory(async (directory) => {
    const program = `import { openDisk } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      await openDisk({ directory: ${JSON.stringify(directory)} });
      console.log("locked");
      setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--ext=ts", "-"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    assert.equal(new TextDecoder().decode(value), "locked\n");
    assert.match((await refusal(directory)).message, /in use by another process/);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await (await openDisk({ directory })).close();
  }));

Deno.test("openDisk() says in one line why a place can't be a data directory", () =>
  inTemporaryDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "");
    for (const place of [`${directory}/file`, `${directory}/file/below`, "/proc/walrus"]) {
      const error = await refusal(place);
      assert(error.message.startsWith(`Can't use ${place} as data directory: `), error.message);
      assert(!error.message.includes("\n"), error.message);
    }
  }));

Deno.test("openDisk() clears away what an interrupted writeSmall left", () =>
  inTemporaryDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/meta.tmp`, "half");
    const disk = await openDisk({ directory });
    assert.deepEqual(await disk.list(), []);
    await disk.close();
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["LOCK"]);
  }));

Deno.test("openDisk() brings the fastest checksum, while the disk is open", () =>
  inTemporaryDirectory(async (directory) => {
    const bytes = new TextEncoder().encode("123456789");
    for (const options of [{}, { disableUring: true }, { shimPath: "/nowhere.so" }]) {
      const disk = await openDisk({ directory, ...options });
      const { crc32c } = disk;
      assert.equal(crc32c(bytes, 0, 9, 0), 0xe3069283);
      await disk.close();
      if (crc32c !== crc32cByTables) {
        assert.throws(() => crc32c(bytes, 0, 9, 0), /the shim is open/);
      }
    }
  }));

Deno.test("openDisk() falls back with the reason", () =>
  inTemporaryDirectory(async (directory) => {
    const off = await openDisk({ directory, disableUring: true });
    assert.deepEqual([off.backend, off.reason], ["file", "io_uring is switched off"]);
    await off.close();
    const broken = await openDisk({ directory, shimPath: `${directory}/no.so` });
    assert.equal(broken.backend, "file");
    assert.match(broken.reason, /^the shim can't be loaded/);
    await broken.close();
  }));

/** Starts other processes, one after the other, in a thread of its own. */
const STARTER = `for (;;) await new Deno.Command("true").output();`;
const REOPENINGS = 100;

Deno.test("openDisk() has a directory that was just closed, although other processes are being started", () =>
  inTemporaryDirectory(async (directory) => {
    // Each of them has a copy of every open file, the lock's too, until it runs its program.
    const script = URL.createObjectURL(new Blob([STARTER], { type: "text/javascript" }));
    const starters = [1, 2].map(() => new Worker(script, { type: "module" }));
    try {
      for (let round = 0; round < REOPENINGS; round++) {
        await (await openDisk({ directory, disableUring: round % 2 === 0 })).close();
      }
    } finally {
      for (const starter of starters) starter.terminate();
      URL.revokeObjectURL(script);
    }
  }));

Deno.test("Disk.list() bears files that are deleted while it lists them", () =>
  inTemporaryDirectory(async (directory) => {
    const disk = await openDisk({ directory });
    await disk.writeSmall("node.json", new Uint8Array(10));
    let isOver = false;
    const comeAndGo = async (name: string) => {
      while (!isOver) {
        await disk.closeFile(await disk.open(name, { create: true }));
        await disk.remove(name);
      }
    };
    const coming = ["data-a", "data-b", "data-c"].map(comeAndGo);
    for (let round = 0; round < 300; round++) {
      const names = (await disk.list()).map(({ name }) => name);
      assert(names.includes("node.json"), names.join(" "));
    }
    isOver = true;
    await Promise.all(coming);
    await disk.close();
  }));
