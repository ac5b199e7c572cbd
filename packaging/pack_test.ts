import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

async function run(command: string, args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

/** What a program on Node sees of the package: the client works, the engine says what it needs. */
const PROGRAM = `
import { WalrusClient } from "@walrus/walrus/client";
import { Walrus } from "@walrus/walrus";
const message = (error) => error.name + ": " + error.message;
console.log(await WalrusClient.connect("127.0.0.1:1").catch(message));
console.log(await Walrus.open({ dataDir: "data" }).catch(message));
`;

/** Why the package can't be tried here; `null`: it can. */
async function whyNoNode(): Promise<string | null> {
  try {
    // Deno takes the place of a Node that is not there.
    const args = ["-e", "console.log(typeof Deno)"];
    const { success, stdout } = await new Deno.Command("node", { args }).output();
    if (success && new TextDecoder().decode(stdout).trim() === "undefined") return null;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return "node is not installed";
}

const missing = await whyNoNode();
const name =
  "deno pack makes a package whose client runs on Node, and whose engine says that it does not";

Deno.test({
  name: missing === null ? name : `${name} (skipped: ${missing})`,
  ignore: missing !== null,
  fn: packAndRun,
});

async function packAndRun(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "walrus-pack-" });
  try {
    const archive = `${folder}/walrus.tgz`;
    await run(Deno.execPath(), ["pack", "--allow-dirty", "--output", archive], ROOT);
    const names = (await run("tar", ["-tzf", archive], folder)).split("\n");
    assert(names.includes("package/ffi/shim.c"), "the shim can be built");
    assert.deepEqual(names.filter((name) => /_test|simulation|\/(tests|server)\//.test(name)), []);
    const installed = `${folder}/node_modules/@walrus/walrus`;
    await Deno.mkdir(installed, { recursive: true });
    await run("tar", ["-xzf", archive, "-C", installed, "--strip-components=1"], folder);
    await Deno.writeTextFile(`${folder}/program.mjs`, PROGRAM);
    const [client, engine] = (await run("node", ["program.mjs"], folder)).split("\n");
    assert.match(client!, /^ConnectError: Can't connect to 127\.0\.0\.1:1/);
    assert.match(engine!, /^Error: Walrus\.open\(\) needs Deno/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
