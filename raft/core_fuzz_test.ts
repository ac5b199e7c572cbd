import assert from "node:assert/strict";
import fc from "fast-check";
import { SeededRandom } from "../world/sim/mod.ts";
import { bootstrapState, EMPTY_STATE, RaftCore } from "./core.ts";
import { configurationOf } from "./membership.ts";
import type { Message } from "./messages.ts";

/** Small numbers that meet the core's own, and now and then one that nobody expects. */
const number = fc.oneof({ weight: 20, arbitrary: fc.nat(8) }, {
  weight: 1,
  arbitrary: fc.constant(2 ** 40),
});
const flag = fc.boolean();

function of<T extends Message["type"]>(type: T, fields: object): fc.Arbitrary<Message> {
  return fc.record({
    type: fc.constant(type),
    from: fc.integer({ min: 2, max: 4 }),
    to: fc.constant(1),
    term: fc.oneof({ weight: 20, arbitrary: fc.nat(5) }, {
      weight: 1,
      arbitrary: fc.constant(2 ** 40),
    }),
    ...fields,
  }) as fc.Arbitrary<Message>;
}

const append = of("AppendRequest", {
  prevIndex: number,
  prevTerm: fc.nat(2),
  // Nothing can be done about a member that lies about what is committed.
  committed: fc.constant(0),
  entries: fc.constant([]),
});

const appendOne = append.filter(({ term }) => term > 0).map((message) =>
  message.type !== "AppendRequest" ? message : {
    ...message,
    prevTerm: Math.min(message.prevTerm, message.term),
    entries: [{
      index: message.prevIndex + 1,
      term: message.term,
      kind: "command" as const,
      data: new Uint8Array(1),
    }],
  }
);

const chunk = of("SnapshotChunk", {
  index: number.map((index) => index + 1),
  indexTerm: fc.constant(1),
  config: fc.constant(configurationOf([1, 2, 3])),
  totalBytes: fc.constant(4),
  offset: fc.constantFrom(0, 2),
  data: fc.constant(new Uint8Array(2)),
}).filter(({ term }) => term > 0);

const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  appendOne,
  chunk,
  of("VoteRequest", { preVote: flag, transfer: flag, lastIndex: number, lastTerm: fc.nat(4) }),
  of("VoteReply", { preVote: flag, granted: flag }),
  of("AppendReply", { rejected: flag, index: number, hintIndex: number, hintTerm: number }),
  of("Heartbeat", { committed: fc.constant(0), round: number }),
  of("HeartbeatReply", { round: number }),
  of("SnapshotReply", { index: number, nextOffset: number }),
  of("TimeoutNow", {}),
  of("ReadRequest", { requestId: number }),
  of("ReadReply", { requestId: number, index: number }),
);

type Step =
  | { message: Message }
  | { ticks: number }
  | { propose: number }
  | { sync: boolean }
  | { wins: true };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: message.map((message) => ({ message })) },
  { weight: 1, arbitrary: fc.nat(25).map((ticks) => ({ ticks })) },
  { weight: 1, arbitrary: fc.nat(5).map((propose) => ({ propose })) },
  { weight: 1, arbitrary: fc.boolean().map((sync) => ({ sync })) },
  { weight: 1, arbitrary: fc.constant({ wins: true as const }) },
);

/** Does what the core says, and sometimes leaves its writes unfinished. */
function drain(core: RaftCore, isSynced: boolean): void {
  for (let ready = core.takeReady(); ready !== null; ready = core.takeReady()) {
    if (ready.persist !== null && isSynced) core.onPersisted(ready.persist.completion);
    const { applied } = core.state.log;
    if (applied % 3 === 1) core.compact(applied, new Uint8Array(25));
  }
}

/** Node 2 gives its vote: by chance alone the core would hardly ever lead. */
function win(core: RaftCore): void {
  core.campaign();
  for (const preVote of [true, false]) {
    drain(core, true);
    const term = core.term + (preVote ? 1 : 0);
    core.step({ type: "VoteReply", from: 2, to: 1, term, preVote, granted: true });
  }
}

Deno.test("RaftCore: whatever a well-formed message says, the core goes on", () => {
  let leaders = 0;
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80, size: "max" }),
      fc.boolean(),
      fc.nat(),
      (steps, isNew, seed) => {
        const core = new RaftCore({
          id: 1,
          random: new SeededRandom(seed),
          restored: isNew ? EMPTY_STATE : bootstrapState([1, 2, 3]),
          limits: { snapshotChunkBytes: 10, retainEntries: 2 },
        });
        let term = 0;
        for (const step of steps) {
          if ("message" in step) core.step(step.message);
          else if ("ticks" in step) { for (let i = 0; i < step.ticks; i++) core.tick(); }
          else if ("propose" in step) core.propose(Array(step.propose).fill(new Uint8Array(3)));
          else if ("wins" in step) win(core);
          if (core.role === "leader") leaders++;
          drain(core, !("sync" in step) || step.sync);
          assert.ok(core.term >= term);
          term = core.term;
        }
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(leaders > 1000, "the core led often enough to be asked as a leader");
});
