import { strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { isTopicByte, isTopicName, TopicInterner } from "./topic_name.ts";

Deno.test("isTopicByte() and isTopicName() agree on every byte", () => {
  for (let byte = 0; byte < 256; byte++) {
    strictEqual(isTopicByte(byte), isTopicName(String.fromCharCode(byte)), `byte ${byte}`);
  }
});

Deno.test("isTopicName() bounds the length", () => {
  strictEqual(isTopicName(""), false);
  strictEqual(isTopicName("a".repeat(255)), true);
  strictEqual(isTopicName("a".repeat(256)), false);
  strictEqual(isTopicName("a\n"), false);
});

Deno.test("TopicInterner.intern() gives the name that the bytes spell, in any order", () => {
  const names = fc.string({ unit: fc.constantFrom(..."ab."), minLength: 1, maxLength: 4 });
  fc.assert(fc.property(fc.array(names, { maxLength: 200 }), (sequence) => {
    const interner = new TopicInterner();
    for (const name of sequence) {
      const bytes = new TextEncoder().encode(`  ${name} `);
      strictEqual(interner.intern(bytes, 2, 2 + name.length), name);
    }
  }));
});

Deno.test("TopicInterner.intern() stays right when more names come than it remembers", () => {
  const interner = new TopicInterner();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 3000; i++) {
      const bytes = new TextEncoder().encode(`topic-${i}`);
      strictEqual(interner.intern(bytes, 0, bytes.length), `topic-${i}`);
    }
  }
});
