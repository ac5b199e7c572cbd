/**
 * Random lives of a store on a simulated drive, checked against {@link LogModel}: operations, then a
 * crash, a kill or a clean close, then what is there again. All of it follows from one seed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Disk, DiskError } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import {
  type Crc32c,
  DiskFullError,
  type Durability,
  type Log,
  type LogStore,
  openLogStore,
  RecordBatchBuilder,
  type StorageLimits,
  StoreFailedError,
  TINY_LIMITS,
} from "../mod.ts";
import { maybeRotIndex } from "./index_rot.ts";
import { compareRun, LogModel, type OpenChange, recordsOf } from "./log_model.ts";
import { RandomBatches } from "./random_batches.ts";

/** What a simulation varies besides what its seed decides. */
export interface SimulationOptions {
  lives?: number;
  stepsPerLife?: number;
  limits?: Partial<StorageLimits>;
  /** Stands between the store and its disk: how canaries are planted. */
  wrapDisk?: (disk: Disk) => Disk;
  crc?: Crc32c;
  /** All logs in this mode; drawn unless given. */
  durability?: Durability;
  /** Room of the drive changes while the store runs, and there may be none when it is opened. */
  withFullDisk?: boolean;
  /** Writes find none although they grow no file. */
  withRefusedWrites?: boolean;
  /** With either of these: logs are cut, trimmed and deleted as well. */
  withRefusedChanges?: boolean;
  /** Now and then a sync or a write fails, and the process is started anew or the power goes. */
  withFailingDisk?: boolean;
  /** After a life one of the two index checkpoints may be rotten. */
  withRottenIndex?: boolean;
}

const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"];
const OPERATIONS_PER_LIFE = 40;
const DURABILITIES: Durability[] = ["each", "each", "each", "none", { ms: 5 }];

/** One seed's store and its model. */
export class StoreSimulation {
  readonly random: SeededRandom;
  readonly clock = new SimClock();
  readonly drive: SimDrive;
  readonly transcript: string[] = [];
  readonly #options: SimulationOptions;
  readonly #batches: RandomBatches;
  readonly #durability: Durability;
  #models = new Map<string, LogModel>();
  #store!: LogStore;
  #boot = 1;
  #failure: unknown = null;
  /** A store has been made. */
  #isMade = false;
  /** The last end was a kill: what was written is in the page cache, and durable once a store was opened. */
  #wasKilled = false;
  /** Nothing was on its way to the disk when the last life ended. */
  #wasQuiet = false;
  #hasDropped = false; // the page cache, what a failed sync had left in it, while the store was opened
  /** Of the drive's failures: those before something was last taken. */
  #failuresPassed = 0;
  /** Where the last life found its journal torn. */
  #journalTorn: LogStore["recovery"]["torn"] = [];

  constructor(seed: string | number, options: SimulationOptions = {}) {
    this.random = new SeededRandom(seed);
    this.#options = options;
    this.#batches = new RandomBatches(this.random);
    this.#durability = options.durability ?? this.#pick(DURABILITIES);
    this.drive = new SimDrive({
      clock: this.clock,
      random: this.random.fork("drive"),
      latencyMs: { min: 0, max: 1 },
    });
  }

  /** Lives and dies. Throws where the store is not what the model says. */
  async run(): Promise<void> {
    const lives = this.#options.lives ?? 4;
    for (let life = 0; life < lives; life++) await this.#live();
    await this.#until(this.#open());
    await this.#checkAll();
    await this.#until(this.#store.close());
  }

