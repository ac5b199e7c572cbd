import assert from "node:assert/strict";
import { argumentsFor } from "./main.ts";
import { buildPeer, peerArguments, runPeer } from "./mod.ts";

// The others take long to build; `deno run -A tests/peers/mod.ts` tries them all.
const loop = await buildPeer("pwrite_loop");

Deno.test("peerArguments() names what is given and nothing else", () => {
  assert.deepEqual(
    peerArguments({ threads: 2, sync: 200, minBytes: 1 }, "/somewhere"),
    ["--dir", "/somewhere", "--threads", "2", "--min", "1", "--sync", "200"],
  );
});

Deno.test({
  name: `runPeer() runs a peer and clears up behind it${
    loop.ok ? "" : ` (skipped: ${loop.reason})`
  }`,
  ignore: !loop.ok,
  fn: async () => {
    assert(loop.ok);
    const directory = await Deno.makeTempDir({ prefix: "walrus_peers_" });
    try {
      const result = await runPeer(loop, {
        directory,
        threads: 2,
        count: 20,
        batch: 5,
        minBytes: 100,
        maxBytes: 100,
      });
      assert.equal(result.peer, "pwrite_loop");
      assert.equal(result.entries, 20);
      assert.equal(result.bytes, 2000);
      assert(result.seconds > 0 && result.p50Us > 0 && result.p999Us >= result.p50Us);
      assert.deepEqual([...Deno.readDirSync(directory)], []);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test("argumentsFor() hands on the flags that a part takes, with their values", () => {
  const args = ["--seconds", "2", "--gigabytes", "4", "--json"];
  assert.deepEqual(argumentsFor(["seconds", "json"], args), ["--seconds", "2", "--json"]);
});
