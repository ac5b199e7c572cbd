import assert from "node:assert/strict";
import { batchOf, crc32cByTables, openLogStore } from "../../storage/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import {
  type Command,
  encodeCommand,
  KEEP_ALL,
  METADATA_FORMAT,
  MetadataMachine,
} from "../metadata/mod.ts";
import { AppendMeter } from "./append_meter.ts";
import { Fences } from "./fences.ts";
import type { Leases } from "./leases.ts";
import type { SegmentContext } from "./open_segment.ts";
import { Replicas } from "./replicas.ts";
import { Segments } from "./segments.ts";

const NODE: Command = {
  kind: "registerNode",
  id: 1,
  run: "run",
  incarnation: "incarnation",
  raftHost: "n1",
  raftPort: 1,
  clientHost: "n1",
  clientPort: 2,
};
const DELETE: Command = { kind: "deleteTopic", topic: "t", bornSegment: 1 };
const NEVER = () => Promise.reject(new Error("nobody is there"));

function createT(firstSegment: number): Command {
  return {
    kind: "createTopic",
    topic: "t",
    replicationFactor: 1,
    durability: null,
    leader: 1,
    replicas: [1],
    firstSegment,
    retention: KEEP_ALL,
  };
}

/** Node 1, which leads and holds all that it has. */
class Lone {
  readonly clock = new SimClock();
  readonly machine = new MetadataMachine();
  segments!: Segments;
  #index = 0;

  static async start(): Promise<Lone> {
    const lone = new Lone();
    const { clock, machine } = lone;
    lone.apply({ kind: "raiseFormat", format: METADATA_FORMAT });
    lone.apply(NODE);
    lone.apply(createT(1));
    const random = new SeededRandom(1);
    const disk = new SimDrive({ clock, random }).mount();
    const store = await clock.settle(openLogStore({ disk, clock, random }));
    const fences = await clock.settle(Fences.open(store));
    const replicas = new Replicas({
      nodeId: 1,
      store,
      fences,
      metadata: () => machine.state,
      fetch: NEVER,
      digestAt: NEVER,
      crc32c: crc32cByTables,
      onFenced: () => {},
      clock,
      logger: silentLogger,
    });
    const metadata = {
      get state() {
        return machine.state;
      },
    } as SegmentContext["metadata"];
    lone.segments = new Segments({
      nodeId: 1,
      runId: "run",
      store,
      leases: { isValid: true } as Leases,
      metadata,
      clock,
      logger: silentLogger,
      meter: new AppendMeter(),
      limits: { entries: 1000, bytes: 1_000_000 },
      link: { probe: NEVER, send: NEVER },
      placeNext: () => ({ leader: 1, replicas: [1] }),
      sourceOf: () => ({ read: NEVER }),
      onReadable: () => {},
    }, { replicas, fences });
    replicas.start();
    lone.segments.start();
    await clock.runFor(100);
    return lone;
  }

  apply(command: Command): void {
    assert.deepEqual(this.machine.apply(++this.#index, encodeCommand(command, METADATA_FORMAT)), {
      ok: true,
    });
  }

  /** Has these commands applied elsewhere, and a snapshot behind them come here. */
  async restoreBehind(commands: Command[]): Promise<void> {
    const elsewhere = new MetadataMachine();
    elsewhere.restore(this.machine.snapshot(), this.#index);
    for (const command of commands) {
      elsewhere.apply(++this.#index, encodeCommand(command, METADATA_FORMAT));
    }
    this.machine.restore(elsewhere.snapshot(), this.#index);
    this.segments.metadataChanged();
    await this.clock.runFor(100);
  }
}

const entry = batchOf(new Uint8Array(10));

Deno.test("Segments.metadataChanged() ends what is led of a topic that a snapshot lacks", async () => {
  const lone = await Lone.start();
  const { clock, segments } = lone;
  const { writer } = segments.led("t")!;
  await clock.settle(writer.append(entry));
  await lone.restoreBehind([DELETE]);
  assert.ok(segments.led("t") === undefined);
  await clock.settle(assert.rejects(writer.append(entry), /closed/));
  segments.check(() => true);
});

Deno.test("Segments.metadataChanged() leads the next topic of a name where a snapshot jumped over the deletion", async () => {
  const lone = await Lone.start();
  const { clock, segments } = lone;
  const { writer } = segments.led("t")!;
  await clock.settle(writer.append(entry));
  await lone.restoreBehind([DELETE, createT(2)]);
  await clock.settle(assert.rejects(writer.append(entry), /closed/));
  assert.equal(segments.led("t")?.number, 2);
  await clock.settle(segments.led("t")!.writer.append(entry));
});