  async #live(): Promise<void> {
    await this.#start();
    this.#checkJournal();
    await this.#checkAll();
    const operations = this.random.below(OPERATIONS_PER_LIFE);
    for (let index = 0; index < operations && this.#store.failure === null; index++) {
      await this.#operate();
      if (this.#failure !== null) throw this.#failure;
      if (this.#options.withFullDisk) this.#changeRoom();
      if (this.#options.withRefusedWrites) this.#maybeRefuse();
    }
    const { failure } = this.#store;
    this.drive.clearFaults();
    // What is refused reaches the disk, and is synced, before anybody is told.
    const isUnsettled = this.drive.failures > this.#failuresPassed ||
      this.#options.withRefusedWrites === true &&
        [...this.#models.values()].some((model) =>
          model.refusals.length > 0 || model.acknowledged < model.end
        );
    this.#wasQuiet = failure === null && this.drive.isSynced && !isUnsettled;
    if (failure !== null) return this.#endFailed();
    const end = this.random.below(10);
    if (end < 2) {
      this.drive.capacityBytes = Infinity;
      await this.#settleAll();
      await this.#until(this.#store.close());
      for (const model of this.#models.values()) model.durable = model.acknowledged = model.end;
      for (const model of this.#models.values()) model.isDurable = true;
      this.#note("close");
      this.drive.kill();
    } else if (end < 4) {
      this.#kill();
    } else {
      this.#crash();
    }
    if (!this.#options.withRottenIndex) return;
    const rotten = maybeRotIndex(this.drive, this.random);
    if (rotten !== null) this.#note(`${rotten} rots`);
  }

  /** Opens the store; before it is open, power may fail and the process be killed, again and again. */
  async #start(): Promise<void> {
    const { withFullDisk, withFailingDisk } = this.#options;
    const planFaults = () => {
      this.drive.capacityBytes = Infinity;
      if (withFullDisk && this.#isMade) this.#changeRoom();
      if (!withFailingDisk || this.random.below(3) === 0) return;
      const op = this.random.below(4) === 0 ? "write" : "sync";
      this.drive.fail({ op, code: "Io", after: this.random.below(30) });
    };
    while (this.random.below(5) === 0) {
      planFaults();
      this.#wasQuiet = false;
      this.#open().catch(() => {});
      await this.#steps(this.random.below(40));
      this.drive.clearFaults();
      this.#note("interrupted");
      if (this.random.below(3) === 0) this.drive.kill();
      else this.#crash();
    }
    for (let isOpen = false; !isOpen;) {
      this.#hasDropped = false;
      planFaults();
      const opening = this.#open();
      if (withFailingDisk && this.random.below(4) === 0) {
        opening.catch(() => {});
        await this.#steps(this.random.below(20));
        this.#dropPages();
      }
      isOpen = await this.#until(opening).then(() => true, (error) => {
        const isPlanned = withFailingDisk && error instanceof DiskError && error.code === "Io";
        if (!isPlanned) throw error;
        this.#note("the opening failed");
        this.#wasQuiet = false;
        this.drive.clearFaults();
        if (this.random.below(3) > 0) this.drive.kill();
        else this.#crash();
        if (this.random.below(4) === 0) this.#dropPages();
        return false;
      });
    }
    this.#isMade = true;
    if (!this.#wasKilled) return;
    for (const model of this.#models.values()) {
      model.durable = model.acknowledged;
      if (model.acknowledged > 0) model.isDurable = true;
    }
    this.#wasKilled = false;
  }

  /** As an operator would: starts the process anew, or the machine. */
  #endFailed(): void {
    this.#note("failed");
    if (this.random.below(4) === 0) return this.#crash();
    this.#kill();
    if (this.random.below(3) === 0) this.#dropPages();
  }

  /** The page cache drops clean pages; after a failed sync they are not on disk. */
  #dropPages(): void {
    if (!this.drive.dropCleanPages()) return;
    this.#note("pages are dropped");
    this.#hasDropped = true;
    // What was acknowledged without a sync is not promised where a sync has failed since.
    for (const model of this.#models.values()) model.acknowledged = model.durable;
  }

  #kill(): void {
    this.#note("kill");
    this.drive.kill();
    this.#wasKilled = true;
  }

  #crash(): void {
    this.#note("crash");
    this.#boot++;
    this.#wasKilled = false;
    this.drive.crash(this.#pick([undefined, "subset", "sectors"] as const));
  }

  #changeRoom(): void {
    if (this.random.below(4) > 0) return;
    this.drive.capacityBytes = this.random.below(2) === 0
      ? Infinity
      : this.drive.usedBytes + this.random.below(48) * 1024;
  }

  #maybeRefuse(): void {
    if (this.random.below(8) > 0) return;
    const [after, times] = [this.random.below(8), 1 + this.random.below(3)];
    this.drive.fail({ op: "write", code: "NoSpace", after, times });
  }

