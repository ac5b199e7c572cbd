/**
 * Measures Raft on three real processes: `deno run -A tests/raft_real/measure.ts`.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { pause, ProcessGroup } from "./mod.ts";

const ROUNDS = 10;

async function untilLeader(group: ProcessGroup, startMs: number): Promise<number> {
  while (group.leader() === undefined) await pause(2);
  return performance.now() - startMs;
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

const group = await ProcessGroup.start({ size: 3, snapshotEntries: 10_000 });
try {
  await pause(2000);
  const idleStart = await Promise.all(group.ids.map((id) => cpuSeconds(group.pid(id))));
  await pause(20_000);
  const idleEnd = await Promise.all(group.ids.map((id) => cpuSeconds(group.pid(id))));
  const idle = idleEnd.map((end, i) => `${((end - idleStart[i]!) / 20 * 100).toFixed(2)} %`);
  console.log(`idle, CPU of a core: ${idle.join(", ")}`);

  for (const clients of [1, 16, 64, 256]) {
    const load = await group.ask(group.leader()!, { op: "load", clients, seconds: 5 }, 30_000);
    console.log(`${clients} clients on the leader:`, JSON.stringify(load));
  }

  const failovers: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await pause(1500);
    const leader = group.leader()!;
    await group.kill(leader);
    failovers.push(Math.round(await untilLeader(group, performance.now())));
    await group.startMember(leader, { bootstrap: false });
  }
  console.log(`new leader after kill -9, ms: ${failovers.join(" ")}`);

  const starts: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(group.ids.map((id) => group.kill(id)));
    await Promise.all(group.ids.map((id) => group.startMember(id, { bootstrap: false })));
    starts.push(Math.round(await untilLeader(group, performance.now())));
  }
  console.log(`first leader after three nodes are open, ms: ${starts.join(" ")}`);
} finally {
  await group.stop();
}
