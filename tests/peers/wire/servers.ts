/**
 * Starts what is measured over TCP, each with what it states of durability.
 *
 * @module
 */

import { LocalCluster, LocalNode } from "../../../cli/local/mod.ts";
import { findFreePorts } from "../../../cli/local/mod.ts";
import { type Server, startProcess } from "./server.ts";

/** Where a server's program is. */
export interface Tools {
  /** The echo server. */
  echo: string;
  redis: string;
  nats: string;
  /** The folder of Kafka's jars. */
  kafka: string;
}

/** What a server promises when it has answered. */
export interface ServerKind {
  name: string;
  /** The tool that it needs; `null` for Walrus. */
  needs: keyof Tools | null;
  durability: string;
  start(options: { folder: string; tools: Tools }): Promise<Server>;
}

const STOP_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 30_000;

/** Answers and does nothing. */
export const ECHO: ServerKind = {
  name: "echo",
  needs: "echo",
  durability: "stores nothing: the most that the load generator can do",
  start: ({ folder, tools }) => {
    const [port] = findFreePorts(1);
    const args = [`${port}`];
    return startProcess({ command: tools.echo, args, version: "", port: port!, folder });
  },
};

/** One node. */
export const WALRUS: ServerKind = {
  name: "Walrus, one node",
  needs: null,
  durability: "synced before each answer",
  start: async ({ folder }) => {
    const [raftPort, clientPort] = findFreePorts(2);
    const ports = { raftPort: raftPort!, clientPort: clientPort! };
    const node = new LocalNode({ nodeId: 1, dataDir: `${folder}/node`, ...ports });
    node.start();
    const isReady = (metrics: { current_leader?: unknown }) => metrics.current_leader !== null;
    const metrics = await node.ready({ timeoutMs: READY_TIMEOUT_MS, isReady });
    return {
      version: String(metrics.backend ?? ""),
      ports: [clientPort!],
      stop: async () => {
        await node.stop({ timeoutMs: STOP_TIMEOUT_MS });
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
};

/** Three nodes on this machine; the load is spread over all of them. */
export const WALRUS_CLUSTER: ServerKind = {
  name: "Walrus, three nodes",
  needs: null,
  durability: "synced on two of three nodes before each answer",
  start: async ({ folder }) => {
    const ports = findFreePorts(6);
    const [raftPorts, clientPorts] = [ports.slice(0, 3), ports.slice(3)];
    const cluster = new LocalCluster({ folder, raftPorts, clientPorts });
    await cluster.start();
    return {
      version: "",
      ports: clientPorts,
      stop: async () => {
        await cluster.stop();
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
};

/** Streams in the append-only file. */
export function redis(appendfsync: "always" | "everysec"): ServerKind {
  return {
    name: `Redis Streams, appendfsync ${appendfsync}`,
    needs: "redis",
    durability: appendfsync === "always" ? "synced before each answer" : "synced once a second",
    start: async ({ folder, tools }) => {
      const [port] = findFreePorts(1);
      const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
      args.push("--appendonly", "yes", "--appendfsync", appendfsync);
      args.push("--auto-aof-rewrite-percentage", "0");
      const version = await firstMatch(tools.redis, ["--version"], /v=([\d.]+)/);
      return startProcess({ command: tools.redis, args, version, port: port!, folder });
    },
  };
}

/** JetStream on files. */
export function nats(sync: "default" | "always"): ServerKind {
  return {
    name: `NATS JetStream, sync_interval ${sync}`,
    needs: "nats",
    durability: sync === "always" ? "synced before each answer" : "synced every two minutes",
    start: async ({ folder, tools }) => {
      const [port] = findFreePorts(1);
      const interval = sync === "always" ? ", sync_interval: always" : "";
      const config =
        `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: "${folder}"${interval} }`;
      await Deno.writeTextFile(`${folder}/nats.conf`, config);
      const version = await firstMatch(tools.nats, ["--version"], /v([\d.]+)/);
      const args = ["-c", `${folder}/nats.conf`];
      return startProcess({ command: tools.nats, args, version, port: port!, folder });
    },
  };
}

/** One broker with its own controller. */
export function kafka(flush: "default" | "each message"): ServerKind {
  return {
    name: `Kafka, flush ${flush}`,
    needs: "kafka",
    durability: flush === "default"
      ? "left to the system (acks=all of one replica)"
      : "synced before each answer (flush.messages=1)",
    start: async ({ folder, tools }) => {
      const [port, controllerPort] = findFreePorts(2);
      const properties = [
        "process.roles=broker,controller",
        "node.id=1",
        `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
        `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        "controller.listener.names=CONTROLLER",
        "offsets.topic.replication.factor=1",
        "auto.create.topics.enable=false",
        `log.dirs=${folder}/data`,
        ...(flush === "default" ? [] : ["log.flush.interval.messages=1"]),
      ];
      const file = `${folder}/server.properties`;
      await Deno.writeTextFile(file, properties.join("\n"));
      const classes = ["-cp", `${tools.kafka}/*`];
      const clusterId = btoa(folder.slice(-16)).replaceAll("=", "").slice(0, 22);
      const format = [...classes, "kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file];
      await firstMatch("java", format, /Formatting/);
      const args = ["-Xmx1g", ...classes, "kafka.Kafka", file];
      const version = kafkaVersion(tools.kafka);
      return startProcess({ command: "java", args, version, port: port!, folder });
    },
  };
}

function kafkaVersion(jars: string): string {
  const names = [...Deno.readDirSync(jars)].map((entry) => entry.name);
  return /kafka-clients-([\d.]+)\.jar/.exec(names.join(" "))?.[1] ?? "?";
}

/** What a program prints that matches. @throws {Error} when nothing does. */
async function firstMatch(command: string, args: string[], pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  const match = pattern.exec(text);
  if (match === null) throw new Error(`${command} ${args.join(" ")} said: ${text.slice(0, 500)}`);
  return match[1] ?? match[0];
}
