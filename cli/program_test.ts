import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { startStandIn } from "../client/testing/mod.ts";
import { HELP_LINES_MAX, pathOf, withSubcommands } from "./parser.ts";
import { makeProgram, runProgram } from "./program.ts";
import { type Output, painterFor } from "./terminal.ts";

/** Runs a command line and keeps what it prints. */
async function run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const said = { out: "", error: "" };
  const output: Output = {
    isTerminal: false,
    out: (text) => void (said.out += text),
    outBytes: (bytes) => void (said.out += new TextDecoder().decode(bytes)),
    error: (text) => void (said.error += text),
    paint: painterFor(false),
    paintError: painterFor(false),
  };
  const code = await runProgram(args, { output });
  return { code, ...said };
}

Deno.test("walrus cli does the one-shot commands, with exit codes for scripts", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  deepStrictEqual(await cli("register", "t"), { code: 0, out: "OK\n", error: "" });
  deepStrictEqual(await cli("put", "t", "two words"), { code: 0, out: "OK\n", error: "" });
  deepStrictEqual(await cli("get", "t"), { code: 0, out: "two words\n", error: "" });
  deepStrictEqual(await cli("get", "t"), { code: 3, out: "", error: "EMPTY\n" });
  strictEqual(JSON.parse((await cli("state", "t")).out).current_segment, 1);
  strictEqual(JSON.parse((await cli("metrics")).out).id, 1);
  const unknown = await cli("get", "nobody");
  deepStrictEqual([unknown.code, unknown.out], [1, ""]);
  match(unknown.error, /^walrus: unknown topic nobody.*\n$/);
});

Deno.test("walrus cli asks about the cluster, and registers with settings", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  strictEqual((await cli("register", "t", "--replication-factor", "1", "--fsync", "5ms")).code, 0);
  strictEqual(JSON.parse((await cli("topics", "--json")).out).topics[0].topic, "t");
  strictEqual(JSON.parse((await cli("nodes", "--json")).out).nodes[0].id, 1);
  deepStrictEqual(await cli("remove-node", "3"), { code: 0, out: "OK\n", error: "" });
  deepStrictEqual(standIn.node.requests[0], "REGISTER t rf=1 fsync=5ms");
  strictEqual((await cli("register", "t", "--fsync", "often")).code, 2);
  strictEqual((await cli("remove-node", "x")).code, 2);
});

Deno.test("walrus verify looks at nothing that is no data directory", async () => {
  const { code, out, error } = await run("verify", "--data-dir", "/nonexistent/walrus");
  deepStrictEqual([code, out], [1, ""]);
  match(error, /^walrus: \/nonexistent\/walrus is no Walrus data directory.*\n$/);
});

Deno.test("walrus cli get takes many and keeps their bytes", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  await cli("register", "t");
  for (const message of ["a\r", "b", "c", "d"]) await cli("put", "t", message);
  strictEqual((await cli("get", "t", "--count", "2")).out, "a\r\nb\n");
  strictEqual((await cli("get", "t", "--all", "--raw")).out, "cd");
});

Deno.test("walrus says in one line what is wrong with a command line, and ends with 2", async () => {
  const wrong: [string[], RegExp][] = [
    [["serv"], /unknown command 'serv'.*Did you mean serve/],
    [["cli", "gett", "t"], /Unknown command "gett"\. Did you mean get\?/],
    [["cli", "--adr", "x"], /unknown option '--adr'.*Did you mean --addr/],
    [["cli", "--addr", "x", "metrics"], /HOST:PORT/],
    [["cli", "put", "t"], /There is no message/],
    [["cli", "put", "t", "x", "--file", "y"], /not both/],
    [["cli", "get", "t", "--raw", "--json"], /cannot be used with/],
    [["cli", "get", "a/b"], /Bad topic name "a\/b"/],
    [["serve", "--node-id", "x"], /whole number/],
    [["bench", "--depth", "0"], /1 to 100000/],
    [["bench", "--topic-prefix", "a b"], /topic-prefix/],
  ];
  for (const [args, message] of wrong) {
    const { code, out, error } = await run(...args);
    deepStrictEqual([code, out], [2, ""], args.join(" "));
    match(error, message);
    match(error, /^walrus: [^\n]*\n$/);
  }
});

Deno.test("walrus ends with 1 and one line when nobody listens", async () => {
  const { code, out, error } = await run("cli", "--addr", "127.0.0.1:1", "metrics");
  deepStrictEqual([code, out], [1, ""]);
  match(error, /^walrus: Can't connect to 127\.0\.0\.1:1: connection refused.*\n$/);
});

Deno.test("walrus prints its version and help to stdout, and ends with 0", async () => {
  const version = await run("version");
  const keys = version.out.split("\n").map((line) => line.split(" ")[0]);
  deepStrictEqual(keys, ["walrus", "commit", "backend", "built", "runtime", ""]);
  match(version.out, /^walrus \d+\.\d+\.\d+\n/);
  match(version.out, /(io_uring|file \(.+\))\n.* run from source\n/);
  deepStrictEqual(await run("--version"), version);
  deepStrictEqual(await run("-V"), version);
  const nothing = await run();
  deepStrictEqual([nothing.code, nothing.out], [2, ""]);
  match(nothing.error, /Usage: walrus/);
});

Deno.test("Every command's help fits a screen and shows two examples", async () => {
  const nothing = () => {};
  const paint = painterFor(false);
  const output = { out: nothing, outBytes: nothing, error: nothing, paint, paintError: paint };
  const program = makeProgram({
    output: { isTerminal: false, ...output },
    build: null,
    onExitCode: nothing,
  });
  for (const command of withSubcommands(program)) {
    const path = pathOf(command);
    const { code, out, error } = await run(...path.split(" ").slice(1), "--help");
    deepStrictEqual([code, error], [0, ""], path);
    const lines = out.trimEnd().split("\n");
    ok(lines.length <= HELP_LINES_MAX, `${path} --help has ${lines.length} lines`);
    const examples = lines.slice(lines.indexOf("Examples:") + 1);
    ok(examples.filter((line) => line.startsWith("  walrus ")).length >= 2, `${path}: ${out}`);
    doesNotMatch(out, /\|[A-Z]/, "names in capitals are not listed");
  }
});

Deno.test("walrus cli takes commands in capitals, as the protocol has them", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  deepStrictEqual(await cli("REGISTER", "t"), { code: 0, out: "OK\n", error: "" });
  deepStrictEqual(await cli("PUT", "t", "two", "words"), { code: 0, out: "OK\n", error: "" });
  strictEqual((await cli("GET", "t", "--json")).out, '{"text":"two words"}\n');
});

