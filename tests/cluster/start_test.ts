import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findFreePorts, type LocalNode, type NodeExit } from "../../cli/local/mod.ts";
import { askOnce, withCluster } from "./mod.ts";

/** Longer than any handover may take. */
const STOP_TIMEOUT_MS = 30_000;
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

interface Ended {
  code: number;
  /** The lines on stderr that aren't log lines: what the person who typed the command reads. */
  complaints: string[];
}

/** Runs `walrus serve` that is expected to end by itself. */
async function serve(args: string[], environment: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", "--config", CONFIG, MAIN, "serve", ...args],
    env: { WALRUS_LOG: "error", ...environment },
    stdin: "null",
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "", "nothing on stdout");
  const lines = new TextDecoder().decode(stderr).split("\n").filter((line) => line !== "");
  return { code, complaints: lines };
}

/** How a node ended; a node that does not end fails the test, and its log is shown. */
async function exitOf(node: LocalNode): Promise<NodeExit> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("The node does not stop.")), STOP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([node.exit, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "walrus-test-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** One line, the right code, and the line says it. */
function assertComplaint(ended: Ended, code: number, text: RegExp): void {
  assert.equal(ended.complaints.length, 1, ended.complaints.join("\n"));
  assert.match(ended.complaints[0]!, text);
  assert.equal(ended.code, code, ended.complaints[0]);
}

Deno.test("walrus serve says what is wrong with its flags in one line, with code 2", async () => {
  await inFolder(async (folder) => {
    const dataDir = ["--data-dir", `${folder}/data`];
    const wrong: [string[], RegExp][] = [
      [[], /--node-id/],
      [["--node-id", "zero"], /--node-id.*zero/],
      [["--node-id", "1", "--bogus"], /--bogus/],
      [["--node-id", "1", "--raft-port", "70000"], /--raft-port.*70000/],
      [["--node-id", "1", "--fsync", "often"], /--fsync.*often/],
      [["--node-id", "1", "--join", "nowhere"], /--join.*nowhere/],
    ];
    for (const [args, text] of wrong) assertComplaint(await serve([...args, ...dataDir]), 2, text);
    const environment = { WALRUS_MAX_SEGMENT_ENTRIES: "few" };
    const ended = await serve(["--node-id", "1", ...dataDir], environment);
    assertComplaint(ended, 2, /WALRUS_MAX_SEGMENT_ENTRIES=few/);
    await assert.rejects(Deno.stat(`${folder}/data`), "nothing was made");
  });
});

Deno.test("walrus serve says what keeps it from starting in one line, with code 1", async () => {
  await inFolder(async (folder) => {
    const ports = ["--raft-port", "0", "--client-port", "0"];
    const start = (dataDir: string, more: string[] = ports) =>
      serve(["--node-id", "1", "--data-dir", dataDir, ...more]);

    await Deno.writeTextFile(`${folder}/file`, "");
    assertComplaint(await start(`${folder}/file`), 1, /data directory/);

    await Deno.mkdir(`${folder}/foreign`);
    await Deno.writeTextFile(`${folder}/foreign/letters.txt`, "dear diary");
    assertComplaint(await start(`${folder}/foreign`), 1, /letters\.txt/);
    assert.equal([...Deno.readDirSync(`${folder}/foreign`)].length, 1, "nothing was added");

    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const taken = `${listener.addr.port}`;
    const free = `${findFreePorts(1)[0]}`;
    for (const [raft, client] of [[taken, free], [free, taken]] as const) {
      const more = ["--raft-port", raft, "--client-port", client];
      const ended = await start(`${folder}/data`, more);
      assertComplaint(ended, 1, new RegExp(`${taken}: the port is in use`));
    }
    listener.close();
  });
});

Deno.test("A data directory serves one process at a time, and its own node only", async () => {
  await withCluster({}, async (running) => {
    const { dataDir } = running.nodes[0]!.options;
    const ports = ["--raft-port", "0", "--client-port", "0"];
    const second = await serve(["--node-id", "1", "--data-dir", dataDir, ...ports]);
    assertComplaint(second, 1, /another process|in use|locked/);
    assert.equal(await askOnce(running.clientPorts[0]!, "REGISTER logs"), "OK");

    assert.equal((await running.nodes[0]!.stop({ timeoutMs: 20_000 })).code, 0);
    const other = await serve(["--node-id", "7", "--data-dir", dataDir, ...ports]);
    assertComplaint(other, 1, /node 1/);
  });
});

Deno.test("SIGTERM and SIGINT stop a node with order: code 0, and a clean start after it", async () => {
  await withCluster({}, async (running) => {
    assert.equal(await askOnce(running.clientPorts[0]!, "REGISTER logs"), "OK");
    for (const [index, signal] of (["SIGTERM", "SIGINT"] as const).entries()) {
      const node = running.nodes[index]!;
      node.signal(signal);
      assert.deepEqual(await exitOf(node), { code: 0, signal: null });
      const before = running.logOf(index + 1).length;
      await running.restart();
      const opened = running.logOf(index + 1).slice(before)
        .find((line) => line.includes("storage is open"));
      assert.match(opened ?? "", /clean=true/);
    }
    for (const port of running.clientPorts) {
      assert.equal(await askOnce(port, "PUT logs still here"), "OK");
      assert.equal(await askOnce(port, "GET logs"), "OK still here");
    }
  });
});
