import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startStandIn } from "../../client/testing/mod.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const ANSWER_TIMEOUT_MS = 20_000;

/** The prompt under a terminal that `script` (of every Linux) makes. */
class Terminal {
  #text = "";
  #read = 0;
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<void>;
  #wake = () => {};

  constructor(address: string, environment: Record<string, string>) {
    const command = `${Deno.execPath()} run -q -A --config ${CONFIG} ${MAIN} cli --addr ${address}`;
    this.#child = new Deno.Command("script", {
      args: ["-qfec", command, "/dev/null"],
      env: { TERM: "xterm", DENO_NO_UPDATE_CHECK: "1", ...environment },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.#ended = this.#collect();
  }

  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Waits until `text` has been shown, behind what was waited for before. */
  async shows(text: string): Promise<void> {
    const endMs = performance.now() + ANSWER_TIMEOUT_MS;
    while (true) {
      const at = this.#text.indexOf(text, this.#read);
      if (at >= 0) {
        this.#read = at + text.length;
        return;
      }
      const leftMs = endMs - performance.now();
      ok(leftMs > 0, `${JSON.stringify(text)} is not in ${JSON.stringify(this.#text)}`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, Math.min(leftMs, 200));
      });
      clearTimeout(timer);
    }
  }

  async exitCode(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#ended;
    await this.#keys.close().catch(() => {});
    return code;
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
  }
}

Deno.test("walrus cli on a terminal completes, answers, explains and remembers", async () => {
  await using standIn = await startStandIn();
  const home = await Deno.makeTempDir();
  try {
    const first = new Terminal(standIn.address, { XDG_STATE_HOME: home });
    await first.shows("walrus> ");
    await first.type("reg");
    await first.type("\t");
    await first.shows("register ");
    await first.type("web-logs\r");
    await first.shows("OK");
    await first.shows("walrus> ");
    await first.type(`put web-logs "two  words"\r`);
    await first.shows("OK");
    await first.shows("walrus> ");
    await first.type("get w");
    await first.type("\t");
    await first.shows("web-logs ");
    await first.type("\r");
    await first.shows("two  words");
    await first.shows("walrus> ");
    await first.type("get web-logs\r");
    await first.shows("EMPTY");
    await first.shows("walrus> ");
    await first.type("sttae x\r");
    await first.shows("Did you mean state?");
    await first.shows("walrus> ");
    await first.type("tail web-logs --from beginning\r");
    await first.shows("two  words");
    standIn.node.topics.get("web-logs")!.messages.push(new TextEncoder().encode("and more"));
    await first.shows("and more");
    await first.type("\x03"); // Ctrl-C ends the tail, not the prompt
    await first.shows("walrus> ");
    await first.type("watch\r");
    await first.shows("1 of 1 nodes live");
    await first.type("\x03");
    await first.shows("walrus> ");
    await first.type("remove-node ");
    await first.type("\t");
    await first.shows("1 ");
    await first.type("\x15");
    await first.type("help tail\r");
    await first.shows("tail logs --from beginning");
    await first.shows("walrus> ");
    await first.type("\x04"); // Ctrl-D
    strictEqual(await first.exitCode(), 0);

    const second = new Terminal(standIn.address, { XDG_STATE_HOME: home });
    await second.shows("walrus> ");
    await second.type("\x1b[A\x1b[A\x1b[A\x1b[A"); // four lines before: the mistyped one
    await second.shows("sttae x");
    await second.type("\x15quit\r");
    strictEqual(await second.exitCode(), 0);
    deepStrictEqual(standIn.node.texts("web-logs"), ["two  words", "and more"]);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
