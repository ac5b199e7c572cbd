/**
 * A server of this run: a process with a folder of its own below one that is thrown away.
 *
 * @module
 */

import { sleep } from "../../../world/mod.ts";
import { RealClock } from "../../../world/real/mod.ts";

/** A server that runs. */
export interface Server {
  /** For the table. */
  version: string;
  /** Where it takes requests, on the loopback. */
  ports: number[];
  stop(): Promise<void>;
}

/** A process to start. */
export interface ProcessPlan {
  command: string;
  args: string[];
  env?: Record<string, string>;
  version: string;
  port: number;
  /** Below which it has its data; removed at the end. */
  folder: string;
}

const POLL_MS = 50;
const START_SECONDS_MAX = 60;

/** Starts it and waits until its port takes connections. @throws {Error} when it doesn't. */
export async function startProcess(plan: ProcessPlan): Promise<Server> {
  const { command, args, port, folder } = plan;
  const stdio = { stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command(command, { args, env: plan.env ?? {}, ...stdio }).spawn();
  let isRunning = true;
  const ended = child.status.then(() => isRunning = false);
  const stop = async () => {
    if (isRunning) child.kill("SIGKILL");
    await ended;
    await Deno.remove(folder, { recursive: true });
  };
  for (let waitedMs = 0; isRunning && waitedMs < START_SECONDS_MAX * 1000; waitedMs += POLL_MS) {
    if (await takesConnections(port)) return { version: plan.version, ports: [port], stop };
    await sleep(new RealClock(), POLL_MS);
  }
  await stop();
  throw new Error(`${command} does not serve on port ${port} (${args.join(" ")}).`);
}

async function takesConnections(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
