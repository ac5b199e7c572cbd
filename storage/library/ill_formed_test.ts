import assert from "node:assert/strict";
import { silentLogger } from "../../world/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import { crc32cByTables } from "../crc32c.ts";
import { IllFormedTextError } from "../errors.ts";
import { TINY_LIMITS } from "../limits.ts";
import { namespaceFolder } from "./namespace.ts";
import { openWalrus, Walrus } from "./walrus.ts";

/** An emoji that was cut in two: "party " and half of a surrogate pair. */
const CUT = "party 🎉".slice(0, 7);

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<Walrus> {
  drive.kill();
  return openWalrus({
    disk: drive.mount(),
    clock: new RealClock(),
    random: new RealRandom(),
    logger: silentLogger,
    crc: crc32cByTables,
    bootId: "boot",
  }, { storageLimits: TINY_LIMITS });
}

for (const end of ["close", "kill"]) {
  Deno.test(`Walrus.appendForTopic() acknowledges nothing that a restart can't find by its topic (${end})`, async () => {
    const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round++) {
      const walrus = await open(drive);
      await walrus.appendForTopic(CUT, `${round}`).then(
        () => acknowledged.push(`${round}`),
        (error) => assert(error instanceof IllFormedTextError, String(error)),
      );
      if (end === "close") await walrus.close();
    }
    const walrus = await open(drive);
    const entries = [...walrus.topicEntryCounts().values()].reduce((sum, count) => sum + count, 0);
    assert.equal(entries, acknowledged.length);
    assert.equal(walrus.topicEntryCount(CUT), acknowledged.length);
    await walrus.close();
  });
}

Deno.test("Walrus makes no topic with an append that it refuses", async () => {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const walrus = await open(drive);
  await assert.rejects(walrus.appendForTopic(CUT, "entry"), (error) => {
    assert(error instanceof IllFormedTextError);
    assert.match(error.message, /topic.*"party \\ud83c".*index 6/);
    return true;
  });
  await assert.rejects(walrus.batchAppendForTopic("topic", ["good", CUT]), IllFormedTextError);
  await assert.rejects(walrus.entries(CUT).next(), IllFormedTextError);
  assert.equal(await walrus.readNext(CUT), null);
  assert.deepEqual([...walrus.topicEntryCounts()], []);
  // The bytes of whoever wants what an encoder makes of it.
  await walrus.appendForTopic("topic", new TextEncoder().encode(CUT));
  await walrus.appendForTopic("party 🎉", "🎉");
  await walrus.close();
});

Deno.test("Walrus.open() refuses a key and a directory that would be another one's", async () => {
  const dataDir = await Deno.makeTempDir();
  await assert.rejects(Walrus.open({ dataDir, key: CUT }), /RangeError: key .*"party \\ud83c"/);
  await assert.rejects(Walrus.open({ dataDir: `${dataDir}/\ud800` }), RangeError);
  assert.deepEqual([...Deno.readDirSync(dataDir)], []);
  await Deno.remove(dataDir);
});

Deno.test("Walrus.open() refuses a directory or a key in the environment that is no UTF-8", async () => {
  const dataDir = await Deno.makeTempDir();
  const program = `import { Walrus } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
    await Walrus.open().then((walrus) => walrus.close().then(() => console.log("opened")),
      (error) => console.log(String(error)));`;
  const main = `${dataDir}/main.ts`;
  await Deno.writeTextFile(main, program);
  for (const name of ["WALRUS_DATA_DIR", "WALRUS_INSTANCE_KEY"]) {
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: [
        "-c",
        `${name}="$(printf 'a\\377b')" exec "$0" run -A --no-check "$1"`,
        Deno.execPath(),
        main,
      ],
      cwd: dataDir,
      env: { WALRUS_DISABLE_IO_URING: "1" },
    }).output();
    assert.match(new TextDecoder().decode(stdout), new RegExp(`^RangeError: ${name} .* no UTF-8`));
  }
  assert.deepEqual([...Deno.readDirSync(dataDir)].map(({ name }) => name), ["main.ts"]);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("namespaceFolder() gives no key the folder of one that it was made for", () => {
  for (const key of ["a b", "", "ü", "../x"]) {
    const folder = namespaceFolder(key);
    assert.notEqual(namespaceFolder(folder), folder, JSON.stringify(key));
    assert.notEqual(namespaceFolder(namespaceFolder(folder)), namespaceFolder(folder));
  }
  // A commit's hash behind a name is not that.
  for (const key of ["my_app", "app-1a2b3c4d"]) assert.equal(namespaceFolder(key), key);
  for (const key of ["\ud800", "\ud801"]) {
    assert.throws(() => namespaceFolder(key), IllFormedTextError);
  }
});
