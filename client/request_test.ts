import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "./frame_reader.ts";
import { COMMANDS, parseRequest, Request } from "./request.ts";
import { unpackEntries } from "./packed_entries.ts";
import { RequestWriter } from "./request_writer.ts";
import { isTopicName } from "./topic_name.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the request is, as plain values. */
function parse(content: string | Uint8Array) {
  const bytes = typeof content === "string" ? encoder.encode(content) : content;
  // Something stands before and behind: the parser must stay within its range.
  const around = new Uint8Array(bytes.length + 20).fill(0x20);
  around.set(bytes, 10);
  const request = new Request();
  const kind = parseRequest(around, 10, 10 + bytes.length, request);
  strictEqual(kind, request.kind);
  return {
    kind,
    topic: decoder.decode(around.subarray(request.topicStart, request.topicEnd)),
    payload: around.slice(request.payloadStart, request.payloadEnd),
    error: request.error,
    count: request.count,
    offset: request.offset,
    maxBytes: request.maxBytes,
    waitMs: request.waitMs,
  };
}

const KINDS_WITHOUT_TOPIC = ["METRICS", "TOPICS", "NODES", "REMOVE-NODE"];

const topicNames = fc.string({
  unit: fc.constantFrom(..."abzABZ019._-"),
  minLength: 1,
  maxLength: 255,
});

Deno.test("parseRequest() reads every command with its topic", () => {
  for (const command of ["REGISTER", "GET", "STATE"]) {
    const got = parse(`${command} web-logs_1.x`);
    strictEqual(got.kind, command);
    strictEqual(got.topic, "web-logs_1.x");
    strictEqual(got.payload.length, 0);
  }
  strictEqual(parse("METRICS").kind, "METRICS");
});

Deno.test("parseRequest() ignores white space behind commands without payload", () => {
  for (const tail of ["\n", "\r\n", " ", " \t\r\n "]) {
    for (const command of ["REGISTER", "GET", "STATE"]) {
      const got = parse(`${command} t${tail}`);
      deepStrictEqual([got.kind, got.topic], [command, "t"]);
    }
    strictEqual(parse(`METRICS${tail}`).kind, "METRICS");
  }
});

Deno.test("parseRequest() reads the commands about the cluster, and a topic's settings", () => {
  strictEqual(parse("TOPICS").kind, "TOPICS");
  strictEqual(parse("NODES\r\n").kind, "NODES");
  const argumentOf = (text: string) => {
    const got = parse(text);
    return [got.kind, got.topic, decoder.decode(got.payload)];
  };
  deepStrictEqual(argumentOf("REMOVE-NODE 42\n"), ["REMOVE-NODE", "", "42"]);
  deepStrictEqual(argumentOf("REGISTER t rf=1 fsync=none \n"), [
    "REGISTER",
    "t",
    "rf=1 fsync=none",
  ]);
  deepStrictEqual(argumentOf("REGISTER t "), ["REGISTER", "t", ""]);
  for (
    const wrong of ["REMOVE-NODE", "REMOVE-NODE x", "REMOVE-NODE 1 2", "REMOVE-NODE 12345678901"]
  ) {
    match(parse(wrong).error, /REMOVE-NODE takes the id of a node/);
  }
  match(parse("TOPICS all").error, /TOPICS takes no argument/);
});

Deno.test("parseRequest() takes every byte behind the topic's space as payload", () => {
  const payloadOf = (text: string) => decoder.decode(parse(text).payload);
  strictEqual(payloadOf("PUT t hello world"), "hello world");
  strictEqual(payloadOf("PUT t  two"), " two");
  strictEqual(payloadOf("PUT t line\r\n"), "line\r\n");
  strictEqual(payloadOf("PUT t trailing  "), "trailing  ");
  const empty = parse("PUT t ");
  deepStrictEqual([empty.kind, empty.payload.length], ["PUT", 0]);
});

