import { deepStrictEqual, partialDeepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { makeServeCommand, planServe, type ServeFlags, type ServePlan } from "./serve_options.ts";

function plan(args: string[], environment: Record<string, string> = {}): ServePlan {
  const command = makeServeCommand().exitOverride().configureOutput({ outputError: () => {} });
  command.parse(args, { from: "user" });
  return planServe(command.opts<ServeFlags>(), (name) => environment[name]);
}

Deno.test("planServe() has the defaults that the design names", () => {
  const { config, ...rest } = plan(["--node-id", "7"]);
  deepStrictEqual(rest, {
    dataDir: "./data",
    disableUring: false,
    logThreshold: "info",
    logFile: null,
    logFormat: "text",
    traceFolder: null,
  });
  partialDeepStrictEqual(config, {
    nodeId: 7,
    raft: { host: "127.0.0.1", port: 6000 },
    raftAdvertiseHost: "127.0.0.1",
    client: { host: "127.0.0.1", port: 8080 },
    join: null,
    replicationFactor: 3,
    durability: "each",
    maxSegmentEntries: 1_000_000,
    maxSegmentBytes: 1024 ** 3,
    scrubBytesPerSecond: 1_000_000,
    monitorCheckMs: 10_000,
    maxFrameBytes: 16 * 1024 * 1024,
  });
});

Deno.test("planServe() takes every flag and variable", () => {
  const args = "--node-id 2 --data-dir /d --raft-port 6002 --raft-host 0.0.0.0 " +
    "--raft-advertise-host db2.example --client-port 9092 --client-host :: --join [::1]:6001 " +
    "--replication-factor 1 --fsync 25ms --log-file /l --log-format json --max-frame-bytes 2048";
  const { config, ...rest } = plan(args.split(" "), {
    WALRUS_MAX_SEGMENT_ENTRIES: "10",
    WALRUS_MAX_SEGMENT_BYTES: "4096",
    WALRUS_MONITOR_CHECK_MS: "50",
    WALRUS_SCRUB_MBPS: "0.5",
    WALRUS_DISABLE_IO_URING: "1",
    WALRUS_LOG: "debug",
  });
  deepStrictEqual(rest, {
    dataDir: "/d",
    disableUring: true,
    logThreshold: "debug",
    logFile: "/l",
    logFormat: "json",
    traceFolder: null,
  });
  partialDeepStrictEqual(config, {
    nodeId: 2,
    raft: { host: "0.0.0.0", port: 6002 },
    raftAdvertiseHost: "db2.example",
    client: { host: "::", port: 9092 },
    join: { host: "::1", port: 6001 },
    replicationFactor: 1,
    durability: { ms: 25 },
    maxSegmentEntries: 10,
    maxSegmentBytes: 4096,
    monitorCheckMs: 50,
    scrubBytesPerSecond: 500_000,
    maxFrameBytes: 2048,
  });
});

Deno.test("planServe() needs nothing decided with --dev", () => {
  const { config, dataDir } = plan(["--dev"]);
  strictEqual(dataDir, null);
  deepStrictEqual([config.nodeId, config.raft.port, config.client.port], [1, 6000, 8080]);
  strictEqual(plan(["--dev", "--node-id", "4"]).config.nodeId, 4);
});

Deno.test("planServe() understands RUST_LOG, and WALRUS_LOG before it", () => {
  strictEqual(plan(["--node-id", "1"], { RUST_LOG: "warn" }).logThreshold, "warn");
  strictEqual(plan(["--node-id", "1"], { RUST_LOG: "hyper=trace" }).logThreshold, "info");
  const both = { RUST_LOG: "warn", WALRUS_LOG: "error" };
  strictEqual(plan(["--node-id", "1"], both).logThreshold, "error");
});

Deno.test("planServe() refuses what can't work, and names it", () => {
  const refused: [string, RegExp, Record<string, string>?][] = [
    ["", /--node-id/],
    ["--dev --data-dir ./data", /leave --data-dir out/],
    ["--dev --join h:1", /leave --join out/],
    ["--node-id 1 --log-format xml", /text, json/],
    ["--node-id 0", /1 to 2147483647/],
    ["--node-id 1 --client-port 70000", /0 to 65535/],
    ["--node-id 1 --client-port 8o80", /client-port.*8o80/],
    ["--node-id 1 --raft-host a:1", /without a port/],
    ["--node-id 1 --join host", /HOST:PORT/],
    ["--node-id 1 --fsync often", /each, none or a time/],
    ["--node-id 1 --fsync 0ms", /each, none or a time/],
    ["--node-id 1 --port 80", /unknown option/],
    ["--node-id 1 --client-port 6000", /both 6000/],
    ["--node-id 1 --join 127.0.0.1:6000", /own raft address/],
    ["--node-id 1", /WALRUS_MAX_SEGMENT_ENTRIES=0/, { WALRUS_MAX_SEGMENT_ENTRIES: "0" }],
    ["--node-id 1", /WALRUS_MONITOR_CHECK_MS=soon/, { WALRUS_MONITOR_CHECK_MS: "soon" }],
    ["--node-id 1", /WALRUS_SCRUB_MBPS=-1/, { WALRUS_SCRUB_MBPS: "-1" }],
    ["--node-id 1", /WALRUS_LOG=loud/, { WALRUS_LOG: "loud" }],
  ];
  for (const [args, message, environment] of refused) {
    throws(() => plan(args === "" ? [] : args.split(" "), environment), message, args);
  }
});
