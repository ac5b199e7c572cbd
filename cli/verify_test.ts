import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Walrus } from "../storage/library/mod.ts";
import { runVerify } from "./verify.ts";

async function newStore(): Promise<string> {
  const dataDir = await Deno.makeTempDir();
  const walrus = await Walrus.open({ dataDir });
  await walrus.batchAppendForTopic("orders", Array.from({ length: 50 }, (_, i) => `order ${i}`));
  await walrus.appendForTopic("other", "x");
  await walrus.close();
  return dataDir;
}

async function verify(dataDir: string, json: boolean): Promise<{ code: number; text: string }> {
  let text = "";
  const code = await runVerify({ dataDir, json }, { out: (more) => text += more });
  return { code, text };
}

Deno.test("runVerify() finds nothing in a good store, and changes nothing", async () => {
  const dataDir = await newStore();
  const before = await Deno.readFile(`${dataDir}/checkpoint-a`);
  const { code, text } = await verify(dataDir, false);
  assert.equal(code, 0, text);
  assert.match(text, /t\/orders .* 50 +good/);
  assert.match(text, /All good: 3 logs/);
  assert.deepEqual(await Deno.readFile(`${dataDir}/checkpoint-a`), before);
  const report = JSON.parse((await verify(dataDir, true)).text);
  assert.deepEqual(report.bad, []);
  assert.equal(report.clean, true);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("runVerify() says where the damage is", async () => {
  const dataDir = await newStore();
  const path = `${dataDir}/data-00000001`;
  const bytes = await Deno.readFile(path);
  const place = new TextDecoder("latin1").decode(bytes).lastIndexOf("order 7");
  assert(place > 0);
  bytes[place]! ^= 1;
  await Deno.writeFile(path, bytes);
  const { code, text } = await verify(dataDir, false);
  assert.equal(code, 1);
  assert.match(text, /t\/orders .*DAMAGED/);
  assert.match(
    text,
    /BAD {2}t\/orders: positions 0 to 49 can't be read, data-00000001 at byte \d+/,
  );
  const report = JSON.parse((await verify(dataDir, true)).text);
  assert.equal(report.bad[0].log, "t/orders");
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("runVerify() reports a rotten journal, what was known up to it, and what to do", async () => {
  const dataDir = await Deno.makeTempDir();
  const walrus = await Walrus.open({ dataDir });
  for (const text of ["first", "second", "third"]) await walrus.appendForTopic("orders", text);
  // As after a kill: the journal is what the next start would read.
  const killed = await Deno.makeTempDir();
  for await (const { name } of Deno.readDir(dataDir)) {
    await Deno.copyFile(`${dataDir}/${name}`, `${killed}/${name}`);
  }
  await walrus.close();
  const path = `${killed}/data-00000001`;
  const bytes = await Deno.readFile(path);
  bytes[Buffer.from(bytes).indexOf("second")]! ^= 1;
  await Deno.writeFile(path, bytes);
  const { code, text } = await verify(killed, false);
  assert.equal(code, 1);
  assert.match(text, /t\/orders +0–1 +1 +good, end uncertain/);
  assert.match(
    text,
    /BAD {2}catalog: positions \d+ to \d+ can't be read, data-00000001 at byte \d+/,
  );
  assert.match(text, /The journal is rotten: .* remove it and add it again .* restore a backup\./);
  const report = JSON.parse((await verify(killed, true)).text);
  assert.deepEqual(report.bad.map(({ log }: { log: string }) => log), ["catalog"]);
  await assert.rejects(Walrus.open({ dataDir: killed }), {
    name: "CorruptionError",
    message: /journal is corrupt in data-00000001 at byte \d+\. .*remove-node.*backup/,
  });
  for (const directory of [dataDir, killed]) await Deno.remove(directory, { recursive: true });
});

Deno.test("runVerify() refuses what is no store, and does not make one", async () => {
  const directory = await Deno.makeTempDir();
  await assert.rejects(verify(`${directory}/nothing`, false), { name: "FailureError" });
  await assert.rejects(Deno.stat(`${directory}/nothing`));
  await Deno.remove(directory, { recursive: true });
});
