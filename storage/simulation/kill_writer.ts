/**
 * Appends to a directory until it is killed, and says on stdout what was acknowledged: `TOPIC INDEX` lines.
 * Arguments: directory, backend (`auto` or `file`).
 *
 * @module
 */

import { openDisk } from "../disk/mod.ts";
import { openLogStore, RecordBatchBuilder } from "../mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";

const TOPICS = 5;
const BATCH_MAX = 4;

const [directory, backend] = Deno.args;
const disk = await openDisk({ directory: directory!, disableUring: backend === "file" });
const world = { disk, clock: new RealClock(), random: new RealRandom(), crc: disk.crc32c };
const store = await openLogStore(world, {
  limits: { extentBytesMax: 1 << 18, homeBytesMin: 8192, awayBytesMax: 65536 },
});
const encoder = new TextEncoder();

await Promise.all(Array.from({ length: TOPICS }, async (_, topic) => {
  const log = store.get(`t${topic}`) ?? store.create(`t${topic}`);
  const batch = new RecordBatchBuilder();
  for (let index = log.endPosition;;) {
    batch.clear();
    const count = 1 + index % BATCH_MAX;
    for (let at = 0; at < count; at++) {
      const text = `${topic} ${index + at} ${"k".repeat((index + at) % 900)}`;
      batch.add(encoder.encode(text));
    }
    await log.append(batch);
    index += count;
    Deno.stdout.writeSync(encoder.encode(`${topic} ${index}\n`));
  }
}));