Deno.test("parseRequest() says what is wrong and what would be right", () => {
  const cases: [string, RegExp][] = [
    ["", /empty request/],
    ["HELLO t", /unknown command "HELLO".*REGISTER, PUT, GET, STATE, METRICS/],
    ["put t x", /"put": commands are upper-case, send PUT <topic> <payload>/],
    ["Metrics", /upper-case, send METRICS/],
    ["PUTT t x", /unknown command "PUTT"/],
    [" GET t", /unknown command ""/],
    ["GET", /missing topic: GET <topic>/],
    ["GET  ", /missing topic/],
    ["PUT", /missing topic: PUT <topic> <payload>/],
    ["PUT ", /missing topic/],
    ["PUT t", /missing payload/],
    ["PUT t\tx", /bad topic name "t\\tx"/],
    ["PUT ü x", /bad topic name "ü x"/],
    ["PUT  t x", /bad topic name " t x".*one space/],
    ["GET a/b", /bad topic name "a\/b"/],
    ["GET a b", /GET takes a topic and nothing more/],
    ["METRICS now", /METRICS takes no argument/],
    [`GET ${"a".repeat(256)}`, /256 bytes is too long/],
    [`PUT ${"a".repeat(256)} x`, /256 bytes is too long/],
  ];
  for (const [request, message] of cases) {
    const got = parse(request);
    strictEqual(got.kind, "error", request);
    match(got.error, message);
  }
  strictEqual(parse(`GET ${"a".repeat(255)}`).kind, "GET");
});

Deno.test("parseRequest() quotes little of what was sent, and nothing that moves a terminal", () => {
  const got = parse(`\u001b[2J\u009b${"x".repeat(1000)}`);
  ok(got.error.length < 200);
  ok(!/\p{Cc}/u.test(got.error), got.error);
});

Deno.test("parseRequest() survives any bytes and stays within them", () => {
  const commandThenBytes = fc.tuple(
    fc.constantFrom(...COMMANDS, "PUT t", "PU", "get"),
    fc.uint8Array({ maxLength: 300 }),
  ).map(([word, rest]) => Uint8Array.from([...encoder.encode(word), ...rest]));
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), commandThenBytes), (bytes) => {
    const got = parse(bytes);
    if (got.kind === "error") ok(got.error.length > 0);
    else if (!KINDS_WITHOUT_TOPIC.includes(got.kind)) ok(isTopicName(got.topic), got.topic);
  }));
});

Deno.test("RequestWriter and parseRequest() agree on any topic and payload", () => {
  fc.assert(fc.property(topicNames, fc.uint8Array({ maxLength: 2000 }), (topic, payload) => {
    const writer = new RequestWriter();
    writer.addTopicRequest("REGISTER", topic);
    writer.addPut(topic, payload);
    writer.addPut(topic, payload);
    writer.addTopicRequest("GET", topic);
    writer.addTopicRequest("STATE", topic);
    writer.addMetrics();
    const reader = new FrameReader();
    reader.push(writer.bytes);
    const got = [];
    while (reader.next() === "frame") got.push(parse(reader.bytes.slice(reader.start, reader.end)));
    deepStrictEqual(got.map((request) => request.kind), [
      "REGISTER",
      "PUT",
      "PUT",
      "GET",
      "STATE",
      "METRICS",
    ]);
    deepStrictEqual(got.map((request) => request.topic), [topic, topic, topic, topic, topic, ""]);
    deepStrictEqual(got[1]!.payload, payload);
    deepStrictEqual(got[2]!.payload, payload);
  }));
});

Deno.test("RequestWriter writes the bytes that PROTOCOL promises", () => {
  const writer = new RequestWriter();
  writer.addPut("logs", encoder.encode("hi"));
  deepStrictEqual(writer.bytes, Uint8Array.from([11, 0, 0, 0, ...encoder.encode("PUT logs hi")]));
});

