/**
 * A store in a folder of its own, and clients that keep so many appends waiting.
 *
 * @module
 */

import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { openDisk, type RealDisk } from "../disk/mod.ts";
import { type Durability, type Log, type LogStore, openLogStore } from "../mod.ts";
import { type RecordBatch, RecordBatchBuilder } from "../record_batch.ts";

/** How to measure. */
export interface WorkbenchOptions {
  /** Folders are made in here, and removed. */
  directory: string;
  /** Each row stops after so long. */
  seconds: number;
  disableUring: boolean;
  /** Of the sustained rows and the large reopening. */
  gigabytes: number;
}

/** What a row measured. */
export interface Measured {
  row: string;
  entries: number;
  payloadBytes: number;
  seconds: number;
  /** Latency of one operation, milliseconds; 0: not measured. */
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  /** Of stretches of a gigabyte each: the highest p99.9. 0: not measured. */
  worstP999Ms: number;
  /** Bytes of files for each byte of payload that they hold. */
  diskPerByte: number;
  note: string;
}

/** Entries that are made beforehand, so that making them is not measured. */
const BATCHES = 64;
/** One operation of so many is timed. */
const SAMPLE_EVERY = 16;
/** What goes on for long is judged by its worst stretch of so many bytes of payload. */
const STRETCH_BYTES = 1e9;

/** One store that is measured. */
export class Workbench {
  readonly options: WorkbenchOptions;
  readonly directory: string;
  store!: LogStore;
  #disk!: RealDisk;
  readonly #durability: Durability;

  private constructor(options: WorkbenchOptions, directory: string, durability: Durability) {
    this.options = options;
    this.directory = directory;
    this.#durability = durability;
  }

  static async open(options: WorkbenchOptions, durability: Durability): Promise<Workbench> {
    await Deno.mkdir(options.directory, { recursive: true });
    const directory = await Deno.makeTempDir({ dir: options.directory });
    const bench = new Workbench(options, directory, durability);
    await bench.openStore();
    return bench;
  }

  /** How long it took, milliseconds. */
  async openStore(): Promise<number> {
    const startMs = performance.now();
    const { disableUring } = this.options;
    this.#disk = await openDisk({ directory: this.directory, disableUring });
    const world = { disk: this.#disk, clock: new RealClock(), random: new RealRandom() };
    this.store = await openLogStore({ ...world, crc: this.#disk.crc32c }, {
      durability: this.#durability,
    });
    return performance.now() - startMs;
  }

  async closeStore(): Promise<void> {
    await this.store.close();
    await this.#disk.close();
  }

  async remove(): Promise<void> {
    await this.closeStore();
    await Deno.remove(this.directory, { recursive: true });
  }

  logs(count: number): Log[] {
    return Array.from({ length: count }, (_, index) => {
      const name = `log ${index}`;
      return this.store.get(name) ?? this.store.create(name);
    });
  }

  /** Batches of `perBatch` entries of 500 to 1024 random bytes, or all of one size. */
  batches(perBatch: number, sizeBytes?: number): RecordBatch[] {
    return Array.from({ length: BATCHES }, (_, index) => {
      const builder = new RecordBatchBuilder();
      for (let at = 0; at < perBatch; at++) {
        const size = sizeBytes ?? 500 + (index * 7919 + at * 104729) % 525;
        const payload = new Uint8Array(size);
        for (let from = 0; from < size; from += 65536) {
          crypto.getRandomValues(payload.subarray(from, Math.min(size, from + 65536)));
        }
        builder.add(payload);
      }
      return builder.copy();
    });
  }

  /** Keeps `waiting` appends in flight, round the logs, until time or entries are up. */
  async append(
    row: string,
    work: {
      logs: Log[];
      waiting: number;
      batches: RecordBatch[];
      bytesMax?: number;
      note?: string;
    },
  ): Promise<Measured> {
    const { logs, waiting, batches, bytesMax = Infinity } = work;
    const samples: number[] = [];
    /** Where in the samples a stretch ends. */
    const stretchEnds: number[] = [];
    let entries = 0, payloadBytes = 0, isOver = false;
    const timer = bytesMax === Infinity
      ? setTimeout(() => isOver = true, this.options.seconds * 1000)
      : undefined;
    const startMs = performance.now();
    await Promise.all(Array.from({ length: waiting }, async (_, client) => {
      for (let turn = client; !isOver; turn += waiting) {
        const batch = batches[turn % BATCHES]!;
        const isTimed = entries % SAMPLE_EVERY === 0;
        const fromMs = isTimed ? performance.now() : 0;
        await logs[turn % logs.length]!.append(batch);
        if (isTimed) samples.push(performance.now() - fromMs);
        entries += batch.count;
        payloadBytes += batch.bytes.length - 4 * batch.count;
        if (payloadBytes >= (stretchEnds.length + 1) * STRETCH_BYTES) {
          stretchEnds.push(samples.length);
        }
        if (payloadBytes >= bytesMax) isOver = true;
      }
    }));
    const seconds = (performance.now() - startMs) / 1000;
    clearTimeout(timer);
    const { fileBytes } = this.store.stats;
    const diskPerByte = fileBytes / payloadBytes;
    const { note = "" } = work;
    const worstP999Ms = worstStretch(samples, stretchEnds);
    const latencies = { ...quantiles(samples), worstP999Ms };
    return { row, entries, payloadBytes, seconds, diskPerByte, note, ...latencies };
  }
}

/** The highest p99.9 of the stretches, the last one ends where the samples do; 0: there is but one. */
function worstStretch(samples: number[], ends: readonly number[]): number {
  if (ends.length < 2) return 0;
  let worst = 0;
  for (let index = 0, from = 0; index < ends.length; index++) {
    const end = index === ends.length - 1 ? samples.length : ends[index]!;
    worst = Math.max(worst, quantiles(samples.slice(from, end)).p999Ms);
    from = end;
  }
  return worst;
}

/** Of latencies in milliseconds. */
export function quantiles(
  samples: number[],
): { p50Ms: number; p99Ms: number; p999Ms: number } {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}
