/**
 * `deno task bench:peers [--seconds N] [--rounds N] [--dir D] [--json]`: the same work, one engine after the
 * other and round after round, and how Walrus compares. Peers that can't be built are left out and named.
 *
 * @module
 */

import { parseArgs } from "node:util";
import {
  buildPeers,
  type BuiltPeer,
  type PeerName,
  type PeerWork,
  runFio,
  runPeer,
} from "./mod.ts";
import { type Measured, ROWS } from "../../storage/bench/mod.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    gigabytes: { type: "string", default: "4" },
    dir: { type: "string", default: ".cache/bench" },
    json: { type: "boolean", default: false },
  },
});

/** Entries per second (bytes for fio); the best of the rounds counts, for everybody. */
type Rates = Map<string, number>;

interface Comparison {
  ours: string;
  peer: string;
  /** What the issue asks for. */
  reach: number;
}

const PEER_WORKS: [PeerName, string, PeerWork][] = [
  ["pwrite_loop", "1 writer, sync each", { threads: 1 }],
  ["walrus-rust", "10 writers, no sync", { threads: 10, sync: "none", count: 3_000_000 }],
  ["walrus-rust", "1 writer, sync each", { threads: 1 }],
  ["walrus-rust", "256 writers, sync each", { threads: 256, count: 1_000_000 }],
  ["walrus-rust", "batches of 2000, sync each", { threads: 4, batch: 2000, count: 2_000_000 }],
  ["walrus-rust", "batch read", { work: "read", count: 300_000, sync: "none" }],
  ["walrus-rust", "readNext", { work: "readNext", count: 20_000, sync: "none" }],
  ["rocksdb", "256 writers, sync each", { threads: 256, count: 1_000_000 }],
];

const COMPARISONS: Comparison[] = [
  {
    ours: "append, sync none, 4000 waiting, 1 topics",
    peer: "walrus-rust: 10 writers, no sync",
    reach: 5,
  },
  {
    ours: "append, sync each, 1 waiting, 1 topics",
    peer: "pwrite_loop: 1 writer, sync each",
    reach: 0.8,
  },
  {
    ours: "append, sync each, 1 waiting, 1 topics",
    peer: "walrus-rust: 1 writer, sync each",
    reach: 1,
  },
  {
    ours: "append, sync each, 256 waiting, 1 topics",
    peer: "rocksdb: 256 writers, sync each",
    reach: 10,
  },
  {
    ours: "append, sync each, 256 waiting, 1 topics",
    peer: "walrus-rust: 256 writers, sync each",
    reach: 20,
  },
  {
    ours: "append, sync each, 4000 waiting, 1 topics",
    peer: "walrus-rust: 256 writers, sync each",
    reach: 50,
  },
  {
    ours: "append, sync each, 4000 waiting, 10000 topics",
    peer: "append, sync each, 4000 waiting, 1 topics",
    reach: 0.5,
  },
  {
    ours: "batch append of 2000, sync each, 10 writers",
    peer: "walrus-rust: batches of 2000, sync each",
    reach: 3,
  },
  { ours: "batch read of 1 MiB, warm", peer: "walrus-rust: batch read", reach: 2 },
  {
    ours: "readNext with checkpoint, strictlyAtOnce, 256 topics at once",
    peer: "walrus-rust: readNext",
    reach: 20,
  },
];

const OUR_ROWS = [
  "append-none",
  "append-each",
  "many-topics",
  "batch",
  "read",
  "read-next",
  "sustained",
];

async function measureOurs(rates: Rates): Promise<void> {
  for (const name of OUR_ROWS) {
    const rows = await ROWS[name]!({
      directory: values.dir,
      seconds: Number(values.seconds),
      gigabytes: Number(values.gigabytes),
      disableUring: false,
    });
    for (const row of rows) note(rates, row.row, rateOf(row));
  }
}

/** Sustained rows are about bytes, as fio is. */
function rateOf({ row, entries, payloadBytes, seconds }: Measured): number {
  return (row.startsWith("sustained") ? payloadBytes : entries) / seconds;
}

async function measurePeers(rates: Rates, peers: readonly BuiltPeer[]): Promise<void> {
  for (const [name, title, work] of PEER_WORKS) {
    const peer = peers.find((built) => built.name === name);
    if (peer?.ok !== true) continue;
    const secondsMax = Number(values.seconds);
    const result = await runPeer(peer, { ...work, directory: values.dir, secondsMax });
    note(rates, `${name}: ${title}`, result.entries / result.seconds);
  }
  const sizeBytes = Number(values.gigabytes) * 1e9;
  for (const mode of ["buffered, one sync", "direct"] as const) {
    const result = await runFio({ directory: values.dir, sizeBytes, mode });
    if (result.ok) note(rates, `fio: ${mode}`, result.bytesPerSecond);
  }
}

function note(rates: Rates, name: string, rate: number): void {
  rates.set(name, Math.max(rate, rates.get(name) ?? 0));
}

function comparisons(): Comparison[] {
  const sustained = (size: string) =>
    `sustained ${values.gigabytes} GB, sync each, 4000 waiting, ${size} B`;
  return [
    ...COMPARISONS,
    { ours: sustained("500–1024"), peer: "fio: buffered, one sync", reach: 1.2 },
    { ours: sustained("8192"), peer: "fio: direct", reach: 0.6 },
  ];
}

async function compareAll(): Promise<void> {
  await Deno.mkdir(values.dir, { recursive: true });
  const peers = await buildPeers();
  for (const peer of peers) if (!peer.ok) print(`${peer.name}: left out: ${peer.reason}`);
  const rates: Rates = new Map();
  for (let round = 0; round < Number(values.rounds); round++) {
    await measureOurs(rates);
    await measurePeers(rates, peers);
  }
  const rows = comparisons().map(({ ours, peer, reach }) => {
    const [our, their] = [rates.get(ours) ?? NaN, rates.get(peer) ?? NaN];
    return { ours, peer, our, their, ratio: our / their, reach };
  });
  if (values.json) {
    print(JSON.stringify({ rates: Object.fromEntries(rates), rows }, null, 2));
  } else {
    for (const { ours, peer, our, their, ratio, reach } of rows) {
      const verdict = Number.isNaN(ratio) ? "not measured" : ratio >= reach ? "reached" : "MISSED";
      print(
        `${ours}\n  ${Math.round(our).toLocaleString("en")}/s against ${peer}: ` +
          `${Math.round(their).toLocaleString("en")}/s = ${
            ratio.toFixed(2)
          } (reach ${reach}: ${verdict})`,
      );
    }
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

await compareAll();