Deno.test("walrus cli put takes a file: lines, records, or all of it", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  const file = await Deno.makeTempFile();
  try {
    await cli("register", "t");
    await Deno.writeTextFile(file, "one\ntwo\0three\n");
    strictEqual((await cli("put", "t", "--file", file)).out, "OK 2\n");
    strictEqual((await cli("put", "t", "-f", file, "-0")).out, "OK 2\n");
    strictEqual((await cli("put", "t", "-f", file, "--whole")).out, "OK\n");
    strictEqual((await cli("put", "t", "--", "--file")).out, "OK\n");
    deepStrictEqual(standIn.node.texts("t"), [
      ...["one", "two\0three"],
      ...["one\ntwo", "three\n"],
      "one\ntwo\0three\n",
      "--file",
    ]);
    const missing = await cli("put", "t", "--file", `${file}.missing`);
    deepStrictEqual([missing.code, missing.out], [1, ""]);
    match(missing.error, /missing can't be read/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("walrus cli put repeats nothing by itself, and says so where it was told to", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  await cli("register", "t");
  standIn.node.behaviour = "doubt";
  const once = await cli("put", "t", "x");
  deepStrictEqual([once.code, once.out, standIn.node.texts("t")], [4, "", ["x"]]);
  match(once.error, /^walrus: outcome unknown: .*\n$/);
  const twice = await cli("put", "t", "x", "--retry", "1");
  deepStrictEqual([twice.code, standIn.node.texts("t").length], [4, 3]);
  match(twice.error, /^walrus: Message 1 is sent again; it may be in the topic already, once/);
});

Deno.test("walrus cli tries its addresses in turn", async () => {
  await using standIn = await startStandIn();
  const answer = await run("cli", "--addr", `127.0.0.1:1,${standIn.address}`, "register", "t");
  deepStrictEqual(answer, { code: 0, out: "OK\n", error: "" });
});

Deno.test("walrus cli tail reads from any place and moves no cursor", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  await cli("register", "t");
  deepStrictEqual(await cli("tail", "t", "--no-follow"), { code: 3, out: "", error: "EMPTY\n" });
  for (const message of ["a", "b", "c", "d"]) await cli("put", "t", message);
  strictEqual((await cli("tail", "t", "--from", "beginning", "--no-follow")).out, "a\nb\nc\nd\n");
  strictEqual((await cli("tail", "t", "--from", "-2", "-n", "1")).out, "c\n");
  strictEqual(
    (await cli("tail", "t", "--from", "3", "-n", "1", "--json")).out,
    '{"offset":3,"text":"d"}\n',
  );
  strictEqual((await cli("tail", "t", "--from", "beginning", "-n", "2", "-0")).out, "a\0b\0");
  strictEqual((await cli("tail", "t", "--from", "start")).code, 2);
  strictEqual((await cli("tail", "nobody")).code, 1);
  strictEqual((await cli("get", "t")).out, "a\n");
});

Deno.test("walrus cli names the topic that was probably meant", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  await cli("register", "server-logs");
  const { code, error } = await cli("get", "servr-logs");
  strictEqual(code, 1);
  match(error, /^walrus: unknown topic servr-logs.*Did you mean server-logs\?\n$/);
  doesNotMatch((await cli("get", "something-else")).error, /Did you mean/);
});

Deno.test("walrus cli shows the cluster as tables and lines, and says whether all is well", async () => {
  await using standIn = await startStandIn();
  const cli = (...args: string[]) => run("cli", "--addr", standIn.address, ...args);
  await cli("register", "t");
  match((await cli("nodes")).out, /^node +role .*\n1 +leader +yes .*\n$/);
  match((await cli("topics")).out, /^topic +segments .*\nt +.*node 1 .*\n$/);
  const watched = await cli("watch", "--count", "2");
  match(watched.out, /^(.* 1 of 1 nodes live, metadata leader 1, 1 topic, 1 segment, .*\n){2}$/);
  const look = JSON.parse((await cli("watch", "-n", "1", "--json")).out);
  deepStrictEqual([look.nodes.length, look.topics[0].topic, look.metrics[1].id], [1, "t", 1]);
  deepStrictEqual(await cli("check"), {
    code: 0,
    out: "OK   1 nodes, 1 topics, 1 segments: all live, all with their replicas\n",
    error: "",
  });
});
