/**
 * Damages a copy of a {@link SmallStore} in one place, opens it, reads everything, and judges what came.
 *
 * What may come: all of it; an error that names the place; records that can't be read, with the place; or a
 * log that ends too early and says so, where the damaged bytes can't be told from a write that a crash
 * cut short. What may never come: another record than was appended, a record less without a word, an error
 * that is no answer to damage, or no end.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32cByTables } from "../crc32c.ts";
import { RealClock } from "../../world/real/mod.ts";
import type { Disk } from "../../world/mod.ts";
import type { SimDrive } from "../../world/sim/mod.ts";
import { CursorLog } from "../library/cursor_log.ts";
import {
  type BadFrame,
  batchOf,
  CorruptionError,
  ForeignDirectoryError,
  type Log,
  type LogStore,
  openLogStore,
  RecordReader,
  type VerifyReport,
  verifyStore,
} from "../mod.ts";
import { SeededRandom } from "../../world/sim/mod.ts";
import {
  driveOf,
  SMALL_CURSOR_BYTES_MAX,
  SMALL_LIMITS,
  type SmallLog,
  type SmallRecord,
  type SmallStore,
} from "./small_store.ts";

/** What happens to one file. */
export type Damage =
  | { kind: "flip"; file: string; at: number; bit: number }
  | { kind: "cut"; file: string; at: number };

/** What came of it: the worst of all logs. */
export type Outcome =
  /** Everything is there. */
  | "whole"
  /** A log ended early, or its read position went back, and was said to. */
  | "cut"
  /** Records can't be read, and reads of them say where. */
  | "unreadable"
  /** The store does not open, and says why. */
  | "refused";

const OUTCOMES: readonly Outcome[] = ["whole", "cut", "unreadable", "refused"];
/** More calls than any opening and reading of a store this small takes. */
const DISK_CALLS_MAX = 5000;
/** Where the message of a refusal says what is wrong. */
const PLACE = /data-\d{8} .*byte \d+|checkpoint-[ab]/;
const JOURNAL = "catalog";
const CURSORS = "c";

/** For a message: what was done. */
export function describeDamage(damage: Damage): string {
  return damage.kind === "flip"
    ? `bit ${damage.bit} of byte ${damage.at} of ${damage.file} flipped`
    : `${damage.file} cut at ${damage.at}`;
}

/** Does it, and throws where the answer is a wrong one. */
export async function tryDamage(store: SmallStore, damage: Damage): Promise<Outcome> {
  const drive = driveOf(store.files);
  if (damage.kind === "flip") drive.flipBit(damage.file, damage.at, damage.bit);
  else drive.cutFile(damage.file, damage.at);
  try {
    return await new DamageTrial(store, drive, damage).run();
  } catch (error) {
    throw new Error(describeDamage(damage), { cause: error });
  }
}

class DamageTrial {
  readonly #expected: SmallStore;
  readonly #drive: SimDrive;
  readonly #damage: Damage;
  #outcome: Outcome = "whole";
  /** Appends of which something is gone for good. */
  readonly #lost = new Set<number>();

  constructor(expected: SmallStore, drive: SimDrive, damage: Damage) {
    this.#expected = expected;
    this.#drive = drive;
    this.#damage = damage;
  }

