/**
 * Raft members as child processes, seen from the test.
 *
 * @module
 */

import type { MemberConfig, MemberRequest, MemberState } from "./member.ts";

const MEMBER = new URL("./member.ts", import.meta.url).pathname;
/** A member that doesn't answer within this time is taken for dead. */
const ANSWER_TIMEOUT_MS = 20_000;

type Unnumbered<R> = R extends MemberRequest ? Omit<R, "number"> : never;

/** What a request was answered with, when it wasn't a result. */
export class MemberError extends Error {
  constructor(override readonly name: string, readonly leader: number | null) {
    super(`A member answered ${name}.`);
  }
}

class Member {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, (line: Answer) => void>();
  readonly opened: Promise<void>;
  #number = 0;
  role = "";
  isUp = true;

  constructor(config: MemberConfig) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-A", "--no-check", MEMBER, JSON.stringify(config)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.opened = new Promise((resolve) => void this.#read(resolve));
  }

  get pid(): number {
    return this.#child.pid;
  }

  ask(request: Unnumbered<MemberRequest>, timeoutMs = ANSWER_TIMEOUT_MS): Promise<unknown> {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#waiting.get(number)?.({ error: "Timeout" }), timeoutMs);
      this.#waiting.set(number, ({ result, error, leader }) => {
        clearTimeout(timer);
        this.#waiting.delete(number);
        if (error === undefined) resolve(result);
        else reject(new MemberError(error, leader ?? null));
      });
      const line = new TextEncoder().encode(`${JSON.stringify({ number, ...request })}\n`);
      this.#writer.write(line).catch(() => this.#waiting.get(number)?.({ error: "Gone" }));
    });
  }

  async kill(): Promise<void> {
    this.isUp = false;
    this.role = "";
    this.#child.kill("SIGKILL");
    await this.#child.status;
    this.#writer.abort().catch(() => {});
  }

  async #read(onOpen: () => void): Promise<void> {
    let text = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) this.#onLine(JSON.parse(line), onOpen);
    }
    for (const settle of [...this.#waiting.values()]) settle({ error: "Gone" });
  }

  #onLine(line: Answer, onOpen: () => void): void {
    if (line.event === "open") onOpen();
    else if (line.event === "role" && this.isUp) this.role = line.role!;
    else if (line.event === "failure") throw new Error(`member failed: ${line.message}`);
    else if (line.number !== undefined) this.#waiting.get(line.number)?.(line);
  }
}

interface Answer {
  number?: number;
  result?: unknown;
  error?: string;
  leader?: number | null;
  event?: string;
  role?: string;
  message?: string;
}

/** A group of processes on free ports, with their data in one temporary folder. */
export class ProcessGroup {
  readonly #members = new Map<number, Member>();
  readonly #ports: Record<string, number>;
  readonly #folder: string;
  readonly #snapshotEntries: number;

  private constructor(options: { folder: string; size: number; snapshotEntries: number }) {
    this.#folder = options.folder;
    this.#snapshotEntries = options.snapshotEntries;
    const listeners = Array.from(
      { length: options.size },
      () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
    );
    this.#ports = Object.fromEntries(
      listeners.map(({ addr }, i) => [i + 1, (addr as Deno.NetAddr).port]),
    );
    for (const listener of listeners) listener.close();
  }

  /** `size` voters; node 1 leads. */
  static async start(options: { size: number; snapshotEntries: number }): Promise<ProcessGroup> {
    const folder = await Deno.makeTempDir({ prefix: "walrus-raft-" });
    const group = new ProcessGroup({ ...options, folder });
    await Promise.all(group.ids.map((id) => group.startMember(id, { bootstrap: id === 1 })));
    while (group.leader() !== 1) await pause(10);
    for (const id of group.ids.slice(1)) {
      await group.ask(1, { op: "addLearner", id, timeoutMs: 10_000 });
      await group.ask(1, { op: "promote", id, timeoutMs: 10_000 });
    }
    return group;
  }

  get ids(): number[] {
    return Object.keys(this.#ports).map(Number);
  }

  async startMember(id: number, options: { bootstrap: boolean }): Promise<void> {
    const member = new Member({
      id,
      ports: this.#ports,
      directory: `${this.#folder}/${id}`,
      snapshotEntries: this.#snapshotEntries,
      ...options,
    });
    this.#members.set(id, member);
    await member.opened;
  }

  isUp(id: number): boolean {
    return this.#members.get(id)?.isUp ?? false;
  }

  pid(id: number): number {
    return this.#members.get(id)!.pid;
  }

  /** Who said last that it leads. */
  leader(): number | undefined {
    return this.ids.find((id) => this.isUp(id) && this.#members.get(id)!.role === "leader");
  }

  ask(id: number, request: Unnumbered<MemberRequest>, timeoutMs?: number): Promise<unknown> {
    return this.#members.get(id)!.ask(request, timeoutMs);
  }

  async state(id: number): Promise<MemberState> {
    return await this.ask(id, { op: "state" }) as MemberState;
  }

  async kill(id: number): Promise<void> {
    await this.#members.get(id)!.kill();
  }

  async stop(): Promise<void> {
    for (const id of this.ids) if (this.isUp(id)) await this.kill(id);
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Waits; for tests of real processes only. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
