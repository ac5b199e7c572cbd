import assert from "node:assert/strict";
import { RealClock, RealRandom } from "../world/real/mod.ts";
import { openDisk } from "./disk/mod.ts";
import { openLogStore, RecordReader } from "./mod.ts";

/** How often a writer is killed, for each backend: `WALRUS_STORAGE_KILLS` says otherwise. */
const KILLS = Number(Deno.env.get("WALRUS_STORAGE_KILLS") ?? 6);
const WRITER = new URL("simulation/kill_writer.ts", import.meta.url).pathname;

/** Runs a writer for a while and kills it; how far each topic was acknowledged. */
async function runAndKill(directory: string, backend: string): Promise<Map<string, number>> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "-q", WRITER, directory, backend],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const acknowledged = new Map<string, number>();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const lifeMs = Math.random() * 300;
  let isKilled = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    if (!isKilled) {
      isKilled = true;
      setTimeout(() => child.kill("SIGKILL"), lifeMs);
    }
  }
  await child.status;
  // What follows the last newline was cut off with the process.
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    const [topic, end] = line.split(" ");
    if (end !== undefined) acknowledged.set(`t${topic}`, Number(end));
  }
  return acknowledged;
}

async function check(directory: string, acknowledged: Map<string, number>): Promise<number> {
  const disk = await openDisk({ directory });
  const world = { disk, clock: new RealClock(), random: new RealRandom(), crc: disk.crc32c };
  const store = await openLogStore(world);
  let entries = 0;
  for (const [name, end] of acknowledged) {
    const log = store.get(name)!;
    assert(log.endPosition >= end, `${name} ends at ${log.endPosition}, not ${end}`);
    assert.deepEqual(log.damage, []);
    for (let position = 0; position < log.endPosition;) {
      const run = await log.read(position, { maxBytes: 1 << 20 });
      const reader = new RecordReader(run.bytes);
      for (; reader.next(); position++) {
        const text = new TextDecoder().decode(reader.payload());
        assert(text.startsWith(`${name.slice(1)} ${position} `), `${name} at ${position}: ${text}`);
        entries++;
      }
    }
  }
  await store.close();
  await disk.close();
  return entries;
}

for (const backend of ["auto", "file"]) {
  Deno.test(`LogStore keeps what it acknowledged when its process is killed (${backend})`, async () => {
    const directory = await Deno.makeTempDir();
    const acknowledged = new Map<string, number>();
    for (let kill = 0; kill < KILLS; kill++) {
      for (const [name, end] of await runAndKill(directory, backend)) acknowledged.set(name, end);
      assert(await check(directory, acknowledged) > 0);
    }
    await Deno.remove(directory, { recursive: true });
  });
}
