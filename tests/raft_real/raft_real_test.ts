import assert from "node:assert/strict";
import { MemberError, pause, ProcessGroup } from "./mod.ts";

const COMMANDS = 1000;
const LEADER_LIVES_MS = 2000;
const DURATION_MS = 60_000;
const CLIENTS = 4;

/** Proposes one topic until the group has it, whoever leads, however often the answer is lost. */
async function create(group: ProcessGroup, topic: string): Promise<void> {
  while (true) {
    const leader = group.leader();
    if (leader === undefined) {
      await pause(10);
      continue;
    }
    try {
      await group.ask(leader, { op: "propose", topic, timeoutMs: 2000 }, 3000);
      return;
    } catch (error) {
      if (!(error instanceof MemberError)) throw error;
      await pause(10);
    }
  }
}

Deno.test("Raft on five processes: leaders killed every two seconds, each command applied once everywhere", async () => {
  // Snapshots fall into it.
  const group = await ProcessGroup.start({ size: 5, snapshotEntries: 150 });
  try {
    const endMs = Date.now() + DURATION_MS;
    let kills = 0;
    const restarts: Promise<void>[] = [];
    const restart = async (id: number) => {
      await pause(300);
      await group.startMember(id, { bootstrap: false });
    };
    const killer = (async () => {
      while (Date.now() < endMs) {
        await pause(LEADER_LIVES_MS);
        const leader = group.leader();
        if (leader === undefined) continue;
        await group.kill(leader);
        kills++;
        restarts.push(restart(leader));
      }
      await Promise.all(restarts);
    })();
    let next = 0;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (next < COMMANDS) {
        const topic = `topic-${next++}`;
        await create(group, topic);
        // Spread over the whole time, so that kills fall among them.
        const share = DURATION_MS / COMMANDS * CLIENTS;
        await pause(2 * share * Math.random());
      }
    });
    await Promise.all([killer, ...clients]);
    await create(group, "last");
    const applied = Math.max(
      ...await Promise.all(group.ids.map(async (id) => (await group.state(id)).applied)),
    );
    const states = await Promise.all(group.ids.map(async (id) => {
      const waitEndMs = Date.now() + 15_000;
      while (true) {
        const state = await group.state(id);
        if (state.applied >= applied) return state;
        assert.ok(Date.now() < waitEndMs, `node ${id} lags at ${state.applied} of ${applied}`);
        await pause(20);
      }
    }));
    assert.ok(kills >= 15, `${kills} leaders were killed`);
    for (const state of states) {
      assert.equal(state.topics, COMMANDS + 1);
      assert.deepEqual(state.madeTwice, []);
      assert.equal(state.digest, states[0]!.digest);
    }
  } finally {
    await group.stop();
  }
});
