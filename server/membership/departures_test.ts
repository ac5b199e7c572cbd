import assert from "node:assert/strict";
import { Departures } from "./departures.ts";

Deno.test("Departures.has() speaks of the run that said so, and not of the next", () => {
  const departures = new Departures();
  const node = {
    id: 2,
    incarnation: "disk",
    raftHost: "h",
    raftPort: 1,
    clientHost: "h",
    clientPort: 2,
    run: "first",
  };
  assert.equal(departures.has(node), false);
  departures.note(2, "first");
  assert.equal(departures.has(node), true);
  assert.equal(departures.has({ ...node, id: 3 }), false);
  assert.equal(departures.has({ ...node, run: "second" }), false);
});
