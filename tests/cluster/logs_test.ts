import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { RawClient, registerTopics, withCluster } from "./mod.ts";

/** Real log files that may lie beside the repository; else its own sources are the lines. */
const LOGS = new URL("../../../shared/data/loghub/", import.meta.url);
const SOURCES = new URL("../../server/", import.meta.url);
/** Requests in flight. */
const DEPTH = 256;
const LINE_FEED = 0x0a;

interface LinesOfFile {
  topic: string;
  lines: Uint8Array[];
}

/** The lines of a file, byte for byte. */
function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(LINE_FEED, start);
    const end = found < 0 ? bytes.length : found;
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function readFiles(folder: URL, ending: string): LinesOfFile[] {
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(ending))
    .map(({ name }) => ({
      topic: name,
      lines: linesOf(Deno.readFileSync(fileURLToPath(new URL(name, folder)))),
    }));
}

function findFiles(): LinesOfFile[] {
  try {
    const files = readFiles(LOGS, ".log");
    if (files.length > 0) return files;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return readFiles(SOURCES, ".ts");
}

/** `PUT` with a payload of any bytes. */
function putRequest(topic: string, payload: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`PUT ${topic} `);
  const request = new Uint8Array(head.length + payload.length);
  request.set(head);
  request.set(payload, head.length);
  return request;
}

async function write(port: number, file: LinesOfFile): Promise<void> {
  const client = await RawClient.connect(port);
  for (let start = 0; start < file.lines.length; start += DEPTH) {
    const group = file.lines.slice(start, start + DEPTH);
    for (const line of group) await client.send(putRequest(file.topic, line));
    for (let i = 0; i < group.length; i++) assert.equal(await client.receive(), "OK");
  }
  client.close();
}

/** Reads to the end, and compares every byte. */
async function compare(port: number, file: LinesOfFile): Promise<void> {
  const client = await RawClient.connect(port);
  const ok = new TextEncoder().encode("OK ");
  for (let next = 0, isEmpty = false; !isEmpty;) {
    for (let i = 0; i < DEPTH; i++) await client.send(`GET ${file.topic}`);
    for (let i = 0; i < DEPTH; i++) {
      const answer = (await client.receiveBytes())!;
      if (new TextDecoder().decode(answer.subarray(0, 5)) === "EMPTY" && answer.length === 5) {
        assert.equal(next, file.lines.length, `lines of ${file.topic}`);
        isEmpty = true;
        continue;
      }
      assert.deepEqual(answer.subarray(0, ok.length), ok);
      const line = file.lines[next++];
      assert.ok(line, `nothing but ${file.lines.length} lines in ${file.topic}`);
      assert.deepEqual(answer.subarray(ok.length), line, `line ${next} of ${file.topic}`);
    }
  }
  client.close();
}

Deno.test("Real log lines come back byte for byte, in order, from other nodes than they were given to", async () => {
  await withCluster({ WALRUS_MAX_SEGMENT_ENTRIES: "250" }, async (running) => {
    const ports = running.clientPorts;
    const files = findFiles();
    assert.ok(files.reduce((sum, { lines }) => sum + lines.length, 0) > 500, "lines enough");
    await registerTopics(ports[0]!, files.map(({ topic }) => topic));
    await Promise.all(files.map((file, i) => write(ports[i % ports.length]!, file)));
    await Promise.all(files.map((file, i) => compare(ports[(i + 1) % ports.length]!, file)));
  });
});
