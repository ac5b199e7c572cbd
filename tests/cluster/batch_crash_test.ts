import assert from "node:assert/strict";
import { appendRequest, askOnce, fetchTopic, pause, RawClient, until, withCluster } from "./mod.ts";

/** Small segments: batches meet rollovers too. */
const ENVIRONMENT = { WALRUS_MAX_SEGMENT_ENTRIES: "200" };
const WRITERS = 6;
/** Requests of a writer that are on their way. */
const DEPTH = 3;
/** Acknowledged batches between two kills: without them a round proves nothing. */
const BETWEEN_KILLS = 40;
/** Sizes of batches in turn: entries, bytes of each. The last is sent to replicas in pieces if it were cut. */
const SHAPES = [[3, 20], [40, 700], [1, 5], [12, 30_000], [7, 0], [30, 60_000], [
  9,
  700_000,
]] as const;

/** One `APPEND` and what became of it. */
interface Attempt {
  name: string;
  entries: number;
  /** As answered; `null` while, or for ever, it isn't known. */
  offset: number | null;
}

/** A writer that outlives its connections. */
async function write(
  name: string,
  options: { ports: readonly number[]; attempts: Attempt[]; isStopping: () => boolean },
): Promise<void> {
  const { ports, attempts, isStopping } = options;
  for (let life = 0; !isStopping(); life++) {
    let client: RawClient;
    try {
      client = await RawClient.connect(ports[life % ports.length]!);
    } catch {
      await pause(20);
      continue;
    }
    const inFlight: Attempt[] = [];
    try {
      for (let number = 0; !isStopping() || inFlight.length > 0;) {
        while (inFlight.length < DEPTH && !isStopping()) {
          const [entries, bytes] = SHAPES[(number + life) % SHAPES.length]!;
          const attempt = { name: `${name}.${life}.${number++}`, entries, offset: null };
          attempts.push(attempt);
          inFlight.push(attempt);
          const batch = Array.from(
            { length: entries },
            (_, index) => `${attempt.name}/${index}/`.padEnd(bytes, "x"),
          );
          await client.send(appendRequest("t", batch));
        }
        const answer = await client.receive();
        if (answer === "(closed)") break;
        const offset = /^OK (\d+)$/.exec(answer)?.[1];
        if (offset !== undefined) inFlight[0]!.offset = Number(offset);
        else assert.match(answer, /^ERR /);
        inFlight.shift();
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    } finally {
      client.close();
    }
  }
}

/** Every batch is whole or absent, an acknowledged one stands at its offset, nothing else is there. */
function check(read: readonly string[], attempts: readonly Attempt[]): void {
  const byName = new Map(attempts.map((attempt) => [attempt.name, attempt]));
  const seen = new Set<string>();
  for (let at = 0; at < read.length;) {
    const [name = "", index] = read[at]!.split("/", 2);
    const attempt = byName.get(name);
    assert.ok(attempt, `${read[at]!.slice(0, 40)} at ${at} was never sent`);
    assert.ok(!seen.has(name), `${name} is there twice`);
    assert.equal(index, "0", `${name} begins at ${at} in its middle`);
    seen.add(name);
    for (let i = 0; i < attempt.entries; i++, at++) {
      assert.equal(read[at]?.split("/", 2).join("/"), `${name}/${i}`, `${name} is cut at ${at}`);
    }
    if (attempt.offset !== null) assert.equal(attempt.offset, at - attempt.entries, name);
  }
  for (const { name, offset } of attempts) {
    if (offset !== null) assert.ok(seen.has(name), `${name} was acknowledged and is lost`);
  }
}

Deno.test("kill -9 of leaders under batches: each batch is there whole or not at all", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const ports = running.clientPorts;
    const attempts: Attempt[] = [];
    let isStopping = false;
    assert.equal(await askOnce(ports[0]!, "REGISTER t"), "OK");
    const acknowledged = () => attempts.filter(({ offset }) => offset !== null).length;
    const more = async () => {
      const goal = acknowledged() + BETWEEN_KILLS;
      await until(`${goal} acknowledged batches`, () => acknowledged() >= goal);
    };
    const writers = Array.from(
      { length: WRITERS },
      (_, i) => write(`w${i}`, { ports, attempts, isStopping: () => isStopping }),
    );
    for (let round = 0; round < 4; round++) {
      await more();
      const { leader_node } = JSON.parse(await askOnce(ports[round % 3]!, "STATE t"));
      await running.nodes[leader_node - 1]!.kill();
      await more();
      await running.restart();
    }
    await more();
    isStopping = true;
    await Promise.all(writers);
    const unknown = attempts.length - acknowledged();
    assert.ok(unknown > 0, "no kill met a batch");
    for (const port of ports) check(await fetchTopic("t", port), attempts);
  });
});

Deno.test("kill -9 of all nodes at once under batches: each batch is there whole or not at all", async () => {
  await withCluster(ENVIRONMENT, async (running) => {
    const ports = running.clientPorts;
    const attempts: Attempt[] = [];
    assert.equal(await askOnce(ports[0]!, "REGISTER t"), "OK");
    for (let round = 0; round < 4; round++) {
      let isStopping = false;
      const writers = Array.from(
        { length: WRITERS },
        (_, i) => write(`r${round}w${i}`, { ports, attempts, isStopping: () => isStopping }),
      );
      const goal = attempts.length + BETWEEN_KILLS;
      await until(`${goal} batches`, () => attempts.length >= goal);
      for (const node of running.nodes) node.signal("SIGKILL");
      isStopping = true;
      await Promise.all([...running.nodes.map((node) => node.exit), ...writers]);
      await running.restart();
    }
    await until("an entry behind the last kill", async () => {
      const last = { name: `last${attempts.length}`, entries: 1, offset: null as number | null };
      attempts.push(last);
      const answer = await askOnce(ports[0]!, appendRequest("t", [`${last.name}/0/`]));
      last.offset = answer.startsWith("OK ") ? Number(answer.slice(3)) : null;
      return last.offset !== null;
    });
    for (const port of ports) check(await fetchTopic("t", port), attempts);
  });
});