Deno.test("RequestWriter and parseRequest() agree on any batch", () => {
  const batches = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 50 });
  fc.assert(fc.property(topicNames, batches, (topic, batch) => {
    const writer = new RequestWriter();
    writer.addAppend(topic, batch);
    const got = parse(writer.bytes.slice(4));
    deepStrictEqual([got.kind, got.topic, got.count], ["APPEND", topic, batch.length]);
    deepStrictEqual(unpackEntries(got.payload, got.count), batch);
  }));
});

Deno.test("parseRequest() takes no batch that was cut, lengthened or changed in a length", () => {
  const batches = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 9 });
  fc.assert(fc.property(batches, fc.nat(), fc.integer({ min: 1, max: 255 }), (batch, at, by) => {
    const writer = new RequestWriter();
    writer.addAppend("t", batch);
    const whole = writer.bytes.slice(4);
    const headBytes = `APPEND t ${batch.length} `.length;
    const packedLength = whole.length - headBytes;
    const cut = whole.subarray(0, whole.length - 1 - at % packedLength);
    strictEqual(parse(cut).kind, "error");
    strictEqual(parse(Uint8Array.from([...whole, by])).kind, "error");
    // A changed length may only be taken where the packed entries still end at the end.
    const changed = whole.slice();
    const place = headBytes + at % packedLength;
    changed[place] = changed[place]! ^ by;
    const got = parse(changed);
    if (got.kind === "error") match(got.error, /^APPEND: /);
    else unpackEntries(got.payload, got.count);
  }));
});

Deno.test("parseRequest() reads the limits of a fetch, bounds them, and says what it does not understand", () => {
  const limitsOf = (text: string) => {
    const { kind, topic, offset, count, maxBytes, waitMs } = parse(`FETCH t ${text}`);
    deepStrictEqual([kind, topic], ["FETCH", "t"]);
    return [offset, count, maxBytes, waitMs];
  };
  deepStrictEqual(limitsOf("0"), [0, 100_000, 1024 * 1024, 0]);
  deepStrictEqual(limitsOf("9007199254740991\r\n")[0], Number.MAX_SAFE_INTEGER);
  deepStrictEqual(limitsOf("7 wait=20 count=3 bytes=4 "), [7, 3, 4, 20]);
  deepStrictEqual(limitsOf("7 count=1 count=2"), [7, 2, 1024 * 1024, 0]);
  deepStrictEqual(limitsOf("7 wait=999999999 count=999999999 bytes=999999999"), [
    7,
    100_000,
    4 * 1024 * 1024,
    60_000,
  ]);
  for (const wrong of ["x", "-1", "1.5", "99999999999999999999", "1x", "1count=2", ""]) {
    match(parse(`FETCH t ${wrong}`).error, /FETCH (needs the offset|<topic> <offset>)/, wrong);
  }
  for (
    const wrong of ["1 count", "1 count=", "1 count=x", "1 count=0", "1  count=1", "1 Count=1"]
  ) {
    match(parse(`FETCH t ${wrong}`).error, /FETCH does not understand/, wrong);
  }
  strictEqual(parse("OFFSETS t\n").kind, "OFFSETS");
  match(parse("OFFSETS t 1").error, /OFFSETS takes a topic and nothing more/);
});

Deno.test("RequestWriter writes the batch that PROTOCOL.md shows", () => {
  const writer = new RequestWriter();
  writer.addAppend("logs", [encoder.encode("hi"), new Uint8Array(0)]);
  writer.addFetch("logs", 300, { maxEntries: 1 });
  deepStrictEqual(
    writer.bytes,
    Uint8Array.from([
      ...[0x18, 0, 0, 0, ...encoder.encode("APPEND logs 2 "), 2, 0, 0, 0, 0x68, 0x69, 0, 0, 0, 0],
      ...[0x16, 0, 0, 0, ...encoder.encode("FETCH logs 300 count=1")],
    ]),
  );
});
