/**
 * Builds and runs the programs that Walrus is measured against. All of them are optional: see README.md
 * beside this file.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Names of the programs, in the order in which they run. */
export const PEER_NAMES = ["pwrite_loop", "rocksdb", "walrus-rust"] as const;
/** One of {@link PEER_NAMES}. */
export type PeerName = typeof PEER_NAMES[number];

/** What a peer is to do; README.md says which can do what. */
export interface PeerWork {
  work?: "append" | "read" | "readNext";
  threads?: number;
  topics?: number;
  count?: number;
  minBytes?: number;
  maxBytes?: number;
  batch?: number;
  /** Milliseconds as a number. */
  sync?: "each" | "none" | number;
  secondsMax?: number;
}

/** What a peer did. Latencies are those of one operation: an append, a batch, a read. */
export interface PeerResult {
  peer: PeerName;
  version?: string;
  work: string;
  entries: number;
  bytes: number;
  seconds: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
}

/** A program that is ready to run, or why it can't be had. */
export type BuiltPeer =
  | { ok: true; name: PeerName; path: string }
  | { ok: false; name: PeerName; reason: string };

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** Ignored by git. */
const BUILD_DIRECTORY = fileURLToPath(new URL("../../.cache/peers", import.meta.url));
/** No compiler should write more lines than this on success; of a failure the last ones tell. */
const REASON_CHARACTERS_MAX = 300;

/** Builds one peer, unless what it was built from has not changed since. */
export async function buildPeer(name: PeerName): Promise<BuiltPeer> {
  await Deno.mkdir(BUILD_DIRECTORY, { recursive: true });
  switch (name) {
    case "pwrite_loop":
      return await compile(name, "cc", ["-O2", "-Wall", "-Wextra"], ["-lpthread"], "pwrite_loop.c");
    case "rocksdb": {
      const libraries = ["-lrocksdb", "-lpthread"];
      return await compile(name, "c++", ["-O2", "-std=c++17"], libraries, "rocksdb_wal.cc");
    }
    case "walrus-rust":
      return await buildWithCargo(name);
  }
}

/** Builds all peers. */
export async function buildPeers(): Promise<BuiltPeer[]> {
  const built: BuiltPeer[] = [];
  for (const name of PEER_NAMES) built.push(await buildPeer(name));
  return built;
}

/** Runs a peer in a new folder below `directory`, which is removed afterwards. */
export async function runPeer(
  peer: BuiltPeer & { ok: true },
  options: PeerWork & { directory: string },
): Promise<PeerResult> {
  const dir = await Deno.makeTempDir({ dir: options.directory, prefix: `${peer.name}_` });
  try {
    const { ok, output, reason } = await execute(peer.path, peerArguments(options, dir));
    if (!ok) throw new Error(`${peer.name} failed: ${reason}`);
    return JSON.parse(output);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The command line for a work. */
export function peerArguments(work: PeerWork, directory: string): string[] {
  const values = {
    "--dir": directory,
    "--work": work.work,
    "--threads": work.threads,
    "--topics": work.topics,
    "--count": work.count,
    "--min": work.minBytes,
    "--max": work.maxBytes,
    "--batch": work.batch,
    "--sync": work.sync,
    "--seconds": work.secondsMax,
  };
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [name, String(value)]);
}

/** How fast fio writes one file of `sizeBytes` in pieces of 1 MiB, or why it can't. */
export async function runFio(
  options: { directory: string; sizeBytes: number; mode: "buffered, one sync" | "direct" },
): Promise<{ ok: true; bytesPerSecond: number } | { ok: false; reason: string }> {
  const dir = await Deno.makeTempDir({ dir: options.directory, prefix: "fio_" });
  try {
    const args = [
      ...["--name=sequential", "--rw=write", "--bs=1M", "--ioengine=psync", "--output-format=json"],
      ...[`--size=${options.sizeBytes}`, `--filename=${dir}/file`],
      ...(options.mode === "direct" ? ["--direct=1"] : ["--end_fsync=1"]),
    ];
    const { ok, output, reason } = await execute("fio", args);
    if (!ok) return { ok: false, reason };
    // Its own figure leaves the sync at the end out of the time; this one has it in.
    const { job_runtime, write } = JSON.parse(output).jobs[0];
    return { ok: true, bytesPerSecond: write.io_bytes / (job_runtime / 1000) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function compile(
  name: PeerName,
  compiler: string,
  flags: string[],
  libraries: string[],
  source: string,
): Promise<BuiltPeer> {
  const path = `${BUILD_DIRECTORY}/${name}`;
  if (await isNewer(path, `${HERE}${source}`)) return { ok: true, name, path };
  const building = `${path}.${Deno.pid}`;
  const args = [...flags, "-o", building, `${HERE}${source}`, ...libraries];
  const { ok, reason } = await execute(compiler, args);
  if (!ok) return { ok, name, reason };
  await Deno.rename(building, path);
  return { ok, name, path };
}

/** In a copy, so that cargo's lock file and its downloads stay out of the source tree. */
async function buildWithCargo(name: PeerName): Promise<BuiltPeer> {
  const copy = `${BUILD_DIRECTORY}/walrus_rust`;
  const path = `${copy}/target/release/walrus_rust_peer`;
  if (await isNewer(path, `${HERE}walrus_rust/main.rs`)) return { ok: true, name, path };
  await Deno.mkdir(`${copy}/src`, { recursive: true });
  await Deno.copyFile(`${HERE}walrus_rust/Cargo.toml`, `${copy}/Cargo.toml`);
  await Deno.copyFile(`${HERE}walrus_rust/main.rs`, `${copy}/src/main.rs`);
  const args = ["build", "--release", "--quiet", "--manifest-path", `${copy}/Cargo.toml`];
  const { ok, reason } = await execute("cargo", args);
  return ok ? { ok, name, path } : { ok, name, reason };
}

async function isNewer(path: string, source: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).mtime! > (await Deno.stat(source)).mtime!;
  } catch {
    return false;
  }
}

async function execute(
  command: string,
  args: string[],
): Promise<{ ok: boolean; output: string; reason: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
    const decoder = new TextDecoder();
    const reason = decoder.decode(stderr).trim().slice(-REASON_CHARACTERS_MAX);
    return { ok: success, output: decoder.decode(stdout), reason };
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    return { ok: false, output: "", reason: isMissing ? `there is no ${command}` : String(error) };
  }
}

async function tryAll(directory: string): Promise<void> {
  const print = (line: string) => Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
  const works: PeerWork[] = [
    { threads: 1, secondsMax: 2 },
    { threads: 256, secondsMax: 2, count: 1_000_000 },
    { threads: 10, secondsMax: 2, count: 3_000_000, sync: "none" },
  ];
  for (const peer of await buildPeers()) {
    if (!peer.ok) {
      await print(`${peer.name}: left out: ${peer.reason}`);
      continue;
    }
    for (const work of works) {
      const result = await runPeer(peer, { directory, ...work });
      const rate = Math.round(result.entries / result.seconds);
      await print(`${JSON.stringify(work)} ${rate}/s ${JSON.stringify(result)}`);
    }
  }
  for (const mode of ["buffered, one sync", "direct"] as const) {
    await print(
      `fio ${mode}: ${JSON.stringify(await runFio({ directory, sizeBytes: 2 ** 31, mode }))}`,
    );
  }
}

if (import.meta.main) await tryAll(Deno.args[0] ?? Deno.env.get("TMPDIR") ?? "/tmp");
