import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findFreePorts } from "../../cli/local/mod.ts";
import { LocalNode } from "../../cli/local/local_node.ts";
import {
  askOnce,
  assertAllThere,
  drainTopic,
  exitCodeOf,
  History,
  joinCluster,
  metricsOf,
  RawClient,
  registerTopics,
  REMOVED,
  removeNode,
  startLoad,
  stateOf,
  until,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const STOP_TIMEOUT_MS = 10_000;
const ACKNOWLEDGED = 300;
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "300", WALRUS_MONITOR_CHECK_MS: "500" };

Deno.test("A wiped disk under an old id is refused; removed and joined again it holds everything", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const [port] = running.clientPorts as [number];
    const third = running.nodes[2]!;
    const history = new History();
    await registerTopics(port, ["kept"]);
    const load = startLoad({
      history,
      ports: running.clientPorts,
      topics: ["kept"],
      writersPerTopic: 3,
      depth: 4,
      valueBytes: 200,
    });
    await untilAcknowledged(history, 1500);
    await third.kill();
    const { dataDir } = third.options;
    await Deno.rename(dataDir, `${dataDir}-old`);

    third.start();
    assert.equal(await exitCodeOf(third), 1);
    assert.match(
      running.logOf(3).at(-1)!,
      /node id 3 belongs to another data directory .*walrus cli remove-node 3/,
    );

    await untilAcknowledged(history, ACKNOWLEDGED);
    await removeNode(3, port);
    // The old disk turns up again: too late.
    await Deno.remove(dataDir, { recursive: true });
    await Deno.rename(`${dataDir}-old`, dataDir);
    const linesBefore = running.logOf(3).length;
    third.start();
    await until(
      "the old disk is refused",
      () => running.logOf(3).slice(linesBefore).some((line) => REMOVED.test(line)),
    );
    await third.kill();

    await Deno.remove(dataDir, { recursive: true });
    await joinCluster(third, port);
    await untilAcknowledged(history, ACKNOWLEDGED);
    await load.stop();
    await until("everything has three replicas again", async () => {
      const { segment_replicas: replicas, segments } = await stateOf(port, "kept");
      return Object.values(replicas).every((nodes) => nodes.length === 3) &&
        Object.values(segments).every((segment) => !segment.under_replicated);
    });
    await assertAllThere(running.clientPorts, history, ["kept"]);
  });
});

const MIB = 1024 * 1024;
const SMALL_DISK_MIB = 96;

