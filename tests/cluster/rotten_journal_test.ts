import assert from "node:assert/strict";
import { CHECKPOINT_NAMES, decodeCheckpoint } from "../../storage/checkpoint.ts";
import { crc32cByTables } from "../../storage/crc32c.ts";
import {
  checksumHolds,
  decodeFrameHeader,
  FRAME_ALIGN_BYTES,
  FRAME_HEADER_BYTES,
  newFrameHeader,
} from "../../storage/frame.ts";
import { CATALOG_LOG_ID, type StoreImage } from "../../storage/store_image.ts";
import {
  assertAllThere,
  exitCodeOf,
  History,
  joinCluster,
  registerTopics,
  removeNode,
  startLoad,
  untilAcknowledged,
  withCluster,
} from "./mod.ts";

const ACKNOWLEDGED = 300;
/** More frames behind the rotten one than a crash could have left without a sync. */
const FRAMES_BEHIND_MIN = 3;

async function newestCheckpoint(dataDir: string): Promise<StoreImage> {
  const images: StoreImage[] = [];
  for (const name of CHECKPOINT_NAMES) {
    const bytes = await Deno.readFile(`${dataDir}/${name}`);
    const image = decodeCheckpoint(bytes, { name, crc: crc32cByTables });
    if (image !== null) images.push(image);
  }
  return images.sort((a, b) => b.sequence - a.sequence)[0]!;
}

/** Flips a bit of the first frame that the journal got since the newest checkpoint. */
async function rotJournal(dataDir: string): Promise<void> {
  const image = await newestCheckpoint(dataDir);
  const { fileNumber, start, usedBytes, sizeBytes, run, generation } = image.logs
    .find(({ id }) => id === CATALOG_LOG_ID)!.extents.at(-1)!;
  const path = `${dataDir}/data-${String(fileNumber).padStart(8, "0")}`;
  const file = await Deno.readFile(path);
  const bytes = file.subarray(start + usedBytes, start + sizeBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const key = { crc: crc32cByTables, salt: image.salt };
  const header = newFrameHeader();
  let frames = 0;
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; at += FRAME_ALIGN_BYTES) {
    decodeFrameHeader(view, at, header);
    const { bodyBytes, logId } = header;
    const isFrame = logId === CATALOG_LOG_ID && header.run === run &&
      header.generation === generation && checksumHolds({ bytes, view }, at, { bodyBytes, key });
    if (isFrame) frames++;
  }
  assert(frames > FRAMES_BEHIND_MIN, `${frames} frames`);
  bytes[FRAME_HEADER_BYTES + 1]! ^= 4;
  await Deno.writeFile(path, file);
}

Deno.test("A node whose journal has rotted does not start and says what to do; done, it holds everything again", async () => {
  await withCluster({}, async (running) => {
    const [port] = running.clientPorts as [number];
    const third = running.nodes[2]!;
    const { dataDir } = third.options;
    const history = new History();
    await registerTopics(port, ["rotten"]);
    const load = startLoad({
      history,
      ports: running.clientPorts,
      topics: ["rotten"],
      writersPerTopic: 2,
      depth: 4,
      valueBytes: 100,
    });
    await untilAcknowledged(history, ACKNOWLEDGED);
    await third.kill();
    await rotJournal(dataDir);
    third.start();
    assert.equal(await exitCodeOf(third), 1);
    const last = running.logOf(3).at(-1)!;
    assert.match(last, /journal is corrupt in data-\d+ at byte \d+.*remove-node.*empty directory/);

    await removeNode(3, port);
    await Deno.remove(dataDir, { recursive: true });
    await joinCluster(third, port);
    await untilAcknowledged(history, ACKNOWLEDGED);
    await load.stop();
    await assertAllThere(running.clientPorts, history, ["rotten"]);
  });
});
