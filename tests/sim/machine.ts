/**
 * A simulated machine: a drive, a place on the network, and at times a node that runs on it.
 *
 * @module
 */

import { type Node, type NodeConfig, startNode } from "../../server/mod.ts";
import { SegmentTrace, type TraceEvent } from "../../server/segments/segment_trace.ts";
import { DiskFullError, StoreFailedError } from "../../storage/mod.ts";
import { type Address, DiskError } from "../../world/mod.ts";
import {
  type SeededRandom,
  type SimClock,
  SimDrive,
  type SimNetwork,
} from "../../world/sim/mod.ts";
import { Gate, ProcessClock, ProcessDisk, ProcessNetwork } from "./process_world.ts";
import type { Shape } from "./shape.ts";
import { type Transcript, TranscriptLogger } from "./transcript.ts";

/** Where every node's Raft and clients' ports are. */
export const RAFT_PORT = 6000;
export const CLIENT_PORT = 8080;

/** Between two attempts to start a node on a disk that fails, milliseconds. */
const RESTART_MS = 500;

/** What all machines of a simulation share. */
export interface Surroundings {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly shape: Shape;
  readonly transcript: Transcript;
  /** Told what no node may ever do. */
  readonly onFailure: (message: string) => void;
  /** Shown what nodes do in the specification's words. */
  readonly onSpecEvent: (event: TraceEvent) => void;
  /** Shown all bytes that a node writes to the network; gives those that leave. */
  readonly onBytes: (machine: Machine, remote: string, bytes: Uint8Array) => Uint8Array;
  /** A node is about to hand something to its disk; the machine may be off when it returns. */
  readonly onDisk: (machine: Machine, call: string) => void;
}

/** `off`: no process. `refused`: the node would not start, and won't ever with this disk. */
export type MachineState = "off" | "starting" | "up" | "stopping" | "refused";

/** One machine. Its node id and host name stay, its drive may be swapped. */
export class Machine {
  readonly nodeId: number;
  readonly host: string;
  drive: SimDrive;
  /** The node, from when it serves clients. */
  node: Node | null = null;
  state: MachineState = "off";
  /** Why the node would not start. */
  refusal = "";
  /** Faults were planted that entitle this process to fail. */
  isDiskFaulty = false;
  /** Its disk holds something that nobody wrote there. */
  isRotten = false;
  readonly #in: Surroundings;
  #join: Address | null;
  #gate: Gate;
  #clock: ProcessClock | null = null;
  /** It was to be started while it stopped. */
  #isStartedAgain = false;
  #starts = 0;
  #boots = 1;
  #drives = 0;

  constructor(nodeId: number, join: Address | null, surroundings: Surroundings) {
    this.nodeId = nodeId;
    this.host = `n${nodeId}`;
    this.#in = surroundings;
    this.#join = join;
    this.#gate = new Gate(surroundings.clock);
    this.drive = this.#newDrive();
  }

  /** It was started before, with whatever drive. */
  get hasRun(): boolean {
    return this.#starts > 0;
  }

  get isPaused(): boolean {
    return this.#gate.isPaused && this.state !== "off";
  }

