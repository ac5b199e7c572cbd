import assert from "node:assert/strict";
import { SimClock } from "../sim/mod.ts";
import { ConsoleLogger, fileSink, JsonLogger, parseLogThreshold } from "./logger.ts";

Deno.test("parseLogThreshold() reads levels and the directives of RUST_LOG that name walrus", () => {
  const cases: [string, string | undefined][] = [
    ["info", "info"],
    ["WARN", "warn"],
    ["trace", "debug"],
    ["off", "off"],
    ["warn,walrus=debug", "debug"],
    ["walrus::server=error,info", "error"],
    ["info,hyper=trace", "info"],
    ["walrus", "debug"],
    [" error , ", "error"],
    ["hyper=trace", undefined],
    ["", undefined],
    ["loud", undefined],
    ["walrus=loud", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(parseLogThreshold(text), expected, text);
});

Deno.test("ConsoleLogger writes one line for each event, whatever is in it", () => {
  const lines: string[] = [];
  const sink = (line: string) => lines.push(line);
  const logger = new ConsoleLogger({ threshold: "info", sink, clock: new SimClock() });
  logger.log("debug", "not this");
  logger.child({ node: 1 }).log("warn", "Two\nlines", { path: "a b", port: 80, gone: undefined });
  assert.deepEqual(lines, [
    '2026-01-01T00:00:00.000Z WARN  Two\\nlines node=1 path="a b" port=80\n',
  ]);
  assert.equal(logger.enabled("debug"), false);
});

Deno.test("JsonLogger's fields can't hide time, level and message", () => {
  const lines: string[] = [];
  const sink = (line: string) => lines.push(line);
  const logger = new JsonLogger({ threshold: "debug", sink, clock: new SimClock() });
  logger.child({ node: 1 }).log("info", "Listening", { message: "other", port: 80 });
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: "2026-01-01T00:00:00.000Z",
    level: "info",
    message: "Listening",
    node: 1,
    port: 80,
  });
});

Deno.test("ConsoleLogger is silent when off", () => {
  const sink = () => assert.fail("a line was written");
  const logger = new ConsoleLogger({ threshold: "off", sink, clock: new SimClock() });
  logger.log("error", "nothing");
});

Deno.test("fileSink() appends to what is there", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "before\n");
  const logger = new JsonLogger({ threshold: "info", sink: fileSink(path), clock: new SimClock() });
  logger.log("info", "after");
  const text = await Deno.readTextFile(path);
  assert.match(text, /^before\n\{.*"after".*\}\n$/);
  await Deno.remove(path);
});
