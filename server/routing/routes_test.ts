import assert from "node:assert/strict";
import { SimClock } from "../../world/sim/mod.ts";
import { OutcomeUnknownError, UnavailableError } from "../errors.ts";
import type { Metadata, SegmentInfo, TopicInfo } from "../metadata/mod.ts";
import { ConnectionLostError, PeerUnavailableError } from "../network/mod.ts";
import { Routes, type RoutesParts } from "./routes.ts";

/** Routes of a node that knows of one topic, which node 2 leads. */
function setUp() {
  const clock = new SimClock();
  const open = { number: 1, leader: 2, count: null } as unknown as SegmentInfo;
  const topic = { name: "t", segments: [open] } as unknown as TopicInfo;
  const metadata = {
    state: { topics: new Map([["t", topic]]) },
    changeOf: (_topic: string, ms: number) => new Promise<void>((done) => clock.after(ms, done)),
  } as unknown as Metadata;
  const parts = { nodeId: 1, metadata, clock, segments: {}, peers: {} } as unknown as RoutesParts;
  const routes = new Routes(parts);
  return { clock, routes };
}

const lost = new ConnectionLostError("it broke");
const isAway = new PeerUnavailableError("it is away");

Deno.test("Routes.ask() repeats a read whose answer was lost, and nothing else", async () => {
  const { clock, routes } = setUp();
  let asked = 0;
  const attempt = () => ++asked === 1 ? Promise.reject(lost) : Promise.resolve("read");
  assert.equal(await clock.settle(routes.ask("t", attempt, { isRead: true })), "read");
  assert.equal(asked, 2);
  asked = 0;
  await assert.rejects(clock.settle(routes.ask("t", attempt)), OutcomeUnknownError);
  assert.equal(asked, 1);
});

Deno.test("Routes.ask() says that nothing was done of what would have done something", async () => {
  const { clock, routes } = setUp();
  const attempt = () => Promise.reject(isAway);
  const isUnavailable = (pattern: RegExp) => (error: unknown) =>
    error instanceof UnavailableError && pattern.test(error.message);
  await assert.rejects(
    clock.settle(routes.ask("t", attempt)),
    isUnavailable(/did not take it .*majority\? Nothing was done$/),
  );
  await assert.rejects(
    clock.settle(routes.ask("t", attempt, { isRead: true })),
    isUnavailable(/did not answer within 5000 ms.*majority\?$/),
  );
});

Deno.test("Routes.ask() counts what is under way to a node until it has its answer", async () => {
  const { clock, routes } = setUp();
  let isOver = false;
  const answered = Promise.withResolvers<string>();
  const ask = routes.ask("t", () => answered.promise);
  await clock.runFor(1);
  routes.underWay.over(2).then(() => isOver = true);
  await clock.runFor(1);
  assert.equal(isOver, false);
  answered.resolve("done");
  await ask;
  await clock.runFor(1);
  assert.equal(isOver, true);
});
