/**
 * The peers' own load generators: what they reach by themselves, in case ours is unkind to them.
 *
 * @module
 */

import type { Tools } from "./servers.ts";

/** What one of them is to do. */
export interface OwnLoad {
  port: number;
  connections: number;
  depth: number;
  sizeBytes: number;
  /** About so long. */
  seconds: number;
  tools: Tools;
}

/** Messages per second of Redis' own `redis-benchmark`. */
export async function redisBenchmark(load: OwnLoad): Promise<number> {
  const rates: number[] = [];
  // It stops by number, not by time: a short run tells how many a long one needs.
  for (let requests = 20_000, run = 0; run < 2; run++) {
    const payload = "x".repeat(load.sizeBytes);
    const args = ["-p", `${load.port}`, "-c", `${load.connections}`, "-P", `${load.depth}`];
    args.push("-n", `${Math.round(requests)}`, "--csv", "XADD", "own", "*", "d", payload);
    const text = await outputOf("redis-benchmark", args);
    rates.push(Number(/^"XADD[^"]*","([\d.]+)"/m.exec(text)?.[1]));
    requests = rates[0]! * load.seconds;
  }
  return rates[1]!;
}

/** Messages per second of Kafka's own `ProducerPerformance`, one producer, `acks=all`. */
export async function kafkaPerformance(load: OwnLoad): Promise<number> {
  const server = `127.0.0.1:${load.port}`;
  const classes = ["-cp", `${load.tools.kafka}/*`];
  const topic = ["--create", "--if-not-exists", "--topic", "bench", "--partitions", "1"];
  const topics = "org.apache.kafka.tools.TopicCommand";
  await outputOf("java", [...classes, topics, "--bootstrap-server", server, ...topic]);
  let rate = 0;
  for (let messages = 20_000, run = 0; run < 2; run++) {
    const args = [...classes, "org.apache.kafka.tools.ProducerPerformance", "--topic", "bench"];
    args.push("--num-records", `${messages}`, "--record-size", `${load.sizeBytes}`);
    args.push("--throughput", "-1", "--producer-props", `bootstrap.servers=${server}`, "acks=all");
    const text = await outputOf("java", args);
    const last = [...text.matchAll(/records sent, ([\d.]+) records\/sec/g)].at(-1);
    rate = Number(last?.[1]);
    // The first run pays for the start of two virtual machines: it is far below the rest.
    messages = Math.max(messages, Math.round(rate * load.seconds));
  }
  return rate;
}

async function outputOf(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const text = new TextDecoder().decode(stdout);
  if (success) return text;
  throw new Error(`${command} failed: ${new TextDecoder().decode(stderr).slice(-300)} ${text}`);
}
