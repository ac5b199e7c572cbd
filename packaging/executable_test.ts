import assert from "node:assert/strict";
import { findFreePorts } from "../cli/local/mod.ts";
import { readLines } from "../cli/lines.ts";
import { VERSION } from "../cli/version.ts";
import { buildShim } from "../ffi/build.ts";
import { buildExecutable } from "./mod.ts";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const STARTS_AT_ONCE = 4;
/** A home that nobody can write to, root included. */
const READ_ONLY_HOME = "/proc/self";

/** The executable is Linux's and needs what the shim needs. */
const missing = Deno.build.os === "linux" ? await whyNoShim() : "the executable is for Linux";
const built = missing === null
  ? buildExecutable({ output: await Deno.makeTempFile({ prefix: "walrus-exe-" }) })
  : null;
// The tests' own failure shows it; it is not to end the test run before.
built?.catch(() => {});

async function whyNoShim(): Promise<string | null> {
  const shim = await buildShim();
  return shim.ok ? null : shim.reason;
}

interface Place {
  executable: string;
  /** Empty at first. */
  cache: string;
  /** All that the processes of the test have in their environment. */
  env: Record<string, string>;
  folder: string;
}

function executableTest(name: string, test: (place: Place) => Promise<void>): void {
  Deno.test({
    name: missing === null ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== null,
    fn: async () => {
      const { path: executable } = await built!;
      const folder = await Deno.makeTempDir({ prefix: "walrus-exe-test-" });
      try {
        const cache = `${folder}/cache`;
        await Deno.mkdir(cache, { mode: 0o700 });
        await test({ executable, cache, env: { XDG_CACHE_HOME: cache, PATH: "" }, folder });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

interface Said {
  code: number;
  out: string;
  error: string;
}

async function run(
  executable: string,
  options: { args: string[]; env: Record<string, string> },
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(executable, {
    ...options,
    clearEnv: true,
    cwd: "/",
    stdin: "null",
    signal: AbortSignal.timeout(START_TIMEOUT_MS),
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

async function mustSayVersion(executable: string, env: Record<string, string>): Promise<string> {
  const said = await run(executable, { args: ["--version"], env });
  assert.deepEqual([said.code, said.error], [0, ""]);
  assert.ok(said.out.startsWith(`walrus ${VERSION}\n`), said.out);
  return said.out;
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** The one folder that a cache has. */
function unpackedFolder(cache: string): string {
  const folders = names(`${cache}/walrus`);
  assert.equal(folders.length, 1, folders.join(" "));
  assert.match(folders[0]!, new RegExp(`^${VERSION}-[0-9a-f]{16}$`));
  return `${cache}/walrus/${folders[0]}`;
}

/** A node that runs; `end` waits for its end. */
interface RunningNode {
  child: Deno.ChildProcess;
  lines: string[];
  end: Promise<Deno.CommandStatus>;
}

async function startNode(place: Place, args: string[]): Promise<RunningNode> {
  const child = new Deno.Command(place.executable, {
    args: ["serve", ...args],
    env: place.env,
    clearEnv: true,
    cwd: place.folder,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const ready = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const bytes of readLines(child.stderr)) {
      const line = new TextDecoder().decode(bytes);
      lines.push(line);
      if (/\bReady\b/.test(line)) ready.resolve();
    }
    ready.reject(new Error(`The node ended: ${lines.join("\n")}`));
  })();
  const end = reading.then(() => child.status);
  try {
    await withLimit(ready.promise, START_TIMEOUT_MS);
  } catch (error) {
    child.kill("SIGKILL");
    await end;
    throw error;
  }
  return { child, lines, end };
}

async function withLimit<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function stop(node: RunningNode): Promise<Deno.CommandStatus> {
  node.child.kill("SIGTERM");
  try {
    return await withLimit(node.end, STOP_TIMEOUT_MS);
  } catch (error) {
    node.child.kill("SIGKILL");
    await node.end;
    throw error;
  }
}

executableTest("The executable says what it is, with nothing around it", async (place) => {
  const { form } = await built!;
  const version = await mustSayVersion(place.executable, place.env);
  assert.match(version, /^commit {3}([0-9a-f]{12}(\+changes)?|unknown)$/m);
  assert.match(version, /^backend {2}(io_uring|file \(io_uring .*)$/m);
  assert.match(version, form === "launcher" ? /^built .*a launcher/m : /^built .*deno compile$/m);
});

executableTest("The executable's exit codes are the program's", async ({ executable, env }) => {
  const wrong = await run(executable, { args: ["serv"], env });
  assert.deepEqual([wrong.code, wrong.out], [2, ""]);
  assert.match(wrong.error, /^walrus: unknown command 'serv'.*Did you mean serve/);
  // Flags of the runtime behind the program are the program's, and its files are not looked for.
  const flag = await run(executable, { args: ["--allow-net", "version"], env });
  assert.equal(flag.code, 2, flag.error);
});

executableTest("The executable keeps an acknowledged message over kill -9", async (place) => {
  const ports = findFreePorts(2);
  const [raft, client] = ports.map(String);
  const data = `${place.folder}/data`;
  const flags = ["--node-id", "1", "--data-dir", data, "--raft-port", raft!];
  flags.push("--client-port", client!);
  const cli = async (...args: string[]) => {
    const { executable, env } = place;
    return await run(executable, { args: ["cli", "--addr", `127.0.0.1:${client}`, ...args], env });
  };
  const first = await startNode(place, flags);
  try {
    assert.deepEqual(await cli("register", "t"), { code: 0, out: "OK\n", error: "" });
    assert.deepEqual(await cli("put", "t", "kept"), { code: 0, out: "OK\n", error: "" });
  } finally {
    first.child.kill("SIGKILL");
  }
  assert.equal((await first.end).signal, "SIGKILL", "the signal reached the node itself");
  const second = await startNode(place, flags);
  try {
    assert.deepEqual(await cli("get", "t"), { code: 0, out: "kept\n", error: "" });
    assert.equal((await cli("get", "t")).code, 3);
  } finally {
    assert.equal((await stop(second)).code, 0);
  }
});

executableTest("The executable's serve --dev leaves nothing behind", async (place) => {
  const temporary = `${place.folder}/tmp`;
  await Deno.mkdir(temporary);
  const [raft, client] = findFreePorts(2).map(String);
  const flags = ["--dev", "--raft-port", raft!, "--client-port", client!, "--log-format", "json"];
  const node = await startNode({ ...place, env: { ...place.env, TMPDIR: temporary } }, flags);
  try {
    assert.match(names(temporary).join(), /^walrus-dev-\w+$/);
  } finally {
    assert.equal((await stop(node)).code, 0);
  }
  assert.deepEqual(names(temporary), []);
  for (const line of node.lines) assert.equal(typeof JSON.parse(line).message, "string");
});

/** Tests of the launcher's cache, of which the other form has none. */
function launcherTest(name: string, test: (place: Place) => Promise<void>): void {
  executableTest(name, async (place) => {
    // On purpose: what isn't built here by itself is still what others get.
    const { form, path } = await built!;
    const output = `${place.folder}/walrus`;
    if (form === "launcher") await Deno.copyFile(path, output);
    else await buildExecutable({ output, form: "launcher" });
    await test({ ...place, executable: output });
  });
}

launcherTest("The launcher's first start may be several at once", async (place) => {
  const versions = await Promise.all(
    Array.from(
      { length: STARTS_AT_ONCE },
      () => mustSayVersion(place.executable, place.env),
    ),
  );
  assert.equal(new Set(versions).size, 1);
  unpackedFolder(place.cache); // one, and no leftovers
});

launcherTest("The launcher repairs what was half written", async (place) => {
  await mustSayVersion(place.executable, place.env);
  const folder = unpackedFolder(place.cache);
  const damages: [string, () => Promise<void>][] = [
    ["a file is cut", () => Deno.truncate(`${folder}/walrus.js`, 1000)],
    ["a file is gone", () => Deno.remove(`${folder}/walrus_shim.so`)],
    ["nothing is there but the name", async () => {
      await Deno.remove(folder, { recursive: true });
      await Deno.mkdir(folder, { mode: 0o700 });
    }],
    ["a file has the name", async () => {
      await Deno.remove(folder, { recursive: true });
      await Deno.writeTextFile(folder, "");
    }],
    ["the power was cut before the bytes were on the disk", async () => {
      await Deno.chmod(`${folder}/walrus.js`, 0o600);
      const zeros = new Uint8Array((await Deno.stat(`${folder}/walrus.js`)).size);
      await Deno.writeFile(`${folder}/walrus.js`, zeros);
      await Deno.writeTextFile(`${folder}/boot`, "11111111-2222-3333-4444-555555555555\n");
    }],
  ];
  const whole = await Deno.readTextFile(`${folder}/walrus.js`);
  for (const [what, damage] of damages) {
    await damage();
    await mustSayVersion(place.executable, place.env);
    assert.equal(unpackedFolder(place.cache), folder, what);
    assert.equal(await Deno.readTextFile(`${folder}/walrus.js`), whole, what);
  }
});

launcherTest(
  "The launcher leaves others' folders alone, and removes old leftovers",
  async (place) => {
    const folder = `${place.cache}/walrus`;
    const old = new Date(Date.now() - 31 * 24 * 3600 * 1000);
    const yesterday = new Date(Date.now() - 24 * 3600 * 1000);
    for (
      const [name, time] of [
        ["0.0.1-0123456789abcdef", yesterday],
        ["0.0.0-0123456789abcdef", old],
        ["tmp-1-1", yesterday],
      ] as const
    ) {
      await Deno.mkdir(`${folder}/${name}/deno`, { recursive: true, mode: 0o700 });
      await Deno.writeTextFile(`${folder}/${name}/walrus.js`, "throw new Error('an old version');");
      await Deno.utime(`${folder}/${name}`, time, time);
    }
    await Deno.chmod(folder, 0o700);
    await mustSayVersion(place.executable, place.env);
    const left = names(folder);
    assert.equal(left.length, 2, left.join(" "));
    assert.equal(left[0], "0.0.1-0123456789abcdef");
  },
);

launcherTest("The launcher runs nothing from a folder that others can write", async (place) => {
  const home = `${place.folder}/home`;
  await Deno.mkdir(`${place.cache}/walrus`);
  await Deno.chmod(`${place.cache}/walrus`, 0o777);
  await Deno.mkdir(home, { mode: 0o700 });
  await mustSayVersion(place.executable, { ...place.env, HOME: home });
  assert.deepEqual(names(`${place.cache}/walrus`), []);
  unpackedFolder(`${home}/.cache`);
});

launcherTest("The launcher starts where it can't write to its home", async (place) => {
  await mustSayVersion(place.executable, place.env);
  const folder = unpackedFolder(place.cache).split("/").at(-1);
  const elsewhere = `/var/tmp/walrus-${Deno.uid()}/${folder}`;
  const wasThere = await exists(elsewhere);
  try {
    for (const env of [{ HOME: READ_ONLY_HOME }, {}]) {
      await mustSayVersion(place.executable, { PATH: "", ...env });
    }
  } finally {
    if (!wasThere && await exists(elsewhere)) await Deno.remove(elsewhere, { recursive: true });
  }
});

launcherTest("The launcher says that its file was cut off", async ({ executable, env }) => {
  const { size } = await Deno.stat(executable);
  await Deno.truncate(executable, size - 1000);
  const said = await run(executable, { args: ["version"], env });
  assert.deepEqual([said.code, said.out], [1, ""]);
  assert.match(
    said.error,
    /^walrus: The executable was cut off or changed\. Download it again\.\n$/,
  );
});

launcherTest("The launcher notices damage in its payload", async ({ executable, env, cache }) => {
  const file = await Deno.open(executable, { read: true, write: true });
  await file.seek(20_000_000, Deno.SeekMode.Start);
  await file.write(new Uint8Array(1000));
  file.close();
  const { code, error } = await run(executable, { args: ["version"], env });
  assert.equal(code, 1);
  assert.equal(error, "walrus: The executable is damaged. Download it again.\n");
  assert.deepEqual(names(`${cache}/walrus`), []);
});

executableTest("The launcher works without compression too", async (place) => {
  const output = `${place.folder}/walrus`;
  await buildExecutable({ output, form: "launcher", codec: "stored" });
  await mustSayVersion(output, place.env);
});

Deno.test.afterAll(async () => {
  if (built === null) return;
  const { path } = await built;
  await Deno.remove(path);
});
