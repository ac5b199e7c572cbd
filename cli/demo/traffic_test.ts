import { rejects, strictEqual, throws } from "node:assert/strict";
import { FakeNode } from "../../client/testing/mod.ts";
import { RealNetwork } from "../../world/real/network.ts";
import { Comparison, consume, mustBeEmpty, produce } from "./traffic.ts";

function topicOf(texts: string[]) {
  const messages = texts.map((text) => new TextEncoder().encode(text));
  return { name: "t", paths: [], messages };
}

async function withNode(test: (node: FakeNode, address: string) => Promise<void>): Promise<void> {
  const node = await FakeNode.start(new RealNetwork(), { host: "127.0.0.1", port: 0 });
  node.topics.set("t", { messages: [], cursor: 0 });
  try {
    await test(node, `127.0.0.1:${node.address.port}`);
  } finally {
    node.stop();
  }
}

const nothing = () => {};

Deno.test("produce() and consume() at once carry every message, in order", async () => {
  await withNode(async (_node, address) => {
    const topic = topicOf(Array.from({ length: 3000 }, (_, i) => `line ${i}\r`));
    const comparison = new Comparison(topic);
    await Promise.all([
      produce(topic, { address, onAcknowledged: nothing }),
      consume(comparison, { address, until: 2000, onChecked: nothing }),
    ]);
    strictEqual(comparison.checked, 2000);
    await consume(comparison, { address, until: 3000, onChecked: nothing });
    strictEqual(comparison.isComplete, true);
    await mustBeEmpty(comparison, address);
  });
});

Deno.test("Comparison.check() finds what is lost, doubled, changed or cut", () => {
  const comparison = new Comparison(topicOf(["a", "b\r", "c"]));
  const message = (text: string) => new TextEncoder().encode(text);
  comparison.check(message("a"));
  throws(() => comparison.check(message("a")), /message 1: sent "b\\r"/);
  throws(() => comparison.check(message("c")), /message 1/);
  throws(() => comparison.check(message("b")), /message 1/);
  comparison.check(message("b\r"));
  comparison.check(message("c"));
  throws(() => comparison.check(message("c")), /more than the 3 messages/);
});

Deno.test("mustBeEmpty() finds a message too many", async () => {
  await withNode(async (node, address) => {
    node.topics.get("t")!.messages.push(new Uint8Array(1));
    await rejects(mustBeEmpty(new Comparison(topicOf([])), address), /more than the 0 messages/);
  });
});
