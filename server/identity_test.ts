import assert from "node:assert/strict";
import { ForeignDirectoryError } from "../storage/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import { openIdentity } from "./identity.ts";

function newDrive(): SimDrive {
  return new SimDrive({ clock: new SimClock(), random: new SeededRandom("identity") });
}

Deno.test("openIdentity() makes an identity once, and reads it back with what was saved since", async () => {
  const drive = newDrive();
  const disk = drive.mount();
  const made = await openIdentity(disk, 3, new SeededRandom("node"));
  made.identity.peers.push({ id: 1, host: "a", port: 6000 });
  await made.save();
  const read = await openIdentity(disk, 3, new SeededRandom("another"));
  assert.deepEqual(read.identity, made.identity);
  await assert.rejects(openIdentity(disk, 4, new SeededRandom("node")), /belongs to node 3, not 4/);
});

Deno.test("openIdentity() refuses a file with any bit turned around", async () => {
  const drive = newDrive();
  const disk = drive.mount();
  await openIdentity(disk, 3, new SeededRandom("node"));
  const length = drive.copyFile("node.json").length;
  // The line's end may be any white space.
  for (let at = 0; at < length - 1; at++) {
    for (let bit = 0; bit < 8; bit++) {
      drive.flipBit("node.json", at, bit);
      await assert.rejects(openIdentity(disk, 3, new SeededRandom("node")), ForeignDirectoryError);
      drive.flipBit("node.json", at, bit);
    }
  }
});

Deno.test("openIdentity() refuses a directory that may not be used any more, and says what to do", async () => {
  const disk = newDrive().mount();
  const made = await openIdentity(disk, 3, new SeededRandom("node"));
  made.identity.unfit = "it has forgotten a vote";
  await made.save();
  await assert.rejects(
    openIdentity(disk, 3, new SeededRandom("node")),
    /it has forgotten a vote\. Remove the node .*remove-node 3.*empty its data directory/,
  );
});