async function run(command: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function must(command: string, ...args: string[]): Promise<void> {
  const { code, text } = await run(command, ...args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${text}`);
}

const mountSmallDisk = (at: string) =>
  must("mount", "-t", "tmpfs", "-o", `size=${SMALL_DISK_MIB}m`, "tmpfs", at);

async function whyNoMount(): Promise<string | null> {
  const directory = await Deno.makeTempDir({ prefix: "walrus-test-" });
  try {
    await mountSmallDisk(directory);
    await must("umount", directory);
    return null;
  } catch {
    return "a tmpfs can't be mounted here";
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const reason = await whyNoMount();

/** Moves the data of a stopped node to a small disk that is mounted in its place. */
async function moveToSmallDisk(dataDir: string): Promise<void> {
  await Deno.rename(dataDir, `${dataDir}-before`);
  await Deno.mkdir(dataDir);
  await mountSmallDisk(dataDir);
  await must("cp", "-a", `${dataDir}-before/.`, dataDir);
}

/** Takes all room that is left; the ballast's path. */
async function fillDisk(dataDir: string): Promise<string> {
  const path = `${dataDir}/.ballast`;
  for (const bytes of [MIB, 4096]) {
    const file = await Deno.open(path, { append: true, create: true });
    try {
      for (;;) await file.write(new Uint8Array(bytes));
    } catch (error) {
      if (!/No space left/.test(`${error}`)) throw error;
    } finally {
      file.close();
    }
  }
  return path;
}

Deno.test({
  name:
    "A full disk on one node: the others go on, nothing is lost, and with room it takes part again" +
    (reason === null ? "" : ` (skipped: ${reason})`),
  ignore: reason !== null,
  fn: () =>
    withCluster(ENVIRONMENT, async (running) => {
      const third = running.nodes[2]!;
      const { dataDir } = third.options;
      const ports = running.clientPorts;
      const history = new History();
      await registerTopics(ports[0]!, ["full"]);
      await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
      await moveToSmallDisk(dataDir);
      try {
        await running.restart();
        const load = startLoad({
          history,
          ports,
          topics: ["full"],
          writersPerTopic: 3,
          depth: 4,
          valueBytes: 8000,
        });
        await untilAcknowledged(history, ACKNOWLEDGED);
        const ballast = await fillDisk(dataDir);
        await until("the node notices", () =>
          running.logOf(3).some((line) => /full|space/i.test(line)));
        await untilAcknowledged(history, 2 * ACKNOWLEDGED);
        await Deno.remove(ballast);
        const { current_segment: then } = await stateOf(ports[0]!, "full");
        await until("the node leads a new segment", async () => {
          const { segment_leaders: leaders } = await stateOf(ports[0]!, "full");
          return Object.entries(leaders).some(([number, id]) =>
            id === 3 && Number(number) > then
          );
        });
        await untilAcknowledged(history, ACKNOWLEDGED);
        await load.stop();
        await assertAllThere(ports, history, ["full"]);
      } finally {
        await third.kill();
        await must("umount", dataDir);
      }
    }),
});

Deno.test({
  name:
    "A node that starts on a full disk serves reads, refuses writes, and makes room when it is told to trim" +
    (reason === null ? "" : ` (skipped: ${reason})`),
  ignore: reason !== null,
  fn: async () => {
    const dataDir = await Deno.makeTempDir({ prefix: "walrus-test-" });
    await mountSmallDisk(dataDir);
    const [raftPort, port] = findFreePorts(2) as [number, number];
    const environment = { WALRUS_MAX_SEGMENT_ENTRIES: "100" };
    const node = new LocalNode({
      nodeId: 1,
      dataDir,
      raftPort,
      clientPort: port,
      environment,
    });
    const fill = async () => {
      const value = "x".repeat(20_000);
      for (let i = 0; i < 10_000; i++) {
        const answer = await askOnce(port, `PUT full ${i}-${value}`);
        if (answer !== "OK") return answer;
      }
      return "OK";
    };
    const start = async () => {
      node.start();
      await node.ready({ timeoutMs: 30_000 });
    };
    try {
      await start();
      await registerTopics(port, ["full"]);
      for (let i = 0; i < 300; i++) assert.equal(await askOnce(port, `PUT full ${i}-first`), "OK");
      const ballast = await fillDisk(dataDir);
      assert.match(await fill(), /^ERR disk full: /);
      for (const end of ["kill", "stop"] as const) {
        if (end === "kill") await node.kill();
        else await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
        await start();
        assert.match(await askOnce(port, "GET full"), /^OK [01]-first$/);
        assert.match(await fill(), /^ERR disk full: /);
      }
      const { sealed_segments: before } = await stateOf(port, "full");
      assert.ok(Object.keys(before).length >= 5);
      assert.equal(await askOnce(port, "TRIM full 1000000"), "OK");
      await until("there is room", async () => await askOnce(port, "PUT full again") === "OK");
      assert.match(await fill(), /^ERR disk full: /);
      await Deno.remove(ballast);
      await until("there is room", async () => await askOnce(port, "PUT full and again") === "OK");
    } finally {
      await node.kill();
      await must("umount", dataDir);
      await Deno.remove(dataDir);
    }
  },
});

/** Flips a bit of every place in the node's data files where one of the texts stands; how many there were. */
async function flipBits(dataDir: string, texts: readonly string[]): Promise<number> {
  let flipped = 0;
  for await (const { name, isFile } of Deno.readDir(dataDir)) {
    if (!isFile) continue;
    const bytes = await Deno.readFile(`${dataDir}/${name}`);
    // One character a byte, so that indexes are the same.
    const content = new TextDecoder("latin1").decode(bytes);
    const file = await Deno.open(`${dataDir}/${name}`, { read: true, write: true });
    for (const text of texts) {
      for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at + 1)) {
        await file.seek(at, Deno.SeekMode.Start);
        await file.write(Uint8Array.of(bytes[at]! ^ 0x10));
        flipped++;
      }
    }
    file.close();
  }
  return flipped;
}

/** `walrus verify`: its exit code and report. */
async function verify(node: LocalNode): Promise<{ code: number; bad: { log: string }[] }> {
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const args = ["run", "-q", "-A", main, "verify", "--data-dir", node.options.dataDir, "--json"];
  const { code, text } = await run(Deno.execPath(), ...args);
  assert.match(text, /^\{/, text);
  return { code, bad: JSON.parse(text).bad };
}

Deno.test("Flipped bits on one replica's disk: reads are right from any node, and the replica is repaired", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const third = running.nodes[2]!;
    const ports = running.clientPorts;
    await registerTopics(ports[0]!, ["bits"]);
    const values = Array.from({ length: 1500 }, (_, i) => `entry-${i}-`.padEnd(300, "x"));
    const client = await RawClient.connect(ports[0]!);
    for (const value of values) await client.send(`PUT bits ${value}`);
    for (let i = 0; i < values.length; i++) assert.equal(await client.receive(), "OK");
    client.close();
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });

    // In the first, the second and the fourth segment.
    const flipped = await flipBits(third.options.dataDir, [
      "entry-20-",
      "entry-450-",
      "entry-1000-",
    ]);
    assert.ok(flipped >= 3, `${flipped} places`);
    const before = await verify(third);
    assert.equal(before.code, 1);
    const damaged = new Set(before.bad.map(({ log }) => log));
    assert.equal(damaged.size, 3, [...damaged].join(", "));

    await running.restart();
    // Whoever leads the open segment reads for all, its own replicas first: let it be the bad disk's node.
    const filler = await RawClient.connect(ports[0]!);
    await until("node 3 leads", async () => {
      for (let i = 0; i < 50; i++) {
        const value = `more-${values.length}`;
        assert.equal(await filler.ask(`PUT bits ${value}`), "OK");
        values.push(value);
      }
      return (await stateOf(ports[0]!, "bits")).leader_node === 3;
    });
    filler.close();
    assert.equal(await askOnce(ports[0]!, "GET bits"), `OK ${values[0]}`);
    assert.deepEqual(await drainTopic("bits", ports), values.slice(1));
    await until("the replicas are copied anew", () => {
      const copied = running.logOf(3).filter((line) => line.includes("is copied anew"));
      return copied.length >= damaged.size;
    });
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    assert.deepEqual(await verify(third), { code: 0, bad: [] });
  });
});

Deno.test("Flipped bits in segments that nobody reads are found by the scrub, and mended", async () => {
  const environment = { ...ENVIRONMENT, WALRUS_SCRUB_MBPS: "1000" };
  await withCluster(environment, async (running) => {
    const third = running.nodes[2]!;
    const [port] = running.clientPorts as [number];
    await registerTopics(port, ["bits"]);
    const client = await RawClient.connect(port);
    const count = 1000;
    for (let i = 0; i < count; i++) await client.send(`PUT bits entry-${i}-`.padEnd(300, "x"));
    for (let i = 0; i < count; i++) assert.equal(await client.receive(), "OK");
    client.close();
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    const flipped = await flipBits(third.options.dataDir, ["entry-20-", "entry-450-"]);
    assert.ok(flipped >= 2, `${flipped} places`);
    assert.equal((await verify(third)).code, 1);

    await running.restart();
    await until("the scrub has found both", async () => {
      return (await metricsOf(third.options.clientPort)).scrub["rotten"] === 2;
    });
    await until(
      "the replicas are copied anew",
      () => running.logOf(3).filter((line) => line.includes("is copied anew")).length === 2,
    );
    await third.stop({ timeoutMs: STOP_TIMEOUT_MS });
    assert.deepEqual(await verify(third), { code: 0, bad: [] });
  });
});
