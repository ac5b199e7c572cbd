import assert from "node:assert/strict";
import {
  makeServeCommand,
  planServe,
  type ServeFlags,
  type ServePlan,
} from "../cli/serve_options.ts";
import { manPage, programForDocuments } from "./man_page.ts";

async function textOf(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(`files/${file}`, import.meta.url));
}

/** Reads a command line as `walrus serve` does. */
function plan(words: string[]): ServePlan {
  assert.equal(words[0], "serve");
  const command = makeServeCommand().exitOverride();
  command.parse(words.slice(1), { from: "user" });
  return planServe(command.opts<ServeFlags>(), () => undefined);
}

Deno.test("compose.yaml starts three nodes of one cluster", async () => {
  const text = await textOf("compose.yaml");
  const lines = [...text.matchAll(/^ {4}command: (.*)$/gm)].map((match) => match[1]!);
  const plans = lines.map((line) => plan(line.split(" ")));
  assert.deepEqual(plans.map(({ config }) => config.nodeId), [1, 2, 3]);
  assert.deepEqual(plans.map(({ config }) => config.join?.host), [
    undefined,
    "walrus-1",
    "walrus-1",
  ]);
  for (const { config, dataDir } of plans) {
    assert.equal(config.raftAdvertiseHost, `walrus-${config.nodeId}`);
    assert.match(text, new RegExp(`^  walrus-${config.nodeId}:\\n    image`, "m"));
    assert.match(text, new RegExp(`"?walrus-${config.nodeId}:${dataDir}"?`));
    assert.equal(config.join?.port ?? config.raft.port, config.raft.port);
  }
});

Deno.test("Dockerfile serves on the ports that it names", async () => {
  const text = await textOf("Dockerfile");
  const list = /^CMD (\["serve".*\])$/m.exec(text)![1]!;
  const { config, dataDir } = plan(JSON.parse(list) as string[]);
  assert.match(text, new RegExp(`^EXPOSE ${config.client.port} ${config.raft.port}$`, "m"));
  assert.match(text, new RegExp(`^VOLUME ${dataDir}$`, "m"));
});

Deno.test("walrus.service runs a command line that walrus takes", async () => {
  const text = await textOf("walrus.service");
  const value = (pattern: RegExp) => pattern.exec(text)![1]!;
  const examples = [value(/^Environment="WALRUS_FLAGS=(.*)"$/m), value(/^#\s+WALRUS_FLAGS=(.*)$/m)];
  const ids = examples.map((flags) => {
    const line = value(/^ExecStart=\S+\/walrus (.*)$/m)
      .replace("${STATE_DIRECTORY}", "/var/lib/walrus").replace("$WALRUS_FLAGS", flags);
    return plan(line.split(" ")).config.nodeId;
  });
  assert.deepEqual(ids, [1, 2]);
});

Deno.test("manPage() has every command and flag, and no line that roff would swallow", () => {
  const page = manPage(programForDocuments());
  for (const name of ["serve", "cli", "bench", "verify", "version", "completions", "cli put"]) {
    assert.ok(page.includes(`.SS walrus ${name}\n`), name);
  }
  for (const text of ["\\-\\-dev", "\\-\\-log\\-format", "WALRUS_LOG", "Examples:"]) {
    assert.ok(page.includes(text), text);
  }
  assert.match(page, /^\p{ASCII}+$/u);
  const requests = page.split("\n").filter((line) => /^[.']/.test(line));
  for (const line of requests) assert.match(line, /^\.(TH|SH|SS|B|I|TP|nf|fi)\b/);
});
