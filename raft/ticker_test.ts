import assert from "node:assert/strict";
import { SimClock } from "../world/sim/mod.ts";
import { Ticker } from "./ticker.ts";

Deno.test("Ticker rests when it is told to, and ticks again when it is armed", async () => {
  const clock = new SimClock();
  let ticks = 0;
  const ticker = new Ticker({ clock, tickMs: 50, onTick: () => ++ticks % 3 !== 0 });
  await clock.runFor(1000);
  assert.equal(ticks, 0);
  ticker.arm();
  ticker.arm();
  await clock.runFor(1000);
  assert.equal(ticks, 3);
  ticker.arm();
  await clock.runFor(60);
  assert.equal(ticks, 4);
  ticker.stop();
  ticker.arm();
  await clock.runFor(1000);
  assert.equal(ticks, 4);
});
