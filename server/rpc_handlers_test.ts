import assert from "node:assert/strict";
import { Departures } from "./membership/mod.ts";
import { METHOD, writeLeave } from "./messages.ts";
import { AsksUnderWay } from "./routing/asks_under_way.ts";
import { type HandlerParts, handleRpc } from "./rpc_handlers.ts";

/** All that a farewell looks at, in a cluster whose Raft group has no leader. */
function leaderless() {
  const underWay = new AsksUnderWay();
  const departures = new Departures();
  const parts = {
    departures,
    metadata: { refresh: () => Promise.reject(new Error("no leader")) },
    routes: { underWay },
  } as unknown as HandlerParts;
  return { parts, underWay, departures };
}

Deno.test("A farewell is answered when nothing is asked of the node any more, though Raft has no leader", async () => {
  const { parts, underWay, departures } = leaderless();
  underWay.begin(2);
  let isAnswered = false;
  const answer = (handleRpc(parts, 2, METHOD.farewell, writeLeave("run")) as Promise<Uint8Array>)
    .finally(() => isAnswered = true);
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(isAnswered, false);
  underWay.end(2);
  assert.equal((await answer).length, 0);
  assert.ok(departures.has({ id: 2, run: "run" } as Parameters<Departures["has"]>[0]));
});
