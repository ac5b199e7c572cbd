import { MalformedError } from "../world/mod.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeConfiguration } from "./config_history.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import type { Configuration } from "./membership.ts";
import { decodeMessage, encodeMessage } from "./message_codec.ts";
import type { Entry, Message } from "./messages.ts";

const id = fc.integer({ min: 1, max: 0xffff_ffff });
const number = fc.oneof(fc.nat(1000), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 50 });
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 4 }).map((list) =>
  list.sort((a, b) => a - b)
);
const config: fc.Arbitrary<Configuration> = fc.record({ voters: ids, votersOutgoing: ids }).map(
  (halves) => ({ ...halves, learners: [] }),
);
const envelope = { from: id, to: id, term: fc.nat({ max: 2 ** 31 - 1 }) };

const append: fc.Arbitrary<Message> = fc.record({
  ...envelope,
  prevIndex: fc.nat(100_000),
  prevTerm: fc.nat(50),
  committed: number,
  list: fc.array(fc.record({ step: fc.nat(3), data: bytes, config, kind: fc.nat(2) }), {
    maxLength: 5,
  }),
}).map(({ list, ...rest }) => {
  let term = rest.prevTerm;
  const entries = list.map(({ step, data, config, kind }, i): Entry => {
    term += step;
    const index = rest.prevIndex + 1 + i;
    if (kind === 0) return { index, term, kind: "command", data };
    if (kind === 1) return { index, term, kind: "noop", data: new Uint8Array(0) };
    return { index, term, kind: "config", data: encodeConfiguration(config) };
  });
  return { type: "AppendRequest", ...rest, term: Math.max(rest.term, term), entries };
});

const chunk: fc.Arbitrary<Message> = fc.record({
  ...envelope,
  index: fc.integer({ min: 1, max: 1e9 }),
  config,
  offset: fc.nat(1000),
  rest: fc.nat(1000),
  data: bytes,
}).map(({ rest, ...given }) => ({
  type: "SnapshotChunk",
  ...given,
  term: Math.max(given.term, 1),
  indexTerm: 1,
  totalBytes: given.offset + given.data.length + rest,
}));

function of<T extends Message["type"]>(type: T, fields: object): fc.Arbitrary<Message> {
  return fc.record({ type: fc.constant(type), ...envelope, ...fields }) as fc.Arbitrary<Message>;
}

const flag = fc.boolean();
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  chunk,
  of("VoteRequest", { preVote: flag, transfer: flag, lastIndex: number, lastTerm: number }),
  of("VoteReply", { preVote: flag, granted: flag }),
  of("AppendReply", { rejected: flag, index: number, hintIndex: number, hintTerm: number }),
  of("Heartbeat", { committed: number, round: number }),
  of("HeartbeatReply", { round: number }),
  of("SnapshotReply", { index: number, nextOffset: number }),
  of("TimeoutNow", {}),
  of("ReadRequest", { requestId: number }),
  of("ReadReply", { requestId: number, index: number }),
);

Deno.test("decodeMessage() gives back what encodeMessage() took", () => {
  fc.assert(
    fc.property(message, (message) => {
      assert.deepEqual(decodeMessage(encodeMessage(message)), { ...message });
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decodeMessage() refuses a message that is cut short or too long", () => {
  fc.assert(
    fc.property(message, fc.nat(200), (message, cut) => {
      const whole = encodeMessage(message);
      const short = whole.subarray(0, Math.min(cut, whole.length - 1));
      assert.throws(() => decodeMessage(short), MalformedError);
      assert.throws(() => decodeMessage(new Uint8Array([...whole, 0])), MalformedError);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeMessage() takes any bytes, or says that they are malformed", () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      // What it accepts is a message that would be encoded the same.
      assert.deepEqual(encodeMessage(decodeMessage(bytes)), bytes);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), attempt), { numRuns: 2000 });
  fc.assert(
    fc.property(
      message,
      fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 4 }),
      (m, flips) => {
        const bytes = encodeMessage(m).slice();
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
        attempt(bytes);
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("decodeMessage() refuses one that is larger than may come, without reading it", () => {
  assert.throws(() => decodeMessage(new Uint8Array(MAX_MESSAGE_BYTES + 1)), MalformedError);
});

Deno.test("decodeMessage() keeps nothing of its input", () => {
  const entry: Entry = { index: 2, term: 1, kind: "command", data: new Uint8Array([7]) };
  const bytes = encodeMessage({
    type: "AppendRequest",
    from: 1,
    to: 2,
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    committed: 0,
    entries: [entry],
  });
  const decoded = decodeMessage(bytes);
  bytes.fill(0);
  assert.deepEqual(decoded.type === "AppendRequest" && decoded.entries, [entry]);
});