  async #open(): Promise<void> {
    const disk = this.drive.mount();
    const { wrapDisk, crc, limits } = this.#options;
    this.#store = await openLogStore({
      disk: wrapDisk ? wrapDisk(disk) : disk,
      clock: this.clock,
      random: this.random,
      ...(crc ? { crc } : {}),
    }, {
      limits: { ...TINY_LIMITS, ...limits },
      durability: this.#durability,
      bootId: `boot ${this.#boot}`,
    });
  }

  async #operate(): Promise<void> {
    const what = this.random.below(100);
    if (what < 62) return await this.#append();
    if (what < 72) return await this.#steps(this.random.below(12));
    if (what < 82) return await this.#read();
    if (what < 86) return await this.#sync();
    if (what < 91) return await this.#change("truncate");
    if (what < 95) return await this.#change("trim");
    if (what < 97) return await this.#change("delete");
    await this.#settleAll();
  }

  async #append(): Promise<void> {
    const model = this.#model();
    if (model.change !== null) return;
    const log = this.#logOf(model);
    const batch = this.#batches.next();
    const builder = new RecordBatchBuilder();
    for (const { kind, payload } of batch) builder.add(payload, 0, payload.length, kind);
    const position = model.end;
    assert.equal(log.endPosition, position, `${model.name}: the end before an append`);
    const records = model.records;
    model.append(batch);
    const end = model.end;
    this.#note(`append ${model.name} ${position} +${batch.length}`);
    const answer = log.append(builder);
    answer.then((at) => {
      assert.equal(at, position, `${model.name}: the position of an append`);
      model.acknowledged = Math.max(model.acknowledged, end);
      this.#failuresPassed = this.drive.failures;
      for (const each of this.#models.values()) each.forgetRefusals({ isSynced: model.isEach });
      if (model.isEach) model.durable = Math.max(model.durable, end);
      if (model.isEach) model.isDurable = true;
    }).catch((error) => {
      if (this.#isPlanned(error)) return;
      if (!(error instanceof DiskFullError)) return this.#failure ??= error;
      // All that was not answered is refused with it, and the log ends where it was.
      if (model.records === records && model.end > log.endPosition) {
        model.refuse(log.endPosition);
      }
    });
    if (this.random.below(3) === 0) await this.#steps(1);
    if (this.#store.backlogged) await this.#until(this.#store.drained());
  }

  async #sync(): Promise<void> {
    const model = this.#model();
    if (model.change !== null) return;
    const [end, log] = [model.end, this.#logOf(model)];
    const last = model.records[end - 1];
    const done = log.sync().then(() => {
      // Refused meanwhile, and perhaps others stand there by now.
      if (log.endPosition < end || model.records[end - 1] !== last) return;
      model.durable = Math.max(model.durable, end);
      model.isDurable = true;
    }, this.#ignorePlanned);
    if (this.random.below(2) === 0) await this.#until(done);
  }

  /** Asks for a structural change, and sometimes waits until it is done. */
  async #change(kind: OpenChange["kind"]): Promise<void> {
    const model = this.#model();
    const { withFullDisk, withRefusedWrites, withRefusedChanges } = this.#options;
    const isLeftOut = (withFullDisk || withRefusedWrites) && !withRefusedChanges;
    if (model.change !== null || isLeftOut) return;
    const log = this.#logOf(model);
    await this.#settle(model);
    const { start, end } = model;
    const position = start + this.random.below(end - start + 1);
    model.change = kind === "delete" ? { kind } : { kind, position };
    this.#note(`${kind} ${model.name} ${position}`);
    const done = kind === "truncate"
      ? log.truncateTail(position)
      : kind === "trim"
      ? log.trimHead(position)
      : this.#store.delete(model.name);
    const answered = done.then(() => {
      model.change = null;
      this.#note(`${kind} ${model.name} done`);
      if (kind === "truncate") model.cut(position);
      else if (kind === "trim") model.start = Math.max(model.start, position);
      else if (this.#models.get(model.name) === model) this.#models.delete(model.name);
    }).catch((error) => {
      if (this.#isPlanned(error)) return;
      if (!(error instanceof DiskFullError)) return this.#failure ??= error;
      this.#note(`${kind} ${model.name} refused`);
      // It shows or it has not happened. The other changes stay open: what is there after the next start tells.
      if (kind !== "truncate") return;
      model.change = null;
      if (log.endPosition < model.end) model.refuse(position, { isCut: true });
    });
    if (this.random.below(3) > 0) await this.#until(answered);
  }

  async #read(): Promise<void> {
    const model = this.#model();
    if (model.change !== null || model.end === model.start) return;
    const log = this.#logOf(model);
    const { end, durable } = model;
    const position = model.start + this.random.below(end - model.start);
    const maxBytes = this.random.below(3000);
    const run = await this.#until(log.read(position, { maxBytes }));
    if (position < durable) assert(run.count > 0, `${model.name}: nothing at ${position}`);
    compareRun(model, run);
    if (run.count > 0 && model.records[position]!.kind === "entry" && model.end === end) {
      const offset = model.offsetAt(position);
      assert.equal(run.firstOffset, offset, `${model.name}: the offset at ${position}`);
      assert.equal(await this.#until(log.positionOfOffset(offset)), position, "by offset");
    }
  }

  /**
   * A life that found its journal torn and no room for a run of its own leaves it as it was: found once more,
   * it keeps the logs uncertain, which no checkpoint could say.
   */
  #checkJournal(): void {
    const torn = this.#store.recovery.torn.filter(({ log }) => log === "catalog");
    if (this.#wasQuiet && torn.length > 0) {
      assert.deepEqual(torn, this.#journalTorn, "a journal that nobody wrote to is as it was");
    }
    this.#journalTorn = torn;
  }

  /** Everything that the store says and holds against the model, as after a start. */
  async #checkAll(): Promise<void> {
    this.#note(`check: ${this.#store.recovery.torn.length} torn`);
    assert.deepEqual(this.#store.recovery.damaged, [], "nothing is rotten on this drive");
    for (const model of [...this.#models.values()]) await this.#check(model);
    for (const { name } of this.#store.list()) {
      assert(this.#models.has(name), `log ${name} is there although nobody made it`);
    }
  }

  async #check(model: LogModel): Promise<void> {
    const { name, change } = model;
    const log = this.#store.get(name);
    if (log === undefined) {
      const mayBeGone = change?.kind === "delete" || !model.isDurable;
      assert(mayBeGone, `log ${name} is gone`);
      assert(change?.kind === "delete" || model.durable === 0, `log ${name} is gone with entries`);
      this.#models.delete(name);
      return;
    }
    const isForgotten = model.isUncertain && log.certain;
    assert(!isForgotten, `${name} may have lost something and says once more that it is certain`);
    // What only the opening saw, that pages changed under it, a full disk can't keep for the next one.
    model.isUncertain = !log.certain && !this.#hasDropped;
    if (model.refusals.length > 0) model.maybeTakeBack(await this.#until(recordsOf(log)));
    model.refusals = [];
    const end = log.endPosition;
    const isCut = change?.kind === "truncate" && end === change.position;
    if (!isCut) {
      assert(end >= model.durable, `${name} ends at ${end}, ${model.durable} were durable`);
      assert(end <= model.end, `${name} ends at ${end}, only ${model.end} were appended`);
      assert(model.batchEnds.has(end), `${name} ends at ${end}, in the middle of a batch`);
      const isWhole = end >= model.acknowledged;
      assert(isWhole || !log.certain, `${name} lost what was acknowledged and says it is certain`);
    }
    const start = log.startPosition;
    const isTrimmed = change?.kind === "trim" && start === Math.max(model.start, change.position);
    assert(start === model.start || isTrimmed, `${name} begins at ${start}, not ${model.start}`);
    model.start = start;
    model.cut(end);
    model.acknowledged = model.durable = end;
    model.isDurable = true;
    model.change = null;
    assert.equal(log.endOffset, model.offsetAt(end), `${name}: entries`);
    assert.equal(log.startOffset, model.offsetAt(start), `${name}: first entry`);
    await this.#readThrough(model, log);
  }

  async #readThrough(model: LogModel, log: Log): Promise<void> {
    let payload = 0;
    for (let position = model.start; position < model.end;) {
      const run = await this.#until(log.read(position, { maxBytes: 2000 }));
      assert(run.count > 0, `${model.name}: nothing at ${position}`);
      compareRun(model, run);
      position += run.count;
    }
    for (const record of model.records.slice(model.start)) payload += record.payload.length;
    assert.equal(log.payloadBytes, payload, `${model.name}: payload bytes`);
    const last = model.records.findLastIndex(({ kind }, at) =>
      kind === "control" && at >= model.start
    );
    const control = await this.#until(log.lastControl());
    assert.equal(control?.position ?? -1, last, `${model.name}: the last control record`);
  }

  #model(): LogModel {
    const name = this.#pick(NAMES);
    let model = this.#models.get(name);
    if (model === undefined) {
      const own = this.#options.durability === undefined && this.random.below(4) === 0
        ? this.#pick(DURABILITIES)
        : undefined;
      model = new LogModel(name, { isEach: (own ?? this.#durability) === "each" });
      this.#models.set(name, model);
      this.#store.create(name, own === undefined ? {} : { durability: own });
    }
    return model;
  }

  #logOf(model: LogModel): Log {
    const log = this.#store.get(model.name);
    assert(log !== undefined, `log ${model.name} is there`);
    return log;
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)]!;
  }

  #note(line: string): void {
    this.transcript.push(line);
  }

  async #settle(model: LogModel): Promise<void> {
    await this.#until(this.#logOf(model).sync().catch(this.#ignorePlanned));
  }

  async #settleAll(): Promise<void> {
    for (const model of [...this.#models.values()]) {
      while (model.change !== null) if (!await this.clock.step()) break;
      if (this.#store.get(model.name) !== undefined) await this.#settle(model);
    }
  }

  /** The disk was made to fail: what was asked for has happened or not. */
  #isPlanned(error: unknown): boolean {
    return this.#options.withFailingDisk === true && error instanceof StoreFailedError;
  }

  readonly #ignorePlanned = (error: unknown): void => {
    if (!this.#isPlanned(error) && !(error instanceof DiskFullError)) throw error;
  };

  async #steps(count: number): Promise<void> {
    for (let index = 0; index < count; index++) if (!await this.clock.step()) return;
  }

  /** Lets time pass until the promise settles. */
  async #until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const watch = () => {
      isSettled = true;
    };
    promise.then(watch, watch);
    for (let idle = 0; !isSettled && idle < 3;) {
      if (!await this.clock.step()) idle++;
    }
    assert(isSettled, "an operation is answered while the disk works");
    return await promise;
  }
}
