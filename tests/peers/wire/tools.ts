/**
 * Finds or builds the peers of the comparison over TCP, below `.cache/peers`. Each is optional.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { Tools } from "./servers.ts";

const CACHE = fileURLToPath(new URL("../../../.cache/peers", import.meta.url));
const ECHO_SOURCE = fileURLToPath(new URL("echo_server.c", import.meta.url));
const OPEN_LOOP_SOURCE = fileURLToPath(new URL("../latency/open_loop.c", import.meta.url));
const NATS_VERSION = "v2.15.2";
const KAFKA_VERSION = "3.9.1";

/** The tools that are there, and why the others are not. */
export interface FoundTools {
  tools: Tools;
  missing: Map<keyof Tools, string>;
}

/** Looks for each of them, and builds or brings what a compiler, Go or Maven on this machine can. */
export async function findTools(): Promise<FoundTools> {
  await Deno.mkdir(CACHE, { recursive: true });
  const missing = new Map<keyof Tools, string>();
  const attempt = async (name: keyof Tools, find: () => Promise<string>): Promise<string> => {
    try {
      return await find();
    } catch (error) {
      missing.set(name, (error as Error).message);
      return "";
    }
  };
  const tools = {
    echo: await attempt("echo", findEcho),
    redis: await attempt("redis", () => findOnPath("redis-server")),
    nats: await attempt("nats", findNats),
    kafka: await attempt("kafka", findKafka),
  };
  return { tools, missing };
}

/** The server that does nothing. @throws where there is no C compiler. */
export async function findEcho(): Promise<string> {
  await Deno.mkdir(CACHE, { recursive: true });
  return await compile("echo_server", ECHO_SOURCE);
}

/** The generator of open-loop load. @throws where there is no C compiler. */
export async function findOpenLoop(): Promise<string> {
  await Deno.mkdir(CACHE, { recursive: true });
  return await compile("open_loop", OPEN_LOOP_SOURCE);
}

async function compile(name: string, source: string): Promise<string> {
  const path = `${CACHE}/${name}`;
  await runProgram("cc", ["-O2", "-Wall", "-Wextra", "-o", path, source]);
  return path;
}

async function findOnPath(program: string): Promise<string> {
  await runProgram(program, ["--version"]);
  return program;
}

async function findNats(): Promise<string> {
  const path = `${CACHE}/nats-server`;
  if (await exists(path)) return path;
  const module = `github.com/nats-io/nats-server/v2@${NATS_VERSION}`;
  await runProgram("go", ["install", module], { GOBIN: CACHE });
  return path;
}

/** From its published artifacts, by Maven: a project of nothing but dependencies, copied to one folder. */
async function findKafka(): Promise<string> {
  const folder = `${CACHE}/kafka-${KAFKA_VERSION}`;
  if (await exists(`${folder}/complete`)) return folder;
  await Deno.mkdir(folder, { recursive: true });
  const dependency = (artifact: string) =>
    `<dependency><groupId>org.apache.kafka</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${KAFKA_VERSION}</version></dependency>`;
  const project = `<project><modelVersion>4.0.0</modelVersion><groupId>peer</groupId>` +
    `<artifactId>peer</artifactId><version>1</version><dependencies>` +
    `${dependency("kafka_2.13")}${dependency("kafka-tools")}</dependencies></project>`;
  await Deno.writeTextFile(`${folder}/pom.xml`, project);
  const goal = ["dependency:copy-dependencies", `-DoutputDirectory=${folder}`];
  await runProgram("mvn", ["-q", "-f", `${folder}/pom.xml`, ...goal]);
  await Deno.writeTextFile(`${folder}/complete`, "");
  return folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end; returns what it printed. @throws what it said last where it failed. */
export async function runProgram(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const spawn = new Deno.Command(command, { args, env });
  const { success, stdout, stderr } = await spawn.output().catch((error: Error) => {
    throw error instanceof Deno.errors.NotFound ? new Error(`there is no ${command}`) : error;
  });
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim().slice(-300));
  return new TextDecoder().decode(stdout);
}