  /** Starts a process; `state` says what becomes of it. */
  start(): void {
    if (this.state === "stopping") this.#isStartedAgain = true;
    if (this.state !== "off") return;
    const { clock, network, random, transcript } = this.#in;
    const gate = this.#gate = new Gate(clock);
    const start = ++this.#starts;
    this.state = "starting";
    transcript.add(this.host, `start ${start}`);
    const tap = (remote: string, bytes: Uint8Array) => {
      transcript.addBytes(this.host, bytes);
      return this.#in.onBytes(this, remote, bytes);
    };
    this.#clock = new ProcessClock(clock, gate, this.#usualRate);
    const world = {
      clock: this.#clock,
      random: random.fork(`node ${this.nodeId} start ${start}`),
      network: new ProcessNetwork(network.host(this.host), gate, tap),
      disk: new ProcessDisk(this.drive.mount(), gate, (call) => this.#in.onDisk(this, call)),
      logger: new TranscriptLogger(transcript, this.host, (level, message, fields) => {
        if (level === "error") this.#onError(message, fields);
      }),
      bootId: `${this.host} boot ${this.#boots}`,
      segmentEvents: new SegmentTrace(
        this.nodeId,
        (event) => gate.isDead || this.#in.onSpecEvent(event),
      ),
    };
    startNode(this.#config(), world).then((node) => {
      if (gate.isDead) return;
      this.node = node;
      this.state = "up";
      transcript.add(this.host, "up");
      node.stopped.then((reason) => reason && this.#onExpelled(gate, reason));
    }, (error) => this.#onStartFailed(gate, error));
  }

  /** The node's clock runs so much faster than it usually does. */
  setClockRate(factor: number): void {
    this.#in.transcript.add(this.host, `clock × ${factor}`);
    this.#clock?.setRate(this.#usualRate * factor);
  }

  /** kill −9: the page cache lives on. */
  kill(): void {
    this.#end("killed");
    this.drive.kill();
  }

  /** The machine loses power, and what was not synced with it: any part of it, or all. */
  crash(mode?: "lost"): void {
    this.#end("lost power");
    this.drive.crash(mode);
    this.#boots++;
  }

  /** SIGSTOP. */
  pause(): void {
    this.#in.transcript.add(this.host, "paused");
    this.#gate.pause();
  }

  /** SIGCONT. */
  resume(): void {
    if (!this.#gate.isPaused) return;
    this.#in.transcript.add(this.host, "resumed");
    this.#gate.resume();
  }

  /** SIGTERM: the process ends by itself. */
  stop(): void {
    if (this.state !== "up") return;
    this.state = "stopping";
    const gate = this.#gate;
    this.#in.transcript.add(this.host, "stopping");
    this.node!.stop().then(() => {
      if (gate.isDead) return;
      const isStartedAgain = this.#isStartedAgain;
      this.kill(); // what is left of the process
      if (isStartedAgain) this.start();
    }, (error) => this.#in.onFailure(`${this.host} can't stop: ${error.stack}`));
  }

  /** Another drive is put in, an empty one; the node is to join the cluster through that host. */
  wipe(joinHost: string): void {
    this.#end("gets another disk");
    this.drive.kill();
    this.drive = this.#newDrive();
    this.isRotten = false;
    this.#boots++;
    this.#join = { host: joinHost, port: RAFT_PORT };
  }

  get #usualRate(): number {
    return this.#in.shape.clockRates[this.nodeId - 1] ?? 1;
  }

  #newDrive(): SimDrive {
    const { clock, random, shape } = this.#in;
    return new SimDrive({
      clock,
      random: random.fork(`drive ${this.nodeId} ${++this.#drives}`),
      latencyMs: shape.diskLatencyMs,
    });
  }

  #config(): NodeConfig {
    const { shape } = this.#in;
    return {
      nodeId: this.nodeId,
      raft: { host: this.host, port: RAFT_PORT },
      raftAdvertiseHost: this.host,
      client: { host: this.host, port: CLIENT_PORT },
      join: this.#join,
      replicationFactor: shape.replicationFactor,
      durability: shape.durability,
      maxSegmentEntries: shape.maxSegmentEntries,
      maxSegmentBytes: shape.maxSegmentBytes,
      monitorCheckMs: shape.monitorCheckMs,
      failoverMs: 1000,
      repairAfterMs: 2000,
      maxFrameBytes: 1024 * 1024,
      version: "simulated",
      bounds: {
        storage: shape.storage,
        ...(shape.reserve && { reserve: shape.reserve }),
        raftSnapshotEntries: shape.raftSnapshotEntries,
        messageBytes: shape.messageBytes,
      },
    };
  }

  #end(how: string): void {
    this.#in.transcript.add(this.host, how);
    this.#gate.kill();
    this.#in.onSpecEvent({ node: this.nodeId, kind: "crash" });
    this.#in.network.killProcess(this.host);
    this.node = null;
    this.state = "off";
    this.#isStartedAgain = false;
    this.refusal = "";
  }

  /** It was told, or has found out, that there is no place for what is on its disk. */
  #onExpelled(gate: Gate, reason: Error): void {
    if (gate.isDead || this.state !== "up") return;
    this.#in.transcript.add(this.host, `ended: ${reason.message}`);
    this.#end("ended");
    this.drive.kill();
    this.refusal = `${reason.name}: ${reason.message}`;
    this.state = "refused";
  }

  #onStartFailed(gate: Gate, error: Error): void {
    if (gate.isDead) return;
    this.#in.transcript.add(this.host, `would not start: ${error.message}`);
    this.#end("ended");
    this.drive.kill();
    const isStoreFailed = error instanceof StoreFailedError && this.isDiskFaulty;
    // The store opens on a full disk; what a node writes at its start needs room all the same.
    const isFull = error instanceof DiskFullError ||
      error instanceof DiskError && error.code === "NoSpace";
    if (isStoreFailed || isFull || error instanceof DiskError && this.isDiskFaulty) {
      // Started again and again, as a service manager would.
      this.#in.clock.after(RESTART_MS, () => this.start());
      return;
    }
    this.refusal = `${error.name}: ${error.message}`;
    this.state = "refused";
  }

  #onError(message: string, fields: Record<string, unknown>): void {
    const text = `${message} ${JSON.stringify(fields)}`;
    if (/Invariant broken/.test(text)) return this.#in.onFailure(`${this.host}: ${text}`);
    if (this.isDiskFaulty || this.isRotten) return;
    if (/stopped by an error|storage failed|is corrupt/.test(message)) {
      this.#in.onFailure(`${this.host}: ${text}`);
    }
  }
}
