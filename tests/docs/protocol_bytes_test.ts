import assert from "node:assert/strict";
import { WalrusClient } from "../../client/mod.ts";
import { findFreePorts, LocalNode } from "../../cli/local/mod.ts";
import { byteExamplesOf, isAnswer } from "./protocol_bytes.ts";
import { blocksOf } from "./doc_blocks.ts";

const PROTOCOL = await Deno.readTextFile(new URL("../../spec/PROTOCOL.md", import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const APPEND_AT = 300;

async function ask(address: string, request: Uint8Array): Promise<Uint8Array> {
  const [hostname, port] = address.split(":") as [string, string];
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(request);
  let answer = new Uint8Array(0);
  const chunk = new Uint8Array(65_536);
  while (answer.length < 4 || answer.length < 4 + new DataView(answer.buffer).getUint32(0, true)) {
    const count = await connection.read(chunk);
    assert.ok(count !== null, "the node closed the connection");
    answer = Uint8Array.from([...answer, ...chunk.subarray(0, count)]);
  }
  return answer;
}

function shown(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder("latin1").decode(bytes));
}

Deno.test("Every byte example of PROTOCOL.md is what a node answers", async () => {
  const examples = byteExamplesOf(PROTOCOL);
  assert.ok(examples.length > 15, `${examples.length} examples were found`);
  const dataDir = await Deno.makeTempDir();
  const [raftPort, clientPort] = findFreePorts(2) as [number, number];
  const node = new LocalNode({ nodeId: 1, dataDir, raftPort, clientPort });
  node.start();
  try {
    await node.ready({ timeoutMs: READY_TIMEOUT_MS, isReady: (m) => m.current_leader !== null });
    await using client = await WalrusClient.connect(node.clientAddress);
    await client.register("logs");
    // First those that need nothing before them; then batches, behind as many entries as they speak of.
    const isLate = (bytes: Uint8Array) => /^....(APPEND|FETCH logs 300)/s.test(latin1(bytes));
    const early = examples.slice(1).filter(({ request }) => !isLate(request));
    const late = examples.filter(({ request }) => isLate(request));
    assert.equal(late.length, 2);
    for (const example of [...early, ...late]) {
      if (example === late[0]) {
        const { next } = await client.offsets("logs");
        const rest = Array.from({ length: APPEND_AT - next }, () => "filling");
        await client.appendBatch("logs", rest);
      }
      const got = await ask(node.clientAddress, example.request);
      const what = `line ${example.line}: ${shown(example.request)} is answered ${shown(got)}`;
      assert.ok(isAnswer(got, example), what);
    }
  } finally {
    await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
    await Deno.remove(dataDir, { recursive: true });
  }
});

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

Deno.test("PROTOCOL.md has an example of every request that it names", () => {
  const named = [...PROTOCOL.matchAll(/^\| `([A-Z-]+)[ `]/gm)].map((match) => match[1]!);
  const shown = byteExamplesOf(PROTOCOL).map(({ request }) => latin1(request.subarray(4)));
  assert.ok(named.length > 10, named.join());
  const missing = named.filter((name) => !shown.some((text) => text.split(" ")[0] === name));
  assert.deepEqual(missing, []);
});

Deno.test("byteExamplesOf() takes only whole frames, in pairs", () => {
  const [example] = byteExamplesOf("02 00 00 00 68 69   ....hi\n.. .. .. .. 4f   ....O …\n");
  assert.deepEqual(example!.request, Uint8Array.of(2, 0, 0, 0, 0x68, 0x69));
  assert.ok(isAnswer(Uint8Array.of(2, 0, 0, 0, 0x4f, 0x4b), example!));
  assert.ok(!isAnswer(Uint8Array.of(2, 0, 0, 0, 0x4e, 0x4b), example!));
  for (const text of ["02 00 00 00 68   h\n", "01 00 00 00 68 69\n", "01 00 00 00 68\n"]) {
    assert.throws(() => byteExamplesOf(text), Error, text);
  }
  assert.equal(blocksOf(PROTOCOL).filter(({ kind }) => kind === "file").length, 2);
});
