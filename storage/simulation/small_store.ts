/**
 * A store of a few KiB that has something of everything: several logs, frames in extents and in the journal,
 * a journal that goes on in a second extent, batches of several frames, control records, a cut tail, a
 * trimmed head, a deleted log, read positions, and index checkpoints. What is on its drive is to be damaged.
 *
 * @module
 */

import { RealClock } from "../../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import { CursorLog } from "../library/cursor_log.ts";
import {
  type Log,
  type LogStore,
  openLogStore,
  RecordBatchBuilder,
  type RecordKind,
  type StorageLimits,
  TINY_LIMITS,
} from "../mod.ts";

/** How the store was left. */
export type SmallStoreEnd =
  /** In good order. */
  | "closed"
  /** Killed; the newest frame stands in the journal. */
  | "killed"
  /** Killed; the newest frame stands in its log's own extent. */
  | "killedHome";

/** One record that was acknowledged. */
export interface SmallRecord {
  kind: RecordKind;
  payload: Uint8Array;
  /** Number of the append that brought it, of all appends. */
  append: number;
}

/** What a log must hold. */
export interface SmallLog {
  startPosition: number;
  /** From position 0 on, those before `startPosition` too. */
  records: SmallRecord[];
  /** What a cut of the tail took away: it may come back when the journal loses the cut. */
  former: ReadonlyMap<number, SmallRecord>;
}

/** A store that nobody has open. */
export interface SmallStore {
  files: ReadonlyMap<string, Uint8Array>;
  logs: ReadonlyMap<string, SmallLog>;
  /** Read positions by topic, and the append that brought each. */
  cursors: ReadonlyMap<string, { offset: number; append: number }>;
}

/** So small that the whole is a few KiB. */
export const SMALL_LIMITS: StorageLimits = {
  ...TINY_LIMITS,
  fileBytesMin: 16 * 1024,
  fileBytesMax: 16 * 1024,
  extentBytesMax: 4 * 1024,
  frameBytesTarget: 256,
  homeBytesMin: 400,
  awayBytesMax: 1024 * 1024,
  checkpointEveryBytes: 1024 * 1024,
  checkpointEveryJournalBytesMin: 1024 * 1024,
  checkpointEveryJournalBytes: 1024 * 1024,
  indexStrideBytes: 256,
  recoveryProbeBytes: 128,
  zeroAheadBytes: 0,
};

/** Bytes of read positions that are kept before they are written anew. */
export const SMALL_CURSOR_BYTES_MAX = 1 << 20;

/** Opens what is on the drive; whoever had it before is killed. */
export function openSmall(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: SMALL_LIMITS });
}

/** A drive with these files on it. */
export function driveOf(files: ReadonlyMap<string, Uint8Array>): SimDrive {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  for (const [name, bytes] of files) drive.putFile(name, bytes);
  return drive;
}

/** Makes the store, in two lives. */
export async function makeSmallStore(end: SmallStoreEnd): Promise<SmallStore> {
  const maker = new SmallStoreMaker();
  await maker.open();
  for (const name of ["x", "y", "gone"]) maker.create(name);
  for (const bytes of [30, 60, 450]) await maker.append("x", [bytes]);
  await maker.append("y", [500]);
  await maker.append("gone", [20]);
  await maker.append("x", [20, 30, 40]);
  await maker.append("x", [10], "control");
  await maker.move("x", 2);
  await maker.close();
  // What the second life adds, only the journal and the tails know.
  await maker.open();
  for (const bytes of [40, 8, 120]) await maker.append("x", [bytes]);
  await maker.append("y", [420]);
  await maker.append("y", [430, 60]);
  await maker.append("y", [25]);
  await maker.cutTail("y", 2);
  await maker.append("y", [35]);
  await maker.trimHead("x", 4);
  await maker.delete("gone");
  maker.create("z");
  for (let round = 0; round < 18; round++) await maker.append("z", [50 + 7 * round % 90]);
  await maker.append("z", [150, 180, 90]);
  await maker.append("z", [12], "control");
  await maker.move("x", 4);
  for (const bytes of [70, 33]) await maker.append("z", [bytes]);
  await maker.move("z", 3);
  await maker.append("x", [44]);
  await maker.append("z", [21]);
  if (end === "killedHome") await maker.append("y", [460]);
  if (end === "closed") await maker.close();
  return maker.done();
}

class SmallStoreMaker {
  readonly #drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  readonly #logs = new Map<string, SmallLog>();
  readonly #cursors = new Map<string, { offset: number; append: number }>();
  readonly #random = new SeededRandom("payloads");
  #appends = 0;
  #store!: LogStore;
  #positions!: CursorLog;

  async open(): Promise<void> {
    this.#store = await openSmall(this.#drive);
    this.#positions = await CursorLog.open(this.#store, { bytesMax: SMALL_CURSOR_BYTES_MAX });
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  create(name: string): void {
    this.#store.create(name);
    this.#logs.set(name, { startPosition: 0, records: [], former: new Map() });
  }

  async append(
    name: string,
    lengths: readonly number[],
    kind: RecordKind = "entry",
  ): Promise<void> {
    const builder = new RecordBatchBuilder();
    this.#appends++;
    for (const length of lengths) {
      const payload = new Uint8Array(length);
      // No zeroes: what is on disk and zero is nobody's payload.
      for (let at = 0; at < length; at++) payload[at] = 1 + this.#random.below(255);
      builder.add(payload, 0, length, kind);
      this.#logs.get(name)!.records.push({ kind, payload, append: this.#appends });
    }
    await this.#log(name).append(builder);
  }

  async move(topic: string, offset: number): Promise<void> {
    this.#cursors.set(topic, { offset, append: ++this.#appends });
    await this.#positions.move(topic, offset);
  }

  async cutTail(name: string, position: number): Promise<void> {
    this.#appends++;
    await this.#log(name).truncateTail(position);
    const log = this.#logs.get(name)!;
    const gone = log.records.splice(position);
    log.former = new Map(gone.map((record, index) => [position + index, record]));
  }

  async trimHead(name: string, position: number): Promise<void> {
    this.#appends++;
    await this.#log(name).trimHead(position);
    this.#logs.get(name)!.startPosition = position;
  }

  async delete(name: string): Promise<void> {
    this.#appends++;
    await this.#store.delete(name);
    this.#logs.delete(name);
  }

  done(): SmallStore {
    this.#drive.kill();
    const files = this.#drive.names().map((name) => [name, this.#drive.copyFile(name)] as const);
    return { files: new Map(files), logs: this.#logs, cursors: this.#cursors };
  }

  #log(name: string): Log {
    return this.#store.get(name)!;
  }
}
