/**
 * Builds the shim: `cc` with liburing linked in, so that the result needs nothing but libc. The
 * file's name carries a hash of what it was made from: a changed source is a new file, never a stale one.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Where the shim is, or why there is none. */
export type BuildResult =
  | { ok: true; path: string; built: boolean }
  | { ok: false; reason: string };

const CC_FLAGS = [
  "-std=gnu11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-fPIC",
  "-shared",
  "-fvisibility=hidden",
  "-Wl,--exclude-libs,ALL",
];
const SOURCES = ["shim.c", "crc32c.c", "commit_thread.c"];
const LIBRARIES = ["-l:liburing.a", "-lpthread"];
const HASH_BYTES = 8;
const encoder = new TextEncoder();

/**
 * The path of the shim for the source that lies beside this file, built now unless it was before. Safe
 * for any number of processes at once: each builds under a name of its own and renames. `defines` are for
 * tests that need another shim (`MAX_TRANSFER_BYTES=1000u`).
 */
export async function buildShim(options: { defines?: string[] } = {}): Promise<BuildResult> {
  const flags = [...CC_FLAGS, ...(options.defines ?? []).map((define) => `-D${define}`)];
  const here = new URL(".", import.meta.url);
  if (here.protocol !== "file:") return { ok: false, reason: "the shim's source is not on disk" };
  const paths = SOURCES.map((name) => fileURLToPath(new URL(name, here)));
  const ingredients: Uint8Array<ArrayBuffer>[] = [
    encoder.encode([...flags, ...LIBRARIES].join(" ")),
  ];
  try {
    for (const path of paths) ingredients.push(await Deno.readFile(path));
  } catch {
    return { ok: false, reason: "the shim's source is not there" };
  }
  const directory = fileURLToPath(new URL("build", here));
  const path = `${directory}/walrus_shim_${Deno.build.arch}_${await hashOf(ingredients)}.so`;
  if (await exists(path)) return { ok: true, path, built: false };

  let temporary: string;
  try {
    await Deno.mkdir(directory, { recursive: true });
    temporary = await Deno.makeTempFile({ dir: directory, suffix: ".tmp" });
  } catch (error) {
    return { ok: false, reason: `the shim can't be built: ${message(error)}` };
  }
  try {
    const output = await new Deno.Command("cc", {
      args: [...flags, "-o", temporary, ...paths, ...LIBRARIES],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!output.success) {
      return { ok: false, reason: explain(new TextDecoder().decode(output.stderr)) };
    }
    await Deno.rename(temporary, path);
    return { ok: true, path, built: true };
  } catch (error) {
    return error instanceof Deno.errors.NotFound
      ? { ok: false, reason: "there is no C compiler (cc) to build the shim with" }
      : { ok: false, reason: `the shim can't be built: ${message(error)}` };
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

/** By the web's own digest: loading node:crypto would cost every start 30 ms. */
async function hashOf(parts: readonly Uint8Array<ArrayBuffer>[]): Promise<string> {
  const whole = new Uint8Array(await new Blob([...parts]).arrayBuffer());
  const digest = await crypto.subtle.digest("SHA-256", whole);
  return new Uint8Array(digest, 0, HASH_BYTES).toHex();
}

function explain(stderr: string): string {
  if (/liburing/.test(stderr) && /No such file|cannot find/.test(stderr)) {
    return "liburing is not installed (Debian: apt-get install liburing-dev)";
  }
  const line = stderr.split("\n").find((line) => /error|cannot/.test(line)) ??
    stderr.split("\n")[0];
  return `the shim does not compile: ${line?.trim()}`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (import.meta.main) {
  const result = await buildShim();
  const text = result.ok
    ? `${result.built ? "Built" : "Up to date:"} ${result.path}`
    : result.reason;
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
  Deno.exit(result.ok ? 0 : 1);
}
