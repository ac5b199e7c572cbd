import assert from "node:assert/strict";
import { KEEP_ALL } from "./metadata/mod.ts";
import { InvalidSettingError } from "./errors.ts";
import { mustAgree, parseTopicSettings } from "./topic_settings.ts";

Deno.test("parseTopicSettings() reads what may be given, in any order, or nothing", () => {
  assert.deepEqual(parseTopicSettings(""), {
    replicationFactor: null,
    durability: null,
    retention: {},
  });
  assert.deepEqual(parseTopicSettings("rf=2 fsync=none"), {
    replicationFactor: 2,
    durability: "none",
    retention: {},
  });
  assert.deepEqual(parseTopicSettings("fsync=200ms"), {
    replicationFactor: null,
    durability: { ms: 200 },
    retention: {},
  });
});

Deno.test("parseTopicSettings() says which word is wrong", () => {
  for (
    const text of [
      "retention_ms=",
      "retention_bytes=-1",
      "retention=5",
      "rf=0",
      "rf=8",
      "rf=x",
      "rf=",
      "fsync=often",
      "fsync=0ms",
      "rf",
      "RF=3",
      "x=1",
    ]
  ) {
    assert.throws(() => parseTopicSettings(text), (error) => {
      assert.ok(error instanceof InvalidSettingError);
      assert.ok(error.message.includes(text), error.message);
      return true;
    });
  }
});

Deno.test("mustAgree() lets a topic be registered again, unless other settings are asked for", () => {
  const topic = {
    name: "t",
    replicationFactor: 3,
    durability: "none" as const,
    segments: [],
    cursors: [],
    bornSegment: 1,
    retention: KEEP_ALL,
  };
  mustAgree(topic, parseTopicSettings(""));
  mustAgree(topic, parseTopicSettings("rf=3 fsync=none"));
  assert.throws(() => mustAgree(topic, parseTopicSettings("rf=1")), /rf=3, not rf=1/);
  assert.throws(() => mustAgree(topic, parseTopicSettings("fsync=each")), /fsync as none/);
});

Deno.test("parseTopicSettings() reads how much is kept; 0 takes the promise back", () => {
  const { retention } = parseTopicSettings("retention_bytes=1000 retention_ms=0 rf=1");
  assert.deepEqual(retention, { bytes: 1000, ms: null });
});
