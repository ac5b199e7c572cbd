/**
 * Writers that keep requests in flight and note what they were told.
 *
 * @module
 */

import type { Attempt, History, Outcome } from "./history.ts";
import { RawClient } from "./raw_client.ts";

/** One writer: a connection to one node. */
export interface WriterOptions {
  history: History;
  port: number;
  topic: string;
  /** Unique in the history. */
  name: string;
  /** Requests in flight. */
  depth: number;
  /** Bytes of each value, at least; it begins with the writer's name and a number. */
  valueBytes: number;
  /** Hears every `ERR` that a request is answered with. */
  onError?: (answer: string) => void;
}

/** A writer at work. */
export interface Writer {
  /** Resolves when nothing more will be answered: the connection has ended, or the writer was stopped. */
  readonly ended: Promise<void>;
  /** Sends nothing more; resolves when everything sent is answered, or the connection has ended. */
  stop(): Promise<void>;
}

/** Starts to write until it is stopped or the connection ends. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const client = await RawClient.connect(options.port);
  const inFlight: Attempt[] = [];
  const wakeSender: (() => void)[] = [];
  let isStopping = false;
  let isSending = true;
  let number = 0;

  const send = async () => {
    while (!isStopping) {
      if (inFlight.length >= options.depth) {
        await new Promise<void>((resolve) => wakeSender.push(resolve));
        continue;
      }
      const value = `${options.name}-${number++}-`.padEnd(options.valueBytes, "x");
      const attempt = options.history.begin({
        topic: options.topic,
        value,
        writer: options.name,
      });
      inFlight.push(attempt);
      await client.send(`PUT ${options.topic} ${value}`);
    }
  };
  const receive = async () => {
    while (inFlight.length > 0 || isSending) {
      const answer = await client.receive();
      if (answer === "(closed)") return;
      const attempt = inFlight.shift();
      if (attempt === undefined) throw new Error(`An answer to no request: ${answer}`);
      options.history.settle(attempt, outcomeOf(answer));
      if (answer !== "OK") options.onError?.(answer);
      wakeSender.shift()?.();
      if (isStopping && inFlight.length === 0) return;
    }
  };
  const sending = send().catch(ignoreBrokenConnection).finally(() => isSending = false);
  const receiving = receive().catch(ignoreBrokenConnection).finally(() => {
    // What is still in flight stays unknown.
    isStopping = true;
    for (const wake of wakeSender) wake();
  });
  return {
    ended: receiving,
    stop: async () => {
      isStopping = true;
      for (const wake of wakeSender.splice(0)) wake();
      if (inFlight.length === 0) client.close();
      await Promise.all([sending, receiving]);
      client.close();
    },
  };
}

/** An error leaves it open whether the value is there, except where nothing can have been tried. */
function outcomeOf(answer: string): Outcome {
  if (answer === "OK") return "ok";
  if (/^ERR unknown topic/.test(answer)) return "failed";
  if (/^ERR /.test(answer)) return "unknown";
  throw new Error(`Not an answer to PUT: ${answer}`);
}

function ignoreBrokenConnection(error: unknown): void {
  const { ConnectionReset, BrokenPipe, BadResource, Interrupted, ConnectionAborted } = Deno.errors;
  for (const kind of [ConnectionReset, BrokenPipe, BadResource, Interrupted, ConnectionAborted]) {
    if (error instanceof kind) return;
  }
  throw error;
}
