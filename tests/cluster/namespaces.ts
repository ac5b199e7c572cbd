/**
 * Three nodes in three network namespaces with a bridge between them, so that packets between any two can be
 * dropped in either direction, silently. Clients don't notice: they come through a relay in the test's process.
 *
 * @module
 */

import { findFreePorts, LOCAL_NODES, type NodePlace } from "../../cli/local/mod.ts";

/** Where rules that drop stand: before the one that delivers to the machine's own addresses. */
const DROP_PRIORITY = 10;
const LOCAL_PRIORITY = 100;

/** A network of three. */
export class Namespaces {
  /** Names and addresses are drawn: another run on the machine may have its own, or have left some behind. */
  readonly #name = `w${crypto.randomUUID().slice(0, 8)}`;
  readonly #subnet = `10.213.${crypto.getRandomValues(new Uint8Array(1))[0]}`;
  readonly #cuts: Set<string> = new Set();
  readonly #relays: Relay[] = [];
  readonly clientPorts: readonly number[];

  private constructor() {
    this.clientPorts = findFreePorts(LOCAL_NODES);
  }

  /** Runs `test` in a network of its own, and takes it down. */
  static async with<T>(test: (namespaces: Namespaces) => Promise<T>): Promise<T> {
    const namespaces = new Namespaces();
    try {
      await namespaces.#build();
      return await test(namespaces);
    } finally {
      await namespaces.#takeDown();
    }
  }

  /** Why there can't be any here; `null` where there can. */
  static async whyNot(): Promise<string | null> {
    try {
      await Namespaces.with(async (namespaces) => {
        await namespaces.cut(1, 2);
        await namespaces.heal();
      });
      return null;
    } catch {
      return "network namespaces can't be made here";
    }
  }

  /** Where a node is to be started. */
  readonly placeOf = (nodeId: number): NodePlace => ({
    host: this.#addressOf(nodeId),
    joinHost: this.#addressOf(1),
    prefix: ["ip", "netns", "exec", this.#nameOf(nodeId)],
  });

  /** From now on nothing that `from` sends reaches `to`. The other way stays as it is. */
  async cut(from: number, to: number): Promise<void> {
    const cut = `${from}-${to}`;
    if (this.#cuts.has(cut)) return;
    this.#cuts.add(cut);
    const rule = [
      "pref",
      `${DROP_PRIORITY}`,
      "from",
      this.#addressOf(from),
      "iif",
      "eth0",
      "blackhole",
    ];
    await must("ip", "-n", this.#nameOf(to), "rule", "add", ...rule);
  }

  /** No node reaches this one, nor this one any node. */
  async isolate(nodeId: number): Promise<void> {
    for (const other of this.#ids.filter((id) => id !== nodeId)) {
      await this.cut(nodeId, other);
      await this.cut(other, nodeId);
    }
  }

  /** Takes back all cuts. */
  async heal(): Promise<void> {
    for (const id of this.#ids) {
      const args = ["-n", this.#nameOf(id), "rule", "del", "pref", `${DROP_PRIORITY}`];
      while (await succeeds("ip", ...args));
    }
    this.#cuts.clear();
  }

  get #ids(): number[] {
    return Array.from({ length: LOCAL_NODES }, (_, i) => i + 1);
  }

  #addressOf(nodeId: number): string {
    return `${this.#subnet}.${nodeId}`;
  }

  #nameOf(nodeId: number): string {
    return `${this.#name}-${nodeId}`;
  }

  async #build(): Promise<void> {
    await must("ip", "link", "add", this.#name, "type", "bridge");
    await must("ip", "addr", "add", `${this.#subnet}.254/24`, "dev", this.#name);
    await must("ip", "link", "set", this.#name, "up");
    for (const id of this.#ids) {
      const name = this.#nameOf(id);
      await must("ip", "netns", "add", name);
      const inside = ["peer", "name", "eth0", "netns", name];
      await must("ip", "link", "add", name, "type", "veth", ...inside);
      await must("ip", "link", "set", name, "master", this.#name, "up");
      await must("ip", "-n", name, "addr", "add", `${this.#addressOf(id)}/24`, "dev", "eth0");
      await must("ip", "-n", name, "link", "set", "lo", "up");
      await must("ip", "-n", name, "link", "set", "eth0", "up");
      // Packets to own addresses are delivered by rule 0, which nothing can stand before: it is moved behind.
      await must("ip", "-n", name, "rule", "add", "pref", `${LOCAL_PRIORITY}`, "lookup", "local");
      await must("ip", "-n", name, "rule", "del", "pref", "0");
      this.#relays.push(new Relay(this.clientPorts[id - 1]!, this.#addressOf(id)));
    }
  }

  async #takeDown(): Promise<void> {
    for (const relay of this.#relays) relay.close();
    for (const id of this.#ids) {
      await succeeds("ip", "link", "del", this.#nameOf(id));
      await succeeds("ip", "netns", "del", this.#nameOf(id));
    }
    await succeeds("ip", "link", "del", this.#name);
  }
}

/** Takes connections at a port of the loopback and passes their bytes on to the same port elsewhere. */
class Relay {
  readonly #listener: Deno.TcpListener;
  readonly #to: { hostname: string; port: number };
  readonly #conns: Set<Deno.TcpConn> = new Set();

  constructor(port: number, hostname: string) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#to = { hostname, port };
    this.#acceptAll();
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#conns) this.#end(conn);
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const conn of this.#listener) this.#relay(conn);
    } catch {
      // Closed while it accepted.
    }
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    this.#conns.add(client);
    try {
      const node = await Deno.connect(this.#to);
      this.#conns.add(node);
      // When either side ends, so does the other: nobody here half-closes.
      await Promise.race([copy(client, node), copy(node, client)]);
      this.#end(node);
    } catch {
      // The node refused, or one side broke.
    } finally {
      this.#end(client);
    }
  }

  #end(conn: Deno.TcpConn): void {
    if (!this.#conns.delete(conn)) return;
    try {
      conn.close();
    } catch {
      // Closed by the other side.
    }
  }
}

async function copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const chunk = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await from.read(chunk).catch(() => null);
    if (count === null) return;
    for (let rest = chunk.subarray(0, count); rest.length > 0;) {
      rest = rest.subarray(await to.write(rest));
    }
  }
}

async function must(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (success) return;
  throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(command, { args }).output()).success;
}