  async run(): Promise<Outcome> {
    const verified = await this.#verify();
    const store = await this.#open();
    if (store === null) return this.#outcome;
    for (const [name, expected] of this.#expected.logs) {
      await this.#checkLog(store, { name, expected });
    }
    for (const { name } of store.list()) {
      // A deletion that the torn journal had may be undone; a log that nobody made may not come.
      const isKnown = this.#expected.logs.has(name) || name === CURSORS || name === "gone";
      assert(isKnown, `a log ${name} that nobody made`);
      if (name === "gone") assert(isTorn(store, JOURNAL), "a deleted log is back without a word");
    }
    await this.#checkCursors(store);
    // A crash can cut short what one commit wrote, no more: what came before it was synced.
    if (this.#damage.kind === "flip") assert(this.#lost.size <= 1, `lost: ${[...this.#lost]}`);
    if (this.#outcome !== "whole") {
      assert(verified === null || verified.bad.length > 0, "verify finds it as well");
    }
    await this.#liveOn(store);
    return this.#outcome;
  }

  #note(outcome: Outcome): void {
    if (OUTCOMES.indexOf(outcome) > OUTCOMES.indexOf(this.#outcome)) this.#outcome = outcome;
  }

  #lose({ append }: { append: number }): void {
    this.#note("cut");
    this.#lost.add(append);
  }

  async #verify(): Promise<VerifyReport | null> {
    const before = new Map(this.#drive.names().map((name) => [name, this.#drive.copyFile(name)]));
    const disk = bounded(this.#drive.mount());
    try {
      const report = await verifyStore({
        disk,
        clock: new RealClock(),
        crc: crc32cByTables,
        limits: SMALL_LIMITS,
      });
      assert(report !== null, "verify sees that there is a store");
      for (const bad of report.bad) mustHavePlace(bad);
      return report;
    } catch (error) {
      mustBeRefusal(error);
      return null;
    } finally {
      this.#drive.kill();
      for (const [name, bytes] of before) {
        assert(Buffer.compare(bytes, this.#drive.copyFile(name)) === 0, "verify changes nothing");
      }
    }
  }

  async #open(): Promise<LogStore | null> {
    this.#drive.kill();
    const disk = bounded(this.#drive.mount());
    const world = { disk, clock: new RealClock(), random: new SeededRandom(3) };
    try {
      return await openLogStore(world, { limits: SMALL_LIMITS });
    } catch (error) {
      mustBeRefusal(error);
      this.#note("refused");
      return null;
    }
  }

  async #checkLog(
    store: LogStore,
    { name, expected }: { name: string; expected: SmallLog },
  ): Promise<void> {
    const log = store.get(name);
    const { records } = expected;
    const end = log?.endPosition ?? 0;
    const start = log?.startPosition ?? 0;
    if (end > records.length) {
      // Only a cut that is gone with the journal's tail could bring back what was cut.
      assert(isTorn(store, JOURNAL), `${name} has ${end} records of ${records.length}`);
      this.#note("cut");
    }
    if (start !== expected.startPosition) {
      assert(start < expected.startPosition, `${name} begins at ${start}`);
      assert(isTorn(store, JOURNAL), `the head of ${name} is back without a word`);
      this.#note("cut");
    }
    if (end < records.length) {
      assert(isTorn(store, name) || isTorn(store, JOURNAL), `${name} ends at ${end} in silence`);
      assert(log === undefined || !log.certain, `${name} is certain and is not whole`);
      this.#note("cut");
      for (const record of records.slice(end)) this.#lose(record);
    }
    if (log === undefined) return;
    for (let position = start; position < Math.min(end, records.length); position++) {
      if (position < expected.startPosition) continue;
      const former = isTorn(store, JOURNAL) ? expected.former.get(position) : undefined;
      await this.#checkRecord(log, position, { records, former });
    }
  }

  async #checkRecord(
    log: Log,
    position: number,
    { records, former }: { records: readonly SmallRecord[]; former: SmallRecord | undefined },
  ): Promise<void> {
    try {
      const run = await log.read(position, { maxBytes: 1, maxRecords: 1 });
      assert(run.count === 1 && run.firstPosition === position, `one record at ${position}`);
      const reader = new RecordReader(run.bytes);
      assert(reader.next());
      const isOne = ({ kind, payload }: SmallRecord) =>
        Buffer.compare(payload, reader.payload()) === 0 &&
        reader.isControl === (kind === "control");
      const record = records[position]!;
      const isFormer = !isOne(record) && former !== undefined && isOne(former);
      if (isFormer) return this.#lose(record);
      assert(isOne(record), `${log.name} at ${position}: another record than was appended`);
      const offset = records.slice(0, position).filter(({ kind }) => kind === "entry").length;
      assert.equal(run.firstOffset, offset, `the offset at ${position} of ${log.name}`);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.#note("unreadable");
      const isSaid = log.damage.some(({ firstPosition, endPosition }) =>
        firstPosition <= position && position < endPosition
      );
      assert(isSaid && !log.certain, `${log.name} at ${position}: damage that is not noted`);
      assert.match(error.message, PLACE);
    }
  }

  /** An entry that comes again was announced; one that is passed over is a loss. */
  async #checkCursors(store: LogStore): Promise<void> {
    const positions = await CursorLog.open(store, { bytesMax: SMALL_CURSOR_BYTES_MAX });
    for (const [topic, { offset, append }] of this.#expected.cursors) {
      const got = positions.get(topic);
      if (got === offset) continue;
      assert(got < offset, `the position of ${topic} is ${got}, not ${offset}`);
      const log = store.get(CURSORS);
      const isSaid = isTorn(store, CURSORS) || isTorn(store, JOURNAL) ||
        (log !== undefined && log.damage.length > 0);
      assert(isSaid, `the position of ${topic} goes back without a word`);
      this.#note("cut");
      if (log === undefined || log.damage.length === 0) this.#lost.add(append);
    }
  }

  /** What is there stays there, and what is appended now is there after a power loss. */
  async #liveOn(store: LogStore): Promise<void> {
    const ends = new Map<string, number>();
    const batch = batchOf(new Uint8Array(20).fill(7));
    for (const log of store.list()) {
      const end = log.endPosition;
      assert.equal(await log.append(batch), end);
      ends.set(log.name, end);
    }
    this.#drive.crash("lost");
    const again: LogStore | null = await this.#open();
    assert(again !== null, "a store that opened once opens again");
    for (const [name, end] of ends) {
      const log: Log = again.get(name)!;
      assert.equal(log.endPosition, end + 1, `${name}: the end after a second opening`);
      const run = await log.read(end, { maxBytes: 100 });
      assert.equal(run.bytes[4], 7);
    }
  }
}

function isTorn(store: LogStore, name: string): boolean {
  return store.recovery.torn.some(({ log }) => log === name);
}

function mustBeRefusal(error: unknown): void {
  const isRefusal = error instanceof CorruptionError || error instanceof ForeignDirectoryError;
  if (!isRefusal) throw error;
  assert.match(error.message, PLACE);
}

function mustHavePlace({ file, fileOffset }: BadFrame): void {
  assert.match(file, /^data-\d{8}$/);
  assert(Number.isSafeInteger(fileOffset) && fileOffset >= 0);
}

/** Ends what has no end. */
function bounded(disk: Disk): Disk {
  let calls = 0;
  return new Proxy(disk, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      assert(++calls < DISK_CALLS_MAX, "a small store takes few calls to the disk");
      return value.bind(target);
    },
  });
}
